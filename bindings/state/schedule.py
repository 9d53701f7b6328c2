"""When a binding is looked at next: intervals, pauses and back-off, all with jitter (G10–G14)."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from bindings.state.facts import BY_THE_PLATFORM, CONFIRM_SECONDS, DATED, SKEW, Facts
from bindings.state.words import Status

Chance = Callable[[], float]
"""Gives numbers from 0 to 1; a test hands in its own."""

ENDS_SOON = timedelta(days=14), timedelta(hours=12)
IN_USE = timedelta(days=30), timedelta(hours=24)
IDLE = timedelta(days=7)
DAILY = timedelta(days=1)
ABANDONED = timedelta(days=30)
"""A dead credential is asked once a day for this long, then only by hand."""
HELD = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
"""Pauses while refusals come but none may count (G11)."""
FIRST_BACKOFF, LAST_BACKOFF = timedelta(minutes=5), timedelta(hours=6)
JITTER = 0.1


def next_check(
    facts: Facts,
    now: datetime,
    rng: Chance = random.random,
    *,
    confirm_seconds: float = CONFIRM_SECONDS,
) -> datetime | None:
    """When to look again, or None: only when a person asks, or after a turn that allows calls."""
    if not facts.called:
        return None
    if facts.status in (Status.REVOKED, Status.EXPIRED):
        if facts.since is not None and now - facts.since >= ABANDONED:
            return None
        return now + _about(DAILY, rng)
    if facts.why in BY_THE_PLATFORM:
        return now + _about(DAILY, rng)
    if facts.reach_until is not None and facts.reach_until > now:
        # Never before the time the platform named, so this jitter only adds.
        return facts.reach_until + (facts.reach_until - now) * (JITTER * rng())
    if facts.failures:
        return now + _about(_backoff(facts.failures), rng)
    if facts.suspicion:
        return now + _confirmation(facts, rng, confirm_seconds)
    return _in_peace(facts, now, rng)


def _about(pause: timedelta, rng: Chance) -> timedelta:
    return pause * (1 - JITTER + 2 * JITTER * rng())


def _backoff(failures: int) -> timedelta:
    doublings = min(failures - 1, 10)
    return min(FIRST_BACKOFF * (1 << doublings), LAST_BACKOFF)


def _confirmation(facts: Facts, rng: Chance, confirm_seconds: float) -> timedelta:
    """60 to 120 s after a refusal that counts; slower when a mass episode keeps it from counting.
    Never quick: GitHub locks a user out who shows a bad token several times."""
    if facts.refused_at is not None:
        return timedelta(seconds=confirm_seconds * (1 + rng()))
    # This jitter only adds: four times in the first two and a half hours is the most a token that
    # is refused may be shown (performance.md 5, trap 17).
    return HELD[min(max(facts.suspicion - 2, 0), len(HELD) - 1)] * (1 + JITTER * rng())


def _in_peace(facts: Facts, now: datetime, rng: Chance) -> datetime:
    horizon, often = ENDS_SOON
    recently, daily = IN_USE
    at = facts.end.at if facts.end.quality in DATED else None
    if at is not None and at - now <= horizon:
        pause = often
    else:
        # A binding nobody has used yet counts from the day it came to life.
        last = facts.used_at or facts.since
        pause = daily if last is not None and now - last <= recently else IDLE
    soon = now + _about(pause, rng)
    if at is None:
        return soon
    # A passed date is proven by asking: at the end itself, and once more past any clock difference.
    return min([moment for moment in (at, at + SKEW) if moment > now] + [soon])
