"""Pauses: an operator stops all calls of a binding, or of a whole server, and lifts that again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from bindings import state
from bindings.models import Binding, CodeHost, Lease, Schedule, facts
from bindings.models.hooks import compare_soon
from bindings.services.keep import drills
from bindings.services.tell import outbox
from bindings.state import Verdict, Why
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor

_BATCH = 200
_EARLIER = "earlier"


def suspend(*, actor: Actor, binding: Binding, reason: str) -> Binding:
    """Stop all calls of a binding until `resume`. `reason` is read by its tenant.

    Raises NotYours when it is gone, Refusal X-STATE-01 when something else has paused it already.
    """
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        row = _locked(binding)
        verdict = state.suspend(facts.of(row), Why.OPERATOR, now)
        if not verdict.changed:
            raise _not_now(row)
        said = {"reason": reason, "date": now.date().isoformat(), _EARLIER: row.why_facts}
        _turn(row, verdict, said)
        _tell(row, verdict, actor, now, reason=reason)
    return row


def resume(*, actor: Actor, binding: Binding) -> Binding:
    """Lift an operator's pause: back to what it was, and checked at once.

    Raises NotYours when it is gone, Refusal X-STATE-01 when no operator has paused it.
    """
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        row = _locked(binding)
        verdict = state.resume(facts.of(row), Why.OPERATOR, now)
        if not verdict.changed:
            raise _not_now(row)
        said = row.why_facts.get(_EARLIER, {})
        if not row.host.enabled:
            # Another reason to stand still has come up meanwhile, and goes on without a word.
            still = state.suspend(verdict.facts, Why.HOST_DISABLED, now)
            verdict, said = Verdict(still.facts, verdict.was), {_EARLIER: said}
        _turn(row, verdict, said)
        _tell(row, verdict, actor, now)
    return row


def follow_switch(*, actor: Actor, host: CodeHost) -> int:
    """Pause the live bindings of a server that was switched off, or wake those of one that was
    switched on again; how many. Works in small transactions: repeat it when it was cut short."""
    turned = 0
    for binding in _to_turn(host):
        with rls.tenant(binding.tenant_id):
            turned += _follow(binding, host, actor, timezone.now())
    return turned


def _to_turn(host: CodeHost) -> list[Binding]:
    with rls.fleet("bindings of a server that was switched"):
        live = Binding.objects.filter(host=host, unbound_at=None)
        paused = live.filter(status=state.Status.SUSPENDED, why=Why.HOST_DISABLED)
        rows = paused if host.enabled else live.exclude(status=state.Status.SUSPENDED)
        return list(rows.only("id", "tenant_id").iterator(chunk_size=_BATCH))


def _follow(binding: Binding, host: CodeHost, actor: Actor, now: datetime) -> int:
    row = (
        Binding.objects.of(binding.tenant_id)
        .select_for_update(of=("self",))
        .filter(pk=binding.pk, unbound_at=None)
        .first()
    )
    if row is None:
        return 0
    drills.call_off(row, now=now)
    turn = state.resume if host.enabled else state.suspend
    verdict = turn(facts.of(row), Why.HOST_DISABLED, now)
    if not verdict.changed:
        return 0
    kept = row.why_facts
    _turn(row, verdict, kept.get(_EARLIER, {}) if host.enabled else {_EARLIER: kept})
    _tell(row, verdict, actor, now)
    return 1


def _not_now(row: Binding) -> Refusal:
    word = row.state.value
    return Refusal("X-STATE-01", state=word, extra={"state": word})


def _locked(binding: Binding) -> Binding:
    row: Binding | None = (
        Binding.objects.of(binding.tenant_id)
        .select_for_update(of=("self",))
        .select_related("host", "instance")
        .filter(pk=binding.pk, unbound_at=None)
        .first()
    )
    if row is None:
        raise NotYours
    drills.call_off(row, now=timezone.now())
    return row


def _turn(row: Binding, verdict: Verdict, said: dict[str, Any]) -> None:
    facts.apply(row, verdict.facts)
    row.why_facts = said
    row.version += 1
    row.save()
    if row.status == state.Status.SUSPENDED:
        Lease.end_of(row, now=timezone.now())
    Schedule.objects.filter(pk=row.pk).update(next_check_at=verdict.next_check_at)
    compare_soon([row.pk], timezone.now())


def _tell(row: Binding, verdict: Verdict, actor: Actor, now: datetime, **more: Any) -> None:
    was = state.one_word(verdict.was.status, verdict.was.reach, suspicion=verdict.was.suspicion)
    for event in verdict.events:
        outbox.tell(
            event, binding=row, actor=actor.event(), at=now, previous_state=was.value, **more
        )
