"""The ladder of warnings before an end: each rung is told once, whatever restarts in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from bindings import expiry, state
from bindings.models import Binding, Notice, Schedule, facts
from bindings.services.tell import outbox
from portal.ground import rls
from portal.tenants.services import events
from providers.types import Expiry, Quality

KIND = "expiring"
BATCH = 500
_ENDING = (state.Status.ACTIVE, state.Status.EXPIRING, state.Status.INSUFFICIENT)

Rungs = list[tuple[Binding, int]]
"""Bindings with the rung that is to be told now."""


def climb(now: datetime) -> int:
    """Flag what ends soon and tell the rungs that were reached; how many were told.

    Opens one short transaction per batch of bindings, in the fleet's scope. What somebody else
    holds just now is met again the next time.
    """
    told, after = 0, UUID(int=0)
    while True:
        with rls.fleet("expiry ladder"):
            batch = _batch(now, after)
            for binding in batch:
                _flag(binding, now)
            due = list(_due(batch, now))
            _note(due, now)
            _tell(due, now)
        told += len(due)
        if not batch:
            return told
        after = batch[-1].pk


def forget(binding: Binding, now: datetime) -> None:
    """The end has moved: what was told of the old one no longer counts. Needs an open scope."""
    Notice.objects.of(binding.tenant_id).filter(binding=binding, kind=KIND, closed_at=None).update(
        closed_at=now
    )


def _batch(now: datetime, after: UUID) -> list[Binding]:
    soon = now + timedelta(days=expiry.LADDER[0])
    rows = Binding.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        pk__gt=after,
        unbound_at=None,
        drill="",
        expires_at__lte=soon,
        quality__in=[Quality.EXACT.value, Quality.STATED.value],
        renews=False,
        status__in=[status.value for status in _ENDING],
    )
    return list(rows.select_related("credential").order_by("pk")[:BATCH])


def _flag(binding: Binding, now: datetime) -> None:
    aged = state.aged(facts.of(binding), now)
    if aged.changed:
        facts.apply(binding, aged.facts)
        binding.version += 1
        binding.save(update_fields=[*facts.COLUMNS])


def _due(batch: list[Binding], now: datetime) -> Iterator[tuple[Binding, int]]:
    told: dict[tuple[UUID, int], set[int]] = defaultdict(set)
    rows = Notice.objects.filter(binding__in=batch, kind=KIND, closed_at=None)
    for binding_id, cycle, rung in rows.values_list("binding_id", "cycle", "step"):
        told[binding_id, cycle].add(rung)
    for binding in batch:
        end = Expiry(binding.expires_at, Quality(binding.quality))
        known = told[binding.pk, binding.credential.generation]
        for rung in expiry.steps_due(end, now, known):
            yield binding, rung


def _note(due: Rungs, now: datetime) -> None:
    """That a rung was told, so that it is told once; told again of an end that was moved."""
    Notice.objects.bulk_create(
        (
            Notice(
                tenant_id=binding.tenant_id,
                binding=binding,
                kind=KIND,
                step=rung,
                cycle=binding.credential.generation,
                opened_at=now,
            )
            for binding, rung in due
        ),
        update_conflicts=True,
        unique_fields=["binding", "kind", "step", "cycle"],
        update_fields=["opened_at", "closed_at"],
    )


def _tell(due: Rungs, now: datetime) -> None:
    # That it has ended is the platform's to say: ask it now, announce nothing.
    over = [binding.pk for binding, rung in due if rung == 0]
    Schedule.objects.filter(pk__in=over, next_check_at__gt=now).update(next_check_at=now)
    entries = [
        outbox.entry(
            "binding.expiring",
            binding=binding,
            actor=outbox.SYSTEM,
            at=now,
            threshold_days=rung,
        )
        for binding, rung in due
        if rung > 0
    ]
    if entries:
        events.record_many(entries)
