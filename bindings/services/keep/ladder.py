"""The ladder of warnings before an end: each rung is told once, whatever restarts in between."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

from bindings import expiry, state
from bindings.models import Binding, Notice, facts
from bindings.services.tell import outbox
from portal.ground import rls
from providers.types import Expiry, Quality

KIND = "expiring"
BATCH = 500


def climb(now: datetime) -> int:
    """Flag what ends soon and tell the rungs that were reached; how many were told.

    Opens one short transaction per batch of bindings, in the fleet's scope.
    """
    told, after = 0, None
    while True:
        with rls.fleet("expiry ladder"):
            batch = _batch(now, after)
            told += sum(_told(binding, rungs, now) for binding, rungs in _with_rungs(batch))
        if len(batch) < BATCH:
            return told
        after = batch[-1].pk


def _batch(now: datetime, after: UUID | None) -> list[Binding]:
    soon = now + timedelta(days=expiry.LADDER[0])
    rows = Binding.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        unbound_at=None,
        expires_at__lte=soon,
        quality__in=[Quality.EXACT.value, Quality.STATED.value],
        renews=False,
        status__in=[
            state.Status.ACTIVE.value,
            state.Status.EXPIRING.value,
            state.Status.INSUFFICIENT.value,
        ],
    )
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.select_related("credential", "schedule").order_by("pk")[:BATCH])


def _with_rungs(batch: list[Binding]) -> list[tuple[Binding, set[int]]]:
    known: dict[tuple[UUID, int], set[int]] = defaultdict(set)
    rows = Notice.objects.filter(binding__in=batch, kind=KIND)
    for binding_id, cycle, step in rows.values_list("binding_id", "cycle", "step"):
        known[binding_id, cycle].add(step)
    return [(binding, known[binding.pk, binding.credential.generation]) for binding in batch]


def _told(binding: Binding, rungs: set[int], now: datetime) -> int:
    _flag(binding, now)
    end = Expiry(binding.expires_at, Quality(binding.quality))
    due = expiry.steps_due(end, now, rungs)
    for rung in due:
        Notice.objects.create(
            tenant_id=binding.tenant_id,
            binding=binding,
            kind=KIND,
            step=rung,
            cycle=binding.credential.generation,
            opened_at=now,
        )
        if rung == 0:
            # That it has ended is the platform's to say: ask it now, announce nothing.
            _ask_now(binding, now)
        else:
            outbox.tell(
                "binding.expiring",
                binding=binding,
                actor=outbox.SYSTEM,
                at=now,
                threshold_days=rung,
            )
    return len(due)


def _flag(binding: Binding, now: datetime) -> None:
    aged = state.aged(facts.of(binding), now)
    if aged.changed:
        facts.apply(binding, aged.facts)
        binding.version += 1
        binding.save(update_fields=[*facts.COLUMNS])


def _ask_now(binding: Binding, now: datetime) -> None:
    plan = binding.schedule
    if plan.next_check_at is None or plan.next_check_at > now:
        plan.next_check_at = now
        plan.save(update_fields=["next_check_at"])
