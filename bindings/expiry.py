"""The ladder of warnings before an end: 30, 14, 7, 3, 1 and 0 days, once each.

Only ends that the platform reported or a person stated climb it (G15); what renews itself has no
end to warn of and is not asked here.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from providers.types import Expiry, Quality

LADDER = (30, 14, 7, 3, 1, 0)
"""Days before the end, highest rung first."""
DRIVING = frozenset({Quality.EXACT, Quality.STATED})


def deadline(day: date) -> datetime:
    """The moment an end date means: 00:00 UTC of that day, not its end.
    https://docs.gitlab.com/user/profile/personal_access_tokens/"""
    return datetime.combine(day, time.min, UTC)


def days_left(expiry: Expiry, now: datetime) -> int | None:
    """Whole days from today's date to the end's, both UTC: 0 is today, negative is over. None where
    no date is known that may be counted down to."""
    at = _end(expiry)
    return None if at is None else (at.astimezone(UTC).date() - now.astimezone(UTC).date()).days


def step(expiry: Expiry, now: datetime) -> int | None:
    """The lowest rung that has been reached, None above the ladder or without a date."""
    at = _end(expiry)
    if at is None:
        return None
    reached = [rung for rung in LADDER if at - now <= timedelta(days=rung)]
    return min(reached, default=None)


def steps_due(expiry: Expiry, now: datetime, told: Collection[int]) -> tuple[int, ...]:
    """The rung to tell now: none, or one.

    `told`: the rungs told of this end. Where several were passed while nobody looked only the
    lowest is told, and never a higher one after it. Rung 0 asks for a probe: that it has ended is
    said only when the platform confirms it.
    """
    rung = step(expiry, now)
    return () if rung is None or any(before <= rung for before in told) else (rung,)


def share_left(started: datetime, expiry: Expiry, now: datetime) -> float | None:
    """How much of its life is left, from 1 at `started` to 0 at the end; None without a date."""
    at = _end(expiry)
    if at is None:
        return None
    if at <= started:
        return 0.0
    return min(max((at - now) / (at - started), 0.0), 1.0)


def _end(expiry: Expiry) -> datetime | None:
    return expiry.at if expiry.quality in DRIVING else None
