"""Write down what people have to be told: in the transaction of what happened, once.

A notice says that something happened, not to whom it is told: whoever finds it out (a sweep over
all tenants, say) may not read who is a member. `people.tell` does that, a moment later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bindings.models import Binding, Hook, Notice
from bindings.models.hooks import TROUBLED
from bindings.notices import OF_EVENT, OPEN_ENDED, RECOVERIES, TROUBLES, Kind, closed_by
from portal.ground import jobs
from portal.tenants.services.events import Entry

Rungs = Sequence[tuple[Binding, int]]
"""Bindings with the rung that is to be told now."""

_FACTS = ("since", "seconds", "reason", "threshold_days", "drill")
"""What a notice keeps of an event for its sentence."""


def note(entries: Sequence[Entry]) -> None:
    """Open the notices of these events, and close those that are over. Needs an open scope."""
    about = [entry for entry in entries if _concerns_people(entry)]
    if not about:
        return
    open_now = _open(about)
    made = [notice for entry in about for notice in _notices(entry, open_now)]
    _shut([row for rows in open_now.values() for row in rows if row.closed_at is not None])
    # The same turn noted twice is one notice.
    Notice.objects.bulk_create(made, ignore_conflicts=True, batch_size=500)
    if made:
        _wake()


def note_rungs(due: Rungs, now: datetime) -> None:
    """Open the notices of these rungs, again where the end was moved. Needs an open scope.

    Of rung 0 only that it was reached is kept: that it has ended is the platform's to say.
    """
    Notice.objects.bulk_create(
        (
            Notice(
                tenant_id=binding.tenant_id,
                binding=binding,
                kind=Kind.EXPIRING,
                step=rung,
                cycle=binding.credential.generation,
                opened_at=now,
                told_at=None if rung else now,
                data={"ends": binding.expires_at.isoformat() if binding.expires_at else ""},
            )
            for binding, rung in due
        ),
        update_conflicts=True,
        unique_fields=["binding", "kind", "step", "cycle"],
        update_fields=["opened_at", "closed_at", "told_at", "data"],
    )
    if due:
        _wake()


def close(binding: Binding, kinds: Iterable[str], *, now: datetime) -> None:
    """What was told of these kinds no longer counts. Needs an open scope."""
    Notice.objects.of(binding.tenant_id).filter(
        binding=binding, kind__in=list(kinds), closed_at=None
    ).update(closed_at=now)


def _wake() -> None:
    """People are told at once where a worker listens, and with the next tick anyway."""
    jobs.start(jobs.Job.TELL)


def _concerns_people(entry: Entry) -> bool:
    return entry.type in OF_EVENT or entry.type in RECOVERIES


def _open(entries: Sequence[Entry]) -> dict[UUID, list[Notice]]:
    """The open notices about these bindings."""
    found: dict[UUID, list[Notice]] = defaultdict(list)
    keys = {entry.binding_id for entry in entries if entry.binding_id is not None}
    rows = Notice.objects.filter(
        tenant_id__in={entry.tenant_id for entry in entries},
        binding__in=keys,
        kind__in=list(OPEN_ENDED),
        closed_at=None,
    )
    for row in rows.order_by("pk").select_for_update(of=("self",)):
        if row.binding_id is not None:
            found[row.binding_id].append(row)
    return found


def _shut(closed: Sequence[Notice]) -> None:
    for at in {row.closed_at for row in closed}:
        keys = [row.pk for row in closed if row.closed_at == at]
        Notice.objects.filter(pk__in=keys).update(closed_at=at)


def _notices(entry: Entry, open_now: Mapping[UUID, list[Notice]]) -> list[Notice]:
    """What an event is to people: itself, or the end of a trouble, or nothing."""
    picture = entry.data.get("binding") or {}
    over = closed_by(entry.type, picture) - _still(entry)
    mine = open_now.get(entry.binding_id, []) if entry.binding_id else []
    if entry.type == "webhook.failing" and any(row.kind == Kind.WEBHOOK for row in mine):
        return []  # one story for a binding, however many of its webhooks fail
    closed = [row for row in mine if row.closed_at is None and row.kind in over]
    for row in closed:
        row.closed_at = entry.at
    if entry.type in OF_EVENT:
        return [_notice(entry, OF_EVENT[entry.type], picture)]
    mended = [str(row.pk) for row in closed if row.kind in TROUBLES]
    return [_notice(entry, Kind.RECOVERED, picture, of=mended)] if mended else []


def _still(entry: Entry) -> frozenset[Kind]:
    """What one repair does not end: the trouble of the binding's other webhooks."""
    if entry.type != "webhook.repaired":
        return frozenset()
    others = Hook.objects.of(entry.tenant_id).filter(binding=entry.binding_id, status__in=TROUBLED)
    return frozenset({Kind.WEBHOOK}) if others.exists() else frozenset()


def _notice(entry: Entry, kind: Kind, picture: Mapping[str, Any], **more: Any) -> Notice:
    facts = {name: entry.data[name] for name in _FACTS if entry.data.get(name) is not None}
    about = {"login": picture.get("account", ""), "provider": picture.get("provider", "")}
    named = entry.data.get("endpoint") or entry.data.get("webhook") or {}
    return Notice(
        tenant_id=entry.tenant_id,
        binding_id=entry.binding_id,
        kind=kind,
        cycle=_cycle(entry, kind, picture),
        opened_at=entry.at,
        closed_at=None if kind in OPEN_ENDED else entry.at,
        data={
            **facts,
            **about,
            **more,
            "by": entry.actor.get("name", ""),
            "name": str(named.get("name") or named.get("repository") or "")[:200],
            "maker": str(named.get("made_by") or ""),
        },
    )


def _cycle(entry: Entry, kind: Kind, picture: Mapping[str, Any]) -> int:
    """What makes a turn another one: the version of its binding; a webhook turns without it."""
    if kind is Kind.WEBHOOK:
        return int(entry.at.timestamp()) // 60
    return int(picture.get("version") or 1)
