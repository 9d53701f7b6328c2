"""When a binding is looked at next, and how long trouble may last before it has a name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bindings.state import (
    Facts,
    Reach,
    Status,
    Why,
    next_check,
    postponed,
    used,
    verdict,
)
from providers.errors import (
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Expiry, Identity, Inspection, Quality

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
DAY = timedelta(days=1)
BOUND = Identity("42", "build-bot")
WELL = Inspection(BOUND)
REFUSED = TokenRejected("unknown")
LIVE = Facts(Status.ACTIVE, account_id="42", since=NOW - DAY)


def test_the_confirming_pause_can_be_shortened_for_tests() -> None:
    first = verdict(LIVE, REFUSED, NOW, confirm_seconds=1, rng=lambda: 0.0)
    assert first.next_check_at == NOW + timedelta(seconds=1)
    second = verdict(first.facts, REFUSED, NOW + timedelta(seconds=1), confirm_seconds=1)
    assert second.status is Status.REVOKED


@pytest.mark.parametrize(("chance", "longer"), [(0.0, 1.0), (1.0, 1.1)])
def test_pauses_grow_while_a_mass_episode_lasts(chance: float, longer: float) -> None:
    facts, pauses = LIVE, []
    for _ in range(5):
        found = verdict(facts, REFUSED, NOW, mass=True, rng=lambda: chance)
        assert found.next_check_at is not None
        pauses.append(found.next_check_at - NOW)
        facts = found.facts
    assert pauses == [timedelta(minutes=m) * longer for m in (5, 5, 30, 120, 120)]


def test_unreachable_needs_three_failures_and_a_quarter_of_an_hour() -> None:
    facts, told = LIVE, []
    for minutes in (0, 5, 14, 15):
        found = verdict(facts, Unreachable("timeout"), NOW + timedelta(minutes=minutes))
        told.append((found.reach, found.events))
        facts = found.facts
    assert told == [
        (Reach.DEGRADED, ()),
        (Reach.DEGRADED, ()),
        (Reach.DEGRADED, ()),
        (Reach.UNREACHABLE, ("binding.unreachable",)),
    ]
    back = verdict(facts, WELL, NOW + timedelta(hours=1))
    assert (back.reach, back.events, back.facts.failures) == (Reach.OK, ("binding.recovered",), 0)


def test_back_off_doubles_from_five_minutes_to_six_hours() -> None:
    pauses = []
    for failures in range(1, 10):
        facts = replace(LIVE, failures=failures, reach=Reach.DEGRADED)
        at = next_check(facts, NOW, lambda: 0.5)
        assert at is not None
        pauses.append((at - NOW) / timedelta(minutes=1))
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 360, 360]


def test_a_server_that_asks_to_wait_is_left_alone_that_long_and_at_most_an_hour() -> None:
    for error in (RateLimited(retry_after=600), Unreachable("http_5xx", retry_after=600)):
        found = verdict(LIVE, error, NOW, rng=lambda: 0.0)
        assert found.reach is Reach.RATE_LIMITED
        assert found.next_check_at == NOW + timedelta(minutes=10)
    greedy = verdict(LIVE, Unreachable("http_5xx", retry_after=10**9), NOW, rng=lambda: 0.0)
    assert greedy.next_check_at == NOW + timedelta(hours=1)


def test_a_rate_limit_shows_that_an_unreachable_server_is_back_and_a_503_does_not() -> None:
    away = replace(LIVE, reach=Reach.UNREACHABLE, failures=4, first_failure_at=NOW - DAY)
    assert verdict(away, RateLimited(), NOW).events == ("binding.recovered",)
    still = verdict(away, Unreachable("http_5xx", retry_after=60), NOW)
    assert (still.reach, still.events) == (Reach.UNREACHABLE, ())


@pytest.mark.parametrize(
    ("facts", "hours"),
    [
        (replace(LIVE, end=Expiry(NOW + 14 * DAY, Quality.EXACT)), 12),
        (replace(LIVE, end=Expiry(NOW + 15 * DAY, Quality.EXACT), used_at=NOW - 29 * DAY), 24),
        (replace(LIVE, used_at=NOW - 31 * DAY), 168),
        (replace(LIVE, used_at=None, since=NOW - 29 * DAY), 24),
        (replace(LIVE, used_at=None, since=NOW - 31 * DAY), 168),
        (replace(LIVE, end=Expiry(NOW + DAY, Quality.IDLE), used_at=NOW), 24),
    ],
)
def test_the_interval_follows_the_end_and_the_use(facts: Facts, hours: int) -> None:
    assert next_check(facts, NOW, lambda: 0.5) == NOW + timedelta(hours=hours)
    assert next_check(facts, NOW, lambda: 0.0) == NOW + timedelta(hours=hours * 0.9)
    assert next_check(facts, NOW, lambda: 1.0) == NOW + timedelta(hours=hours * 1.1)


def test_an_end_is_probed_when_it_comes_and_again_past_any_difference_of_clocks() -> None:
    at = NOW + timedelta(hours=3)
    dated = replace(LIVE, end=Expiry(at, Quality.EXACT))
    assert next_check(dated, NOW) == at
    assert next_check(dated, at) == at + timedelta(minutes=10)


def test_a_dead_credential_is_asked_daily_for_thirty_days_then_only_by_hand() -> None:
    for status in (Status.REVOKED, Status.EXPIRED):
        dead = replace(LIVE, status=status, why=Why.REFUSED, since=NOW - 29 * DAY)
        assert next_check(dead, NOW, lambda: 0.5) == NOW + DAY
        assert next_check(dead, NOW + DAY) is None
    assert verdict(dead, WELL, NOW).events == ("binding.recovered",)


def test_a_blocked_account_is_asked_daily_and_resumes_by_itself() -> None:
    blocked = verdict(LIVE, TokenRejected("suspended"), NOW, rng=lambda: 0.5)
    assert (blocked.status, blocked.next_check_at) == (Status.SUSPENDED, NOW + DAY)
    assert verdict(blocked.facts, WELL, NOW).events == ("binding.resumed",)


def test_a_use_counts_as_a_check() -> None:
    shaky = replace(LIVE, reach=Reach.DEGRADED, failures=1, suspicion=1, refused_at=NOW)
    found = used(shaky, NOW, lambda: 0.5)
    assert (found.reach, found.facts.suspicion, found.facts.used_at) == (Reach.OK, 0, NOW)
    assert (found.checked_at, found.next_check_at) == (NOW, NOW + DAY)


def test_an_open_breaker_moves_nothing_but_the_next_check() -> None:
    until = NOW + timedelta(minutes=1)
    assert postponed(LIVE, until, NOW).next_check_at == until
    assert not postponed(LIVE, until, NOW).changed
    paused = replace(LIVE, status=Status.SUSPENDED, why=Why.OPERATOR)
    assert postponed(paused, until, NOW).next_check_at is None
