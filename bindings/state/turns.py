"""What moves a binding besides checks: people, operators, keys, renewal, and time itself."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime

from bindings.state.facts import NO_END, Facts, Verdict
from bindings.state.schedule import Chance, next_check
from bindings.state.words import Note, Reach, Status, Why
from providers.types import Expiry

_WELL = frozenset({Status.ACTIVE, Status.EXPIRING})
_TOLD = {
    Status.REVOKED: "binding.revoked",
    Status.EXPIRED: "binding.expired",
    Status.INSUFFICIENT: "binding.insufficient",
    Status.SUSPENDED: "binding.suspended",
    Status.UNDECRYPTABLE: "binding.undecryptable",
}


def stamped(was: Facts, facts: Facts, now: datetime) -> Facts:
    """`facts` with the moments at which an axis changed."""
    if facts.status is not was.status:
        facts = facts.but(since=now)
    if facts.reach is not was.reach:
        facts = facts.but(reach_since=now)
    return facts


def events(was: Facts, facts: Facts) -> tuple[str, ...]:
    """What the outside is told. `binding.expiring` is not here: the ladder tells it, per rung."""
    told: list[str] = []
    if facts.status is not was.status:
        if facts.status in _TOLD:
            told.append(_TOLD[facts.status])
        elif was.status is Status.SUSPENDED:
            told.append("binding.resumed")
        elif was.status in _TOLD and facts.status in _WELL:
            told.append("binding.recovered")
    if facts.reach is Reach.UNREACHABLE and was.reach is not Reach.UNREACHABLE:
        told.append("binding.unreachable")
    elif was.reach is Reach.UNREACHABLE and facts.reach is not Reach.UNREACHABLE:
        told.append("binding.recovered")
    return tuple(dict.fromkeys(told))


def reached(facts: Facts) -> Facts:
    """The server gave a usable answer, whatever it said."""
    return facts.but(
        reach=Reach.OK, reach_why="", reach_until=None, failures=0, first_failure_at=None
    )


def trusted(facts: Facts) -> Facts:
    """The platform accepted the credential: what was held against it is forgotten."""
    return reached(facts).but(suspicion=0, refused_at=None)


def turn(was: Facts, facts: Facts, now: datetime, *notes: Note) -> Verdict:
    """A verdict without a call: moments and events follow from the difference."""
    facts = stamped(was, facts, now)
    return Verdict(facts, was, events=events(was, facts), notes=frozenset(notes))


def suspend(facts: Facts, why: Why, now: datetime) -> Verdict:
    """Stop all calls: an operator, a disabled host, a suspended tenant. The status is kept.

    A pause that is already there stays with its own reason, so that lifting this one later cannot
    lift that one; the service asks again for every reason that still holds.
    """
    if facts.status is Status.SUSPENDED:
        return turn(facts, facts, now)
    return turn(facts, _shut(facts, Status.SUSPENDED, why), now)


def resume(facts: Facts, why: Why, now: datetime) -> Verdict:
    """Lift the pause that `why` put there: back to the status before, then probed at once."""
    lifted = facts.status is Status.SUSPENDED and facts.why is why
    return turn(facts, _open(facts, now) if lifted else facts, now)


def undecryptable(facts: Facts, why: Why, now: datetime) -> Verdict:
    """The sealed credential does not open. Nothing is overwritten; the operator is alerted."""
    if facts.status in (Status.SUSPENDED, Status.UNDECRYPTABLE):
        return turn(facts, facts, now)
    return turn(facts, _shut(facts, Status.UNDECRYPTABLE, why), now, Note.OPERATOR_ALERT)


def reopened(facts: Facts, now: datetime) -> Verdict:
    """The key is back in the ring: the status before, then probed at once."""
    shut = facts.status is Status.UNDECRYPTABLE
    return turn(facts, _open(facts, now) if shut else facts, now)


def _shut(facts: Facts, status: Status, why: Why) -> Facts:
    return facts.but(
        status=status,
        why=why,
        before=facts.status,
        before_why=facts.why,
        next_check_at=None,
    )


def _open(facts: Facts, now: datetime) -> Facts:
    back = facts.but(
        status=facts.before or Status.ACTIVE,
        why=facts.before_why,
        before=None,
        before_why=Why.NONE,
    )
    return back.but(next_check_at=now if back.called else None)


def confirmed(facts: Facts, now: datetime, rng: Chance = random.random) -> Verdict:
    """A person said that this is the right account: what waited becomes live."""
    if facts.status is not Status.PENDING:
        return turn(facts, facts, now)
    status, why = facts.by_date(now)
    live = facts.but(status=status, why=why, since=now)
    return turn(facts, live.but(next_check_at=next_check(live, now, rng)), now)


def refreshed(
    facts: Facts, until: datetime | None, now: datetime, rng: Chance = random.random
) -> Verdict:
    """A new pair is stored; its access token lives until `until`. A pause, a missing right and an
    unconfirmed account are not mended by it."""
    fresh = trusted(facts).but(
        generation=facts.generation + 1,
        access_until=until,
        renews=True,
        end=NO_END if facts.why is Why.REFRESH_LOST else facts.end,
    )
    if facts.status in _WELL | {Status.EXPIRED, Status.REVOKED}:
        fresh = fresh.but(why=Why.NONE)
        status, why = fresh.by_date(now)
        fresh = fresh.but(status=status, why=why)
    return turn(facts, fresh.but(next_check_at=next_check(fresh, now, rng)), now)


def rotated(facts: Facts, end: Expiry, now: datetime, rng: Chance = random.random) -> Verdict:
    """A successor of a personal token is stored, and ends at `end`. Like a refresh, it mends
    neither a pause nor a missing right."""
    fresh = trusted(facts).but(generation=facts.generation + 1, end=end)
    if facts.status in _WELL:
        status, why = fresh.but(why=Why.NONE).by_date(now)
        fresh = fresh.but(status=status, why=why)
    return turn(facts, fresh.but(next_check_at=next_check(fresh, now, rng)), now)


def used(facts: Facts, now: datetime, rng: Chance = random.random) -> Verdict:
    """A call for somebody succeeded: that counts as a check (G10)."""
    after = trusted(facts).but(used_at=now)
    after = after.but(next_check_at=next_check(after, now, rng))
    return replace(turn(facts, after, now), checked_at=now)


def aged(facts: Facts, now: datetime) -> Verdict:
    """Time alone: `active` ↔ `expiring`. A date that has passed condemns nothing, and the next
    check stays where it is."""
    if facts.status not in _WELL:
        return turn(facts, facts, now)
    status, why = facts.by_date(now)
    return turn(facts, facts.but(status=status, why=why), now)


def darkened(facts: Facts, why: str, now: datetime) -> Verdict:
    """The host has been away for long. Only probes were made, but what is out of their reach is out
    of reach for all. Where nobody asks, nothing would ever bring it back, so nothing moves there.
    """
    if not facts.called:
        return turn(facts, facts, now)
    dark = facts.but(reach=Reach.UNREACHABLE, reach_why=why, reach_until=None)
    return turn(facts, dark, now)


def postponed(facts: Facts, until: datetime, now: datetime) -> Verdict:
    """No call was made, because the host's breaker is open until `until`: nothing is learned."""
    later = facts.but(next_check_at=until) if facts.called else facts
    return turn(facts, later, now)
