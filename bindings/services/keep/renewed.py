"""What the outcome of a renewal makes of its binding: judged like any other answer of the host.

The token itself is stored already. What is written here is compared with what was seen, so that an
outcome of a former credential changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from bindings import state
from bindings.models import Binding, Credential, Renewal, Schedule, facts
from bindings.services.custody.intents import Claim
from bindings.services.custody.refresh import Outcome, Result
from bindings.services.keep import checks, ladder, weather
from bindings.services.keep.guard import Guard
from bindings.services.keep.verdict import Said, context_of, judge, said
from bindings.services.tell import outbox
from bindings.state import Facts, Note, Reach, Status, Verdict, Why
from portal.ground import rls
from providers.errors import ProviderError

log = structlog.get_logger(__name__)

_QUIET = frozenset({"system"})
_TRIES = 3


def take(outcome: Outcome) -> None:
    """Judge one outcome and store the verdict. Opens scopes of its own."""
    if outcome.result is Result.STORED:
        _renewed(outcome)
    elif outcome.error is not None:
        _failed(outcome, outcome.error)


def _renewed(outcome: Outcome) -> None:
    mine, fresh = outcome.claim, outcome.fresh
    with rls.tenant(mine.tenant_id):
        row = _locked(mine)
        known = _facts(row, mine.generation + 1) if row is not None else None
        if row is None or known is None or fresh is None:
            return
        if mine.purpose == Renewal.REFRESH:
            verdict = state.refreshed(known, fresh.expiry.at, outcome.at)
        else:
            verdict = state.rotated(known, fresh.expiry, outcome.at)
            ladder.forget(row, outcome.at)
        row.renews = verdict.facts.renews
        words = Said(status={} if verdict.status_changed else None)
        _store(row, verdict, words, outcome.at, mine.by)
        if mine.purpose == Renewal.ROTATE or mine.by["kind"] not in _QUIET:
            outbox.tell(
                "binding.rotated",
                binding=row,
                actor=mine.by,
                at=outcome.at,
                generation=mine.generation + 1,
            )
    if mine.purpose == Renewal.ROTATE:
        checks.verify(binding=row)
    if mine.host.weather != "ok" or mine.host.failures:
        weather.answered(mine.host, outcome.at)


def _failed(outcome: Outcome, error: ProviderError) -> None:
    mine, guard = outcome.claim, Guard()
    for _ in range(_TRIES):
        with rls.tenant(mine.tenant_id):
            row = _row(mine)
            known = _facts(row, mine.generation) if row is not None else None
        if row is None or known is None:
            return
        verdict, words = _judged(outcome, error, row, known, guard)
        if _stored_if_unmoved(mine, verdict, words, outcome.at):
            break
    if error.reason != "client_config" and outcome.result is not Result.REFUSED:
        weather.hear(mine.host, error, verdict, words.reach, outcome.at)
    if outcome.gave_up:
        log.error("renewal is given up", binding=mine.label, why=error.reason, alert=True)


def _judged(
    outcome: Outcome, error: ProviderError, row: Binding, known: Facts, guard: Guard
) -> tuple[Verdict, Said]:
    mine, now = outcome.claim, outcome.at
    if outcome.refused_first is not None:
        # A check of the access token between two refusals of the grant does not excuse the first.
        known = replace(known, refused_at=outcome.refused_first)
    verdict = judge(
        known, error, host_id=mine.host.pk, generation=mine.generation, guard=guard, now=now
    )
    if outcome.gave_up and verdict.reach not in (Reach.UNREACHABLE, Reach.OK):
        verdict = replace(state.darkened(verdict.facts, error.reason, now), was=known)
    words = said(
        error,
        verdict,
        provider=mine.provider,
        login=row.account_login,
        context=context_of(mine.host),
        now=now,
    )
    return verdict, words


def _stored_if_unmoved(mine: Claim, verdict: Verdict, words: Said, now: datetime) -> bool:
    with rls.tenant(mine.tenant_id):
        row = _locked(mine)
        if row is None:
            return True
        if row.version != verdict.was.version:
            return False
        if Note.HELD in verdict.notes:
            # Inside a mass episode a refusal counts for nothing, not even as the first of two.
            Credential.objects.of(mine.tenant_id).filter(
                pk=mine.binding_id, generation=mine.generation
            ).update(renew_refused_at=None, renew_at=verdict.next_check_at)
        if verdict.why is Why.REFRESH_LOST or verdict.status is Status.REVOKED:
            row.renews = False
        if Note.SUPERSEDED not in verdict.notes:
            _store(row, verdict, words, now, outbox.SYSTEM)
    return True


def _store(row: Binding, verdict: Verdict, words: Said, now: datetime, by: Any) -> None:
    """Needs the tenant's scope, and the row held."""
    if verdict.changed or row.renews != verdict.was.renews:
        facts.apply(row, verdict.facts)
        row.why_facts = row.why_facts if words.status is None else dict(words.status)
        row.reach_facts = dict(words.reach)
        row.version += 1
        row.save()
        outbox.tell_verdict(row, verdict, at=now, actor=by)
    if verdict.next_check_at is not None:
        Schedule.objects.filter(pk=row.pk, next_check_at__isnull=False).update(
            next_check_at=verdict.next_check_at, failures=min(verdict.facts.failures, 30_000)
        )


def _row(mine: Claim) -> Binding | None:
    rows = Binding.objects.of(mine.tenant_id).select_related("credential", "schedule")
    found: Binding | None = rows.filter(pk=mine.binding_id, unbound_at=None).first()
    return found


def _locked(mine: Claim) -> Binding | None:
    found: Binding | None = (
        Binding.objects.of(mine.tenant_id)
        .select_for_update(of=("self",))
        .select_related("credential", "schedule", "host", "instance")
        .filter(pk=mine.binding_id, unbound_at=None)
        .first()
    )
    return found


def _facts(row: Binding, generation: int) -> Facts | None:
    """What is known of the binding; None when its credential is another one by now."""
    if row.credential.generation != generation:
        return None
    return facts.of(
        row,
        generation=generation,
        failures=row.schedule.failures,
        next_check_at=row.schedule.next_check_at,
        access_until=row.credential.expires_at,
    )
