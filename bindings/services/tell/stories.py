"""Read the lines of people back, with what they are about; mark them as read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from bindings.models import Binding, Telling, Told
from bindings.services.tell import people
from bindings.services.tell.wording import NAMED, Story
from portal.ground import ids, rls
from portal.tenants.models import Tenant, User


def of_lines(tenant: Tenant, lines: Sequence[Telling]) -> list[Story]:
    """These lines as stories, each with its first bindings. Two questions, however many lines.
    Needs the tenant's scope."""
    numbered = Told.objects.of(tenant).filter(telling__in=lines)
    place = Window(RowNumber(), partition_by="telling_id", order_by=["at", "id"])
    first = numbered.annotate(place=place).filter(place__lte=NAMED).order_by("telling_id", "place")
    known: dict[UUID, list[tuple[UUID | None, dict[str, object]]]] = defaultdict(list)
    for line, binding, data in first.values_list(
        "telling_id", F("notice__binding_id"), F("notice__data")
    ):
        known[line].append((binding, data))
    keys = {binding for rows in known.values() for binding, _data in rows if binding}
    bindings = _bindings(tenant, keys)
    return [
        Story(
            line,
            tenant,
            [bindings[key] for key, _data in known[line.pk] if key in bindings],
            known[line.pk][0][1] if known[line.pk] else {},
        )
        for line in lines
    ]


def of_person(
    tenant: Tenant, person: User, *, before: str = "", most: int = 50
) -> tuple[list[Story], bool]:
    """What a person was told, newest first, and whether there is more. Needs the tenant's scope."""
    rows = Telling.objects.of(tenant).filter(user=person)
    key = ids.key(Telling.PREFIX, before)
    if key is not None:
        rows = rows.filter(pk__lt=key)
    found = list(rows.order_by("-pk")[: most + 1])
    return of_lines(tenant, found[:most]), len(found) > most


def read(*, tenant: Tenant, person: User, now: datetime, line: str = "") -> int:
    """A person has read all their lines, or the one with this public id; how many were new."""
    key = ids.key(Telling.PREFIX, line)
    with rls.tenant(tenant.pk):
        rows = Telling.objects.of(tenant).filter(user=person, read_at=None)
        if line:
            rows = rows.filter(pk=key or UUID(int=0))
        changed = rows.update(read_at=now)
        people.unread_again(tenant.pk, [person.pk])
    return changed


def _bindings(tenant: Tenant, keys: set[UUID]) -> dict[UUID, Binding]:
    rows = Binding.objects.of(tenant).filter(pk__in=keys).select_related("host", "instance")
    return rows.in_bulk()
