"""The ladder of warnings before an end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindings.expiry import LADDER, days_left, deadline, share_left, step, steps_due
from providers.types import Expiry, Quality

NOW = datetime(2026, 11, 21, 6, 40, tzinfo=UTC)


def ends_in(**span: float) -> Expiry:
    return Expiry(NOW + timedelta(**span), Quality.EXACT)


def test_a_date_means_midnight_utc_of_that_day() -> None:
    assert deadline(date(2026, 11, 27)) == datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expiry", "days"),
    [
        (Expiry(deadline(date(2026, 11, 27)), Quality.EXACT), 6),
        (Expiry(deadline(date(2026, 12, 1)), Quality.STATED), 10),
        (ends_in(hours=3), 0),
        (ends_in(days=-2), -2),
    ],
)
def test_days_are_counted_on_the_calendar(expiry: Expiry, days: int) -> None:
    assert days_left(expiry, NOW) == days


def test_days_are_counted_in_utc_whatever_the_zone_of_the_clock() -> None:
    shanghai = NOW.astimezone(timezone(timedelta(hours=8)))
    end = Expiry(datetime(2026, 11, 22, tzinfo=UTC), Quality.EXACT)
    assert days_left(end, shanghai) == days_left(end, NOW) == 1


@pytest.mark.parametrize(
    ("left", "rung"),
    [
        (timedelta(days=30, seconds=1), None),
        (timedelta(days=30), 30),
        (timedelta(days=14, seconds=1), 30),
        (timedelta(days=14), 14),
        (timedelta(days=7), 7),
        (timedelta(days=5), 7),
        (timedelta(days=3), 3),
        (timedelta(days=1), 1),
        (timedelta(seconds=1), 1),
        (timedelta(0), 0),
        (timedelta(days=-9), 0),
    ],
)
def test_a_rung_is_reached_when_so_many_days_or_fewer_are_left(
    left: timedelta, rung: int | None
) -> None:
    assert step(Expiry(NOW + left, Quality.STATED), NOW) == rung


@pytest.mark.parametrize("quality", [Quality.IDLE, Quality.UNKNOWN, Quality.NEVER])
def test_only_exact_and_stated_ends_climb_the_ladder(quality: Quality) -> None:
    end = Expiry(NOW + timedelta(days=2), quality)
    assert step(end, NOW) is None
    assert days_left(end, NOW) is None
    assert steps_due(end, NOW, ()) == ()
    assert share_left(NOW, end, NOW) is None


def test_after_a_long_sleep_only_the_lowest_rung_is_told() -> None:
    assert steps_due(ends_in(days=2), NOW, {30}) == (3,)
    assert steps_due(ends_in(days=2), NOW, {30, 3}) == ()


def test_a_clock_that_steps_back_tells_no_higher_rung() -> None:
    assert steps_due(ends_in(days=10), NOW, {7}) == ()


@given(st.lists(st.integers(-50 * 24, 50 * 24), min_size=1, max_size=60))
def test_each_rung_is_told_at_most_once_and_never_upwards(hours: list[int]) -> None:
    end = Expiry(NOW, Quality.EXACT)
    told: list[int] = []
    for before in sorted(hours, reverse=True):
        told += steps_due(end, NOW - timedelta(hours=before), told)
    assert told == sorted(set(told), reverse=True)
    assert set(told) <= set(LADDER)


def test_the_share_of_life_left_runs_from_one_to_nothing() -> None:
    start, end = NOW - timedelta(days=30), ends_in(days=10)
    assert share_left(start, end, start) == 1
    assert share_left(start, end, NOW) == 0.25
    assert share_left(start, end, NOW + timedelta(days=99)) == 0
    assert share_left(start, end, start - timedelta(days=1)) == 1
    assert share_left(NOW, ends_in(days=-1), NOW) == 0
