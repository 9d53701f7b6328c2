"""What people, operators, keys, renewal and time make of a binding."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bindings.state import (
    Facts,
    Note,
    Reach,
    Status,
    Why,
    aged,
    begin,
    confirmed,
    refreshed,
    reopened,
    resume,
    suspend,
    undecryptable,
    verdict,
)
from providers.errors import (
    TokenRejected,
)
from providers.types import Expiry, Identity, Inspection, Quality

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
DAY = timedelta(days=1)
BOUND = Identity("42", "build-bot")
WELL = Inspection(BOUND)
REFUSED = TokenRejected("unknown")
LIVE = Facts(Status.ACTIVE, account_id="42", since=NOW - DAY)


def test_what_renews_itself_never_expires_by_date() -> None:
    renewing = replace(LIVE, renews=True, end=Expiry(NOW + DAY, Quality.EXACT))
    assert aged(renewing, NOW).status is Status.ACTIVE


def test_a_lost_refresh_with_a_dead_access_token_is_a_revocation() -> None:
    dead = replace(LIVE, renews=True, access_until=NOW - DAY)
    first = verdict(dead, TokenRejected("grant"), NOW)
    second = verdict(first.facts, TokenRejected("grant"), NOW + timedelta(minutes=2))
    assert second.status is Status.REVOKED


def test_a_lost_refresh_stays_expiring_while_the_access_token_works() -> None:
    until = NOW + timedelta(hours=2)
    alive = replace(LIVE, renews=True, access_until=until)
    first = verdict(alive, TokenRejected("grant"), NOW)
    lost = verdict(first.facts, TokenRejected("grant"), NOW + timedelta(minutes=2)).facts
    endless = Inspection(BOUND, expiry=Expiry(None, Quality.NEVER))
    checked = verdict(lost, endless, NOW + timedelta(minutes=9))
    assert (checked.status, checked.why) == (Status.EXPIRING, Why.REFRESH_LOST)
    assert checked.facts.end.at == until
    mended = refreshed(checked.facts, NOW + DAY, NOW + timedelta(minutes=10))
    assert (mended.status, mended.facts.end, mended.facts.generation) == (
        Status.ACTIVE,
        Expiry(),
        2,
    )


def test_a_refresh_mends_neither_a_pause_nor_a_missing_right() -> None:
    for status in (Status.SUSPENDED, Status.INSUFFICIENT, Status.PENDING):
        facts = replace(LIVE, status=status, why=Why.OPERATOR)
        assert refreshed(facts, NOW + DAY, NOW).status is status


def test_another_account_behind_the_token_stops_everything_until_a_person_acts() -> None:
    swapped = verdict(LIVE, Inspection(Identity("7", "mallory")), NOW)
    assert (swapped.status, swapped.next_check_at) == (Status.SUSPENDED, None)
    assert not verdict(swapped.facts, WELL, NOW).changed


def test_a_pause_ends_only_for_the_reason_it_began() -> None:
    paused = suspend(replace(LIVE, status=Status.EXPIRING), Why.HOST_DISABLED, NOW).facts
    twice = suspend(paused, Why.TENANT_SUSPENDED, NOW)
    assert not twice.changed
    assert not resume(paused, Why.TENANT_SUSPENDED, NOW).changed
    lifted = resume(paused, Why.HOST_DISABLED, NOW)
    assert (lifted.status, lifted.next_check_at) == (Status.EXPIRING, NOW)
    assert lifted.events == ("binding.resumed",)


def test_what_does_not_open_keeps_its_status_for_the_day_the_key_is_back() -> None:
    shut = undecryptable(replace(LIVE, status=Status.INSUFFICIENT), Why.KEY_MISSING, NOW)
    assert (shut.status, shut.events) == (Status.UNDECRYPTABLE, ("binding.undecryptable",))
    assert Note.OPERATOR_ALERT in shut.notes
    assert not undecryptable(shut.facts, Why.WRONG_TAG, NOW).changed
    back = reopened(shut.facts, NOW)
    assert (back.status, back.next_check_at) == (Status.INSUFFICIENT, NOW)
    assert not reopened(LIVE, NOW).changed


def test_a_paused_binding_that_was_paused_before_makes_no_call_when_it_opens_again() -> None:
    blocked = replace(LIVE, status=Status.PENDING)
    shut = undecryptable(blocked, Why.KEY_MISSING, NOW)
    assert reopened(shut.facts, NOW).next_check_at is None


def test_what_waits_for_a_person_becomes_live_when_one_confirms() -> None:
    soon = Inspection(BOUND, expiry=Expiry(NOW + 9 * DAY, Quality.EXACT))
    waiting = begin(replace(LIVE, status=Status.PENDING), soon, NOW, waits=True)
    assert (waiting.status, waiting.next_check_at) == (Status.PENDING, None)
    live = confirmed(waiting.facts, NOW)
    assert (live.status, live.why) == (Status.EXPIRING, Why.ENDS_SOON)
    assert live.next_check_at is not None
    assert not confirmed(live.facts, NOW).changed


def test_a_new_credential_forgets_what_was_held_against_the_old_one() -> None:
    sick = replace(
        LIVE,
        status=Status.REVOKED,
        why=Why.REFUSED,
        suspicion=2,
        refused_at=NOW,
        reach=Reach.UNREACHABLE,
        failures=7,
        first_failure_at=NOW,
    )
    fresh = begin(replace(sick, generation=2), WELL, NOW)
    assert (fresh.status, fresh.why, fresh.reach) == (Status.ACTIVE, Why.NONE, Reach.OK)
    assert (fresh.facts.suspicion, fresh.facts.failures) == (0, 0)
    assert fresh.events == ()


def test_time_alone_leaves_the_next_check_where_it_is() -> None:
    soon = replace(LIVE, end=Expiry(NOW + 29 * DAY, Quality.EXACT), next_check_at=NOW + DAY)
    older = aged(soon, NOW)
    assert (older.status, older.next_check_at) == (Status.EXPIRING, NOW + DAY)
    assert older.events == ()
    longer = replace(older.facts, end=Expiry(NOW + 300 * DAY, Quality.EXACT))
    assert aged(longer, NOW).status is Status.ACTIVE
    assert not aged(replace(LIVE, status=Status.REVOKED), NOW).changed
