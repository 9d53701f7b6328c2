"""The verdict: what an answer of the platform, or the lack of one, makes of a binding.

A server that does not answer never condemns a credential. Only the platform's own refusal does,
twice, apart in time, and not while it refuses everybody (`security.md` 5).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bindings.state.facts import CONFIRM_SECONDS, DATED, SKEW, Facts, Verdict
from bindings.state.schedule import Chance, next_check
from bindings.state.turns import events, reached, stamped, trusted, turn
from bindings.state.words import Note, Reach, Status, Why
from providers.errors import (
    MAX_WAIT,
    AddressRefused,
    BadAnswer,
    DeliveryRefused,
    MissingScope,
    NotFound,
    NotSupported,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Expiry, Inspection, Method, Purpose, Quality

UNREACHABLE_AFTER = 3, timedelta(minutes=15)
"""Failures in a row, and the least time from the first to the last of them (G14)."""
_OURS = frozenset({"client_config", "api_removed", "clock"})
"""Bad answers that only an operator can mend."""
_OF_ONE_PLACE = {"role": Note.ROLE, "sso": Note.SSO, "org_policy": Note.ORG_POLICY}
"""Rights that one repository or organization withholds; the credential is as good as before."""


@dataclass(frozen=True, slots=True)
class _Step:
    facts: Facts
    notes: frozenset[Note] = frozenset()
    missing: Mapping[Purpose, tuple[str, ...]] = field(default_factory=dict)


def verdict(
    facts: Facts,
    answer: Inspection | ProviderError,
    now: datetime,
    *,
    mass: bool = False,
    asked: int | None = None,
    tried: Purpose = Purpose.LIST,
    confirm_seconds: float = CONFIRM_SECONDS,
    rng: Chance = random.random,
) -> Verdict:
    """Judge one check.

    `mass`: this host refuses many at once, so no turn for the worse is believed. `asked`: the
    generation of the credential that was sent; an answer about an older one says nothing. `tried`:
    the ability that a missing right stopped. `confirm_seconds` is 60 except in tests. Never raises.
    """
    if not facts.called:
        return turn(facts, facts.but(next_check_at=None), now)
    if asked is not None and asked != facts.generation:
        step = _Step(facts, frozenset({Note.SUPERSEDED}))
    else:
        step = _step(facts, answer, now, tried, confirm_seconds)
        if mass and _worse(facts, step.facts, answer):
            step = _held(facts)
    after = stamped(facts, step.facts, now)
    at = next_check(after, now, rng, confirm_seconds=confirm_seconds)
    return Verdict(
        after.but(next_check_at=at),
        facts,
        checked_at=now,
        missing=step.missing,
        events=events(facts, after),
        notes=step.notes,
    )


def begin(
    facts: Facts,
    answer: Inspection | ProviderError,
    now: datetime,
    *,
    waits: bool = False,
    rng: Chance = random.random,
) -> Verdict:
    """The first verdict of a new credential, at bind, replace and reconnect.

    `facts` are the binding's with the new credential in them: generation, what a person stated
    about its end, whether it renews itself. `waits`: a person still has to confirm the account.
    An error is raised as it is: there is nothing to keep, and whoever asked gets its code. No
    events: whoever binds tells what happened.
    """
    if isinstance(answer, ProviderError):
        raise answer
    fresh = facts.but(
        status=Status.ACTIVE, why=Why.NONE, before=None, before_why=Why.NONE, since=now
    )
    step = _inspected(fresh, answer, now)
    after = step.facts.but(status=Status.PENDING, why=Why.NONE) if waits else step.facts
    after = stamped(facts, after, now)
    after = after.but(next_check_at=next_check(after, now, rng))
    return Verdict(after, facts, checked_at=now, missing=step.missing, notes=step.notes)


def _step(
    facts: Facts,
    answer: Inspection | ProviderError,
    now: datetime,
    tried: Purpose,
    confirm_seconds: float,
) -> _Step:
    match answer:
        case Inspection():
            return _inspected(facts, answer, now)
        case TokenRejected():
            return _refused(facts, answer, now, confirm_seconds)
        case MissingScope():
            return _lacking(facts, answer, tried)
        case RateLimited():
            return _Step(_asked_to_wait(reached(facts), answer.reason, answer.retry_after, now))
        case Unreachable() if answer.retry_after is not None:
            return _Step(_asked_to_wait(facts, answer.reason, answer.retry_after, now))
        case DeliveryRefused() | NotSupported():
            return _Step(facts)
        case _:
            return _unusable(facts, answer, now)


def _inspected(facts: Facts, answer: Inspection, now: datetime) -> _Step:
    facts = trusted(facts).but(end=_end(facts, answer))
    if facts.account_id and answer.identity.id != facts.account_id:
        return _Step(facts.but(status=Status.SUSPENDED, why=Why.IDENTITY_CHANGED))
    missing = {what: lacks for what, lacks in answer.missing.items() if what in facts.needs}
    if missing:
        short = facts.but(status=Status.INSUFFICIENT, why=Why.SCOPE)
        return _Step(short, missing=missing)
    status, why = facts.by_date(now)
    passed = facts.end.at is not None and facts.end.quality in DATED and facts.end.at <= now
    notes = frozenset({Note.CLOCK_DIFFERENCE}) if passed else frozenset()
    return _Step(facts.but(status=status, why=why), notes)


def _end(facts: Facts, answer: Inspection) -> Expiry:
    """What the platform says wins; its silence does not erase a date that a person stated, nor the
    last day of an access token whose renewal is lost."""
    if answer.expiry.quality is Quality.UNKNOWN or facts.why is Why.REFRESH_LOST:
        return facts.end
    return answer.expiry


def _refused(facts: Facts, error: TokenRejected, now: datetime, confirm_seconds: float) -> _Step:
    heard = reached(facts)
    if error.reason == "suspended":
        return _Step(heard.but(status=Status.SUSPENDED, why=Why.ACCOUNT_BLOCKED))
    if facts.condemned:
        return _Step(heard)
    if facts.refused_at is None:
        return _Step(heard.but(suspicion=facts.suspicion + 1, refused_at=now))
    if now - facts.refused_at < timedelta(seconds=confirm_seconds):
        return _Step(heard, frozenset({Note.TOO_EARLY}))
    after = _condemned(heard, error, now)
    ours = after.why is Why.PLATFORM_REFUSED
    return _Step(after, frozenset({Note.OPERATOR_ALERT}) if ours else frozenset())


def _condemned(facts: Facts, error: TokenRejected, now: datetime) -> Facts:
    facts = facts.but(suspicion=facts.suspicion + 1)
    if facts.kind is Method.PLATFORM:  # nothing for the tenant to mend: the operator is told
        return facts.but(status=Status.SUSPENDED, why=Why.PLATFORM_REFUSED)
    until = facts.access_until
    if error.reason == "grant" and until is not None and until > now:
        # The last access token still works; its end is now the binding's (`security.md` 4.7).
        end = Expiry(until, Quality.EXACT)
        lost = facts.but(why=Why.REFRESH_LOST, end=end, suspicion=0, refused_at=None)
        return lost.but(status=Status.EXPIRING)
    at = facts.end.at if facts.end.quality is Quality.EXACT else None
    ended = at is not None and at <= now + SKEW
    said = error.reason == "expired" and not facts.renews
    if ended or said:
        return facts.but(status=Status.EXPIRED, why=Why.ENDED)
    return facts.but(status=Status.REVOKED, why=Why.REFUSED)


def _lacking(facts: Facts, error: MissingScope, tried: Purpose) -> _Step:
    """The token was accepted; a right is missing, of the token or of one place."""
    facts = trusted(facts)
    if error.reason in _OF_ONE_PLACE:
        return _Step(facts, frozenset({_OF_ONE_PLACE[error.reason]}))
    if error.reason == "clone_username":
        what, why = Purpose.CLONE, Why.CLONE_USERNAME
    else:
        what, why = tried, Why.SCOPE
    if what not in facts.needs:
        return _Step(facts)
    lacks = {what: error.missing or (error.reason,)}
    return _Step(facts.but(status=Status.INSUFFICIENT, why=why), missing=lacks)


def _asked_to_wait(facts: Facts, reason: str, seconds: float, now: datetime) -> Facts:
    """No failure is counted. A server that was away and now asks to wait with a 503 is still
    away; with a 429 it is back."""
    until = now + timedelta(seconds=min(seconds, MAX_WAIT))
    away = facts.reach is Reach.UNREACHABLE
    reach = Reach.UNREACHABLE if away else Reach.RATE_LIMITED
    return facts.but(reach=reach, reach_why=reason, reach_until=until)


def _unusable(facts: Facts, error: ProviderError, now: datetime) -> _Step:
    if error.reason == "client_config":
        return _Step(facts, frozenset({Note.OPERATOR_ALERT}))
    count, first = facts.failures + 1, facts.first_failure_at or now
    enough, span = UNREACHABLE_AFTER
    gone = facts.reach is Reach.UNREACHABLE or (count >= enough and now - first >= span)
    after = facts.but(
        reach=Reach.UNREACHABLE if gone else Reach.DEGRADED,
        reach_why=_reach_why(error),
        reach_until=None,
        failures=count,
        first_failure_at=first,
    )
    ours = isinstance(error, BadAnswer) and error.reason in _OURS
    return _Step(after, frozenset({Note.OPERATOR_ALERT}) if ours else frozenset())


def _reach_why(error: ProviderError) -> str:
    """One flat word, unique over the classes that end here; `bindings.problems` reads it."""
    match error:
        case NotFound():
            return "not_found"
        case AddressRefused():
            return "address_refused"
        case _:
            return error.reason


def _worse(was: Facts, facts: Facts, answer: Inspection | ProviderError) -> bool:
    """Whether the mass guard has to hold this: any turn for the worse, and any refusal of a
    credential that is not dead already."""
    if isinstance(answer, TokenRejected):
        return not was.condemned
    return Verdict(facts, was).flips


def _held(facts: Facts) -> _Step:
    """A refusal inside a mass episode counts for nothing, not even as the first of two."""
    kept = reached(facts).but(suspicion=facts.suspicion + 1, refused_at=None)
    return _Step(kept, frozenset({Note.HELD, Note.OPERATOR_ALERT}))
