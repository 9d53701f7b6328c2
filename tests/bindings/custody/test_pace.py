"""A host is never asked more often than its operator allows, however many of us ask it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from bindings.models import CodeHost
from bindings.services.browse import repositories
from bindings.services.custody.pace import OURS, PACER, Budget, Pacer, budget_of
from bindings.services.keep import sweep
from portal.ground import rls
from portal.tenants.models import Tenant
from providers.catalogue import REGISTRY
from providers.errors import RateLimited
from tests.bindings.fleet import due, host, many, plan
from tests.bindings.sources import GitLab, refused
from tests.embedded import Services

WINDOW = 0.4
HOST = Budget("a host", 20)


@pytest.fixture
def no_redis(services: Services) -> Iterator[None]:
    """Redis stopped, and started again after the test."""
    services.redis.close()
    yield
    services.redis.open()


def most_in_any_window(times: list[float]) -> int:
    """The largest number of these moments that lie within one window."""
    return max(sum(1 for other in times if 0 <= other - at < WINDOW) for at in times)


def together(work: Callable[[], None], count: int) -> None:
    crew = [threading.Thread(target=work) for _ in range(count)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()


def test_no_window_holds_more_than_the_budget() -> None:
    """Four callers that people wait for and a sweep, each with a pacer of its own."""
    sent: list[float] = []

    def person() -> None:
        turn = Pacer(window=WINDOW).people(HOST)
        for _ in range(8):
            turn.wait("")
            sent.append(time.monotonic())

    def sweeping() -> None:
        pacer, left = Pacer(window=WINDOW), 20
        while left > 0:
            granted, pause = pacer.take({"a": (HOST, left)})
            sent.extend([time.monotonic()] * granted["a"])
            left -= granted["a"]
            time.sleep(pause)

    sweeper = threading.Thread(target=sweeping)
    sweeper.start()
    together(person, 4)
    sweeper.join()
    assert len(sent) == 52
    assert most_in_any_window(sent) <= HOST.most


def test_a_sweep_leaves_people_their_share() -> None:
    pacer = Pacer()
    pacer.people(HOST).wait("")
    granted, _ = pacer.take({"a": (HOST, 100)})
    assert granted["a"] <= HOST.most - 1 - HOST.most * 0.3
    for _ in range(6):
        pacer.people(HOST).wait("")  # 30 % of the budget, at once


def test_a_sweep_is_spread_over_the_minute() -> None:
    granted, pause = Pacer().take({"a": (Budget("slow", 60), 60)})
    assert granted["a"] == 5
    assert 0 < pause <= 2


def test_hosts_share_nothing() -> None:
    pacer, few = Pacer(), Budget("few", 2)
    for _ in range(2):
        pacer.people(few).wait("")
    assert pacer.one(few) > 0
    assert pacer.one(Budget("other", 2)) == 0


def test_whoever_would_wait_too_long_is_told_when_to_come_back() -> None:
    turn = Pacer().people(Budget("one a minute", 1))
    turn.wait("")
    with pytest.raises(RateLimited, match=OURS) as caught:
        turn.wait("")
    assert caught.value.retry_after is not None
    assert 10 < caught.value.retry_after <= 61


def test_the_first_call_about_a_binding_has_its_place_already() -> None:
    pacer = Pacer()
    pacer.paid(HOST).wait("")
    granted, _ = pacer.take({"a": (Budget("a host", 20), 20)})
    assert granted["a"] > 0


def test_without_redis_each_process_keeps_to_its_share(
    no_redis: None, caplog: pytest.LogCaptureFixture
) -> None:
    pacer = Pacer(window=60, processes=4)
    for _ in range(3):
        pacer.take({"b": (Budget("b", 240), 1)})
    assert caplog.text.count("pacing alone") <= 2  # a minute may end in between
    granted, pause = pacer.take({"a": (Budget("a", 240), 240)})
    assert granted["a"] <= 1
    assert 0 < pause <= 2


def test_a_host_without_a_rate_of_its_own_has_its_platforms(gitlab: GitLab, db: None) -> None:
    named = CodeHost(provider="gitlab", base_url="https://gitlab.example")
    assert budget_of(named).most == REGISTRY["gitlab"].spec.per_minute
    assert budget_of(host(gitlab, per_minute=7)).most == 7


def test_a_sweep_asks_a_host_no_oftener_than_it_bears(gitlab: GitLab, acme: Tenant) -> None:
    slow, quick = host(gitlab, per_minute=30), host(gitlab, "other", owner=acme)
    rows = many(acme, slow, 40, token=gitlab.token())
    others = many(acme, quick, 40, token=gitlab.token())
    before = gitlab.asked()
    found = sweep.run(budget_s=2.0)
    asked = gitlab.asked() - before

    now = timezone.now()
    assert due(others, now) == 0
    assert found.asked == asked <= 40 + 30
    assert due(rows, now) == 40 - (asked - 40) > 0
    # What was not asked is due at once, and nobody's verdict has moved.
    left = [row for row in rows if (plan(row).next_check_at or now) <= now]
    assert all(now - (plan(row).next_check_at or now) < timedelta(minutes=2) for row in left)
    assert found.outcomes == {"ok": asked}


def test_a_person_is_told_when_a_host_is_asked_too_much(gitlab: GitLab, acme: Tenant) -> None:
    busy = host(gitlab, per_minute=1)
    (row,) = many(acme, busy, 1, token=gitlab.token())
    PACER.people(budget_of(busy)).wait("")
    refusal = refused(lambda: repositories.repositories(binding=row))
    assert refusal.code == "GL-RATE-01"
    with rls.fleet("a test looks"):
        row.refresh_from_db()
    assert (row.status, row.reach) == ("active", "ok")
