"""The ladder of warnings: each rung once, whatever restarts in between."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding, Notice
from bindings.services.bind import unbind
from bindings.services.keep import ladder, sweep
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from tests.bindings.fleet import Clock, host, many, plan
from tests.bindings.sources import GitLab, events, stored, told
from tests.people import Somebody

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ENDS = datetime(2027, 1, 20, tzinfo=UTC)


def before(days: float) -> datetime:
    return ENDS - timedelta(days=days)


def rungs(tenant: Tenant) -> list[int]:
    """The thresholds that were told, in order."""
    return [event.data["threshold_days"] for event in events(tenant, "binding.expiring")]


@pytest.fixture
def dated(gitlab: GitLab, acme: Tenant) -> Binding:
    """A binding that ends on a known day."""
    (row,) = many(
        acme, host(gitlab), 1, token=gitlab.token(), quality="exact", expires_at=ENDS, due=ENDS
    )
    return row


def test_each_rung_is_told_once_as_the_days_go_by(dated: Binding, acme: Tenant) -> None:
    for hours in range(24 * 40, 0, -7):
        ladder.climb(before(hours / 24))
        ladder.climb(before(hours / 24))
    assert rungs(acme) == [30, 14, 7, 3, 1]
    assert stored(dated).status == "expiring"
    with rls.tenant(acme.pk):
        told_of = Notice.objects.of(acme).order_by("pk").values_list("kind", "step", "cycle")
        assert list(told_of) == [("expiring", rung, 1) for rung in (30, 14, 7, 3, 1)]


def test_after_a_sleep_only_the_lowest_rung_is_told(dated: Binding, acme: Tenant) -> None:
    ladder.climb(before(29))
    ladder.climb(before(2))
    ladder.climb(before(2))
    assert rungs(acme) == [30, 3]


def test_at_the_end_the_platform_is_asked_and_nothing_is_announced(
    gitlab: GitLab, dated: Binding, acme: Tenant
) -> None:
    ladder.climb(before(0.5))
    assert rungs(acme) == [1]
    later = plan(dated).next_check_at
    at_the_end = ENDS - timedelta(seconds=1)
    ladder.climb(at_the_end)
    assert plan(dated).next_check_at == later
    assert ladder.climb(ENDS + timedelta(minutes=1)) == 1
    assert plan(dated).next_check_at == later  # the end itself was planned already
    assert rungs(acme) == [1]
    assert "binding.expired" not in told(acme)


def test_a_check_that_lies_behind_the_end_is_pulled_to_it(gitlab: GitLab, acme: Tenant) -> None:
    far = ENDS + timedelta(days=5)
    (row,) = many(acme, host(gitlab), 1, quality="stated", expires_at=ENDS, due=far)
    now = ENDS + timedelta(minutes=1)
    ladder.climb(now)
    assert plan(row).next_check_at == now
    assert (rungs(acme), stored(row).status) == ([], "expiring")


def test_a_platform_that_still_accepts_the_token_keeps_it_alive(
    gitlab: GitLab, acme: Tenant
) -> None:
    """The date was a person's; the platform knows better."""
    passed = timezone.now() - timedelta(hours=1)
    far = timezone.now() + timedelta(days=5)
    (row,) = many(
        acme, host(gitlab), 1, token=gitlab.token(), quality="stated", expires_at=passed, due=far
    )
    tasks.climb_ladder()
    assert sweep.run().outcomes == {"ok": 1}
    assert stored(row).status == "active"
    assert "binding.expired" not in told(acme)


def test_it_ends_when_the_platform_has_said_so_twice(
    gitlab: GitLab, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    bound = gitlab.bind(alice.actor, instance, "ending")
    assert bound.expires_at is not None
    gitlab.sandbox.change_token("ending", "gitlab", "build-bot", expires_in=-1)
    clock = Clock(bound.expires_at + timedelta(minutes=1))
    ladder.climb(clock())
    for _ in range(2):
        sweep.run(clock=clock)
        clock.now = stored(bound).schedule.next_check_at or clock.now
    assert stored(bound).status == "expired"
    assert told(acme)[-1] == "binding.expired"


def test_a_new_token_climbs_anew(dated: Binding, acme: Tenant) -> None:
    ladder.climb(before(6))
    with rls.tenant(acme.pk):
        type(dated.credential).objects.filter(pk=dated.pk).update(generation=2)
    ladder.climb(before(6))
    assert rungs(acme) == [7, 7]


@pytest.mark.parametrize(
    "more",
    [
        {"quality": "idle"},
        {"quality": "unknown", "expires_at": None},
        {"quality": "never", "expires_at": None},
        {"renews": True},
        {"status": "revoked"},
        {"status": "pending"},
        {"status": "suspended"},
    ],
)
def test_what_has_no_end_to_warn_of_is_left_alone(
    gitlab: GitLab, acme: Tenant, more: dict[str, Any]
) -> None:
    facts: dict[str, Any] = {"quality": "exact", "expires_at": ENDS, "due": ENDS} | more
    many(acme, host(gitlab), 2, **facts)
    assert ladder.climb(before(2)) == 0
    assert events(acme) == []


def test_what_was_unbound_is_left_alone(
    gitlab: GitLab, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    bound = gitlab.bind(alice.actor, instance, "ending")
    unbind.unbind(actor=alice.actor, binding=bound)
    assert ladder.climb(timezone.now()) == 0


def test_the_flag_follows_the_date(dated: Binding) -> None:
    version = stored(dated).version
    ladder.climb(before(31))
    assert (stored(dated).status, stored(dated).version) == ("active", version)
    ladder.climb(before(29))
    row = stored(dated)
    assert (row.status, row.why, row.version) == ("expiring", "ends_soon", version + 1)


def test_many_ends_of_many_tenants_are_told_in_batches(
    gitlab: GitLab, acme: Tenant, globex: Tenant
) -> None:
    there = host(gitlab)
    facts: dict[str, Any] = {"quality": "exact", "expires_at": ENDS, "due": ENDS}
    many(acme, there, 400, **facts)
    many(globex, there, 300, **facts)
    assert ladder.climb(before(5)) == 700
    assert (len(rungs(acme)), len(rungs(globex))) == (400, 300)


def test_two_ladders_at_once_tell_nothing_twice(
    gitlab: GitLab, acme: Tenant, globex: Tenant
) -> None:
    there = host(gitlab)
    for tenant in (acme, globex):
        many(tenant, there, 40, quality="exact", expires_at=ENDS, due=ENDS)

    def work() -> None:
        try:
            ladder.climb(before(5))
        finally:
            connection.close()

    crew = [threading.Thread(target=work) for _ in range(4)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    ladder.climb(before(5))
    assert (rungs(acme), rungs(globex)) == ([7] * 40, [7] * 40)
