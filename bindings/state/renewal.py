"""When a credential is renewed: ahead of its end, again after a failure, and no longer (G1-G7)."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from bindings.state.facts import CONFIRM_SECONDS
from bindings.state.schedule import Chance
from providers.types import Expiry, Quality

SHARE, SPREAD = 0.70, 0.10
"""Due at 70 to 80 % of its life."""
AHEAD, LONG_ENOUGH = timedelta(minutes=15), timedelta(minutes=55)
"""Never later than this before the end, where it lives an hour or longer; else a quarter of it. We
count from when it was stored, so that an hour is always a little less."""
LAST_QUARTER = 0.25
IDLE = timedelta(hours=24)
"""A pair nobody uses is renewed this often, so that its refresh token does not lapse (G2)."""
FIRST_PAUSE, LAST_PAUSE = timedelta(seconds=30), timedelta(hours=6)
JITTER = 0.1
GIVE_UP = timedelta(days=4)
"""Failing for as long, it is not tried again by itself (G7)."""

ROTATE_AHEAD = timedelta(days=31)
"""A personal token that renews itself does so before anybody is warned of its end, at 30 days."""


def refresh_due(
    issued: datetime,
    access: Expiry,
    refresh_until: datetime | None,
    rng: Chance = random.random,
) -> datetime:
    """When a pair that was issued at `issued` is refreshed; whichever of its two halves ends first
    counts, and a day is the longest pause."""
    ends = [at for at in (access.at, refresh_until) if at is not None]
    idle = issued + IDLE * (1 - JITTER * rng())
    return min([idle, *(_ahead(issued, at, rng) for at in ends)])


def rotate_due(
    issued: datetime, end: Expiry, now: datetime, rng: Chance = random.random
) -> datetime | None:
    """When a token of its own end is rotated: a month ahead, or in the last quarter of a short
    life. None without a date the platform has told."""
    if end.at is None or end.quality is not Quality.EXACT:
        return None
    month = end.at - ROTATE_AHEAD - timedelta(days=1) * rng()
    return max(month, _ahead(issued, end.at, rng), now)


def again(failures: int, now: datetime, rng: Chance = random.random) -> datetime:
    """The next try after so many failures in a row."""
    pause = min(FIRST_PAUSE * (1 << min(max(failures, 1) - 1, 16)), LAST_PAUSE)
    return now + pause * (1 - JITTER + 2 * JITTER * rng())


def confirm_at(
    now: datetime, rng: Chance = random.random, *, confirm_seconds: float = CONFIRM_SECONDS
) -> datetime:
    """The second try after a refusal: 60 to 120 s later, never sooner (G12)."""
    return now + timedelta(seconds=confirm_seconds * (1 + rng()))


def is_over(failing_since: datetime | None, now: datetime) -> bool:
    """Whether it has failed for so long that we stop trying by ourselves."""
    return failing_since is not None and now - failing_since >= GIVE_UP


def is_short(access: Expiry, issued: datetime, now: datetime, seconds: float) -> bool:
    """Whether an access token has less life left than a call of `seconds` needs. Of a very short
    life a quarter has to do, or it would be refreshed before every call."""
    if access.at is None:
        return False
    needs = min(timedelta(seconds=seconds), (access.at - issued) * LAST_QUARTER)
    return access.at - now < max(needs, timedelta())


def _ahead(issued: datetime, end: datetime, rng: Chance) -> datetime:
    life = max(end - issued, timedelta())
    latest = end - (AHEAD if life >= LONG_ENOUGH else life * LAST_QUARTER)
    return min(issued + life * (SHARE + SPREAD * rng()), latest)
