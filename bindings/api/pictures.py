"""From rows to the shapes of the API: one query gives all that a list of bindings shows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from bindings.api import shapes
from bindings.models import Binding
from bindings.services.keep.doctor import Hint
from bindings.services.tell import pictures
from bindings.state import Reach, State, Status, one_word
from portal.tenants.api.shapes import InstanceBrief
from portal.tenants.models import Membership

PASSING = (
    "state",
    "reachability",
    "reachability_since",
    "reachability_reason",
    "capabilities",
    "checked_at",
    "next_check_at",
    "last_used_at",
    "drill",
)
"""Members that change by themselves (`portal.ground.rest.etags`)."""

Row = pictures.Row
REASON = pictures.REASON


def rows(found: QuerySet[Binding]) -> QuerySet[Binding, dict[str, Any]]:
    """The columns `binding` needs, in one query."""
    members = Membership.objects.of(OuterRef("tenant_id"))
    here = members.filter(user=OuterRef("bound_by_id"), left_at=None)
    return pictures.rows(found).annotate(bound_by_stays=Exists(here))


def binding(row: Row, now: datetime) -> shapes.Binding:
    """A row as `GET /bindings/{id}` shows it."""
    return cast(shapes.Binding, pictures.binding(row, now))


def instance_brief(row: Row) -> InstanceBrief:
    """The instance of a row, by id and name."""
    return cast(InstanceBrief, pictures.instance_brief(row))


def state_of(row: Row) -> str:
    """The one word of a row that has status, reach and suspicion."""
    return pictures.state_of(row)


def in_states(wanted: Collection[State]) -> Q:
    """The rows whose one word is among `wanted`; asked of the function that makes the word."""
    found = Q(pk__in=[])
    for status in Status:
        for reach in Reach:
            calm = one_word(status, reach) in wanted
            doubted = one_word(status, reach, suspicion=1) in wanted
            if calm or doubted:
                here = Q(status=status, reach=reach)
                if calm != doubted:
                    here &= Q(suspicion=0) if calm else Q(suspicion__gt=0)
                found |= here
    return found


def suggestions(hints: Collection[Hint]) -> list[shapes.Suggestion]:
    """The notices of a connection test."""
    return [{"field": hint.about, "value": hint.value, "code": hint.code} for hint in hints]


def page_url(tenant_slug: str, public_id: str) -> str:
    """The page of a binding."""
    return f"{settings.MOORING_URL}/t/{tenant_slug}/bindings/{public_id}/"
