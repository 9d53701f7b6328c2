"""The whole way of a push while everything falls over (cases fault-001, 002, 006, 015 and on):
every delivery that was accepted reaches an idempotent builder once, and no forged one ever does."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from portal.ground import redis
from portal.tenants.models import Instance
from tests.bindings.api.test_seven import Caller
from tests.bindings.seven import Seven
from tests.chain import Chain, until
from tests.embedded import Services
from tests.faults.conftest import Figure
from tests.hosts import Reply, Sandbox, ask
from tests.journeys.servers import Portal
from tests.people import Somebody
from tests.providers.cast import CASTS
from tests.receiver import Receiver

PUSHES = 60
AT_ONCE = 50
LONG = 260.0  # the lease of a killed worker is three minutes


@pytest.fixture
def portal(services: Services, all_seven: Seven, tmp_path: Path) -> Iterator[Portal]:
    running = Portal(all_seven.sandbox.url, tmp_path)
    running.web()
    running.worker("now,relay,upkeep", threads=4)
    running.beat()
    yield running
    running.end()


class Story:
    """A GitHub repository with a webhook and a trigger, and a builder that counts each id once."""

    def __init__(self, chain: Chain, caller: Caller, instance: Instance, sandbox: Sandbox) -> None:
        self.chain, self.sandbox = chain, sandbox
        bound = caller.bind("github")["id"]
        chain.listen()
        repository = chain.repository(bound, CASTS["github"].rich)
        self.path, self.branch = repository["path"], repository["default_branch"]
        self.trigger = chain.subscribe(instance.public_id, bound, self.path)
        self.hook = self.trigger["webhook"]
        self.pushed: list[str] = []

    def push(self) -> list[dict[str, Any]]:
        """One commit; what became of its deliveries."""
        done = self.sandbox.push("github", self.path, self.branch)
        self.pushed.append(done["after"])
        return list(done["deliveries"])

    def answered(self) -> list[Any]:
        """One commit; what its deliveries were answered."""
        return [one["status"] for one in self.push()]

    def sent(self) -> list[dict[str, Any]]:
        """What the host has sent to our hook, newest last, with headers and bodies."""
        (hook,) = self.sandbox.hooks("github")
        return [one for one in hook["deliveries"] if one["event"] == "push"]

    def again(self, delivery: dict[str, Any], *, spoil: bytes = b"") -> Reply:
        """Send a delivery again, as a person presses Redeliver; `spoil` makes a forgery of it."""
        url = f"{self.chain.site}/hooks/{self.hook}"
        return ask_raw(url, delivery["headers"], delivery["body"].encode() + spoil)

    def settle(self) -> None:
        """What the host was not thanked for is sent again, until it is."""
        for delivery in self.sent():
            if not 200 <= (delivery["status"] or 0) < 300:
                until(lambda d=delivery: self.again(d).status in (200, 202), seconds=LONG)

    def counted(self) -> Counter[str]:
        """How many different events of each commit the builder has."""
        return Counter(event["data"]["after"] for event in self.chain.events())

    def arrived(self) -> bool:
        return set(self.pushed) <= set(self.counted())


def ask_raw(url: str, headers: dict[str, str], body: bytes) -> Reply:
    return ask("POST", url, raw=body, headers=headers)


@pytest.fixture
def builder() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def story(
    portal: Portal,
    alice: Somebody,
    instance: Instance,
    all_seven: Seven,
    builder: Receiver,
    tmp_path: Path,
) -> Story:
    chain = Chain(portal.site, alice.token().secret, builder, tmp_path)
    return Story(chain, Caller(alice, instance, all_seven), instance, all_seven.sandbox)


def test_fifty_copies_at_once_are_one_build_and_forgeries_none(
    story: Story, figure: Figure
) -> None:
    story.push()
    (genuine,) = story.sent()
    with ThreadPoolExecutor(AT_ONCE) as crew:
        copies = list(crew.map(lambda _: story.again(genuine).status, range(AT_ONCE)))
        forged = list(crew.map(lambda _: story.again(genuine, spoil=b" ").status, range(AT_ONCE)))
    until(story.arrived, seconds=LONG)
    figure(copies=dict(Counter(copies)), forged=dict(Counter(forged)))
    assert set(copies) <= {200, 429}
    assert set(forged) <= {401, 429}
    assert list(story.counted().values()) == [1]


def test_web_is_killed_between_verify_and_commit(
    story: Story, portal: Portal, superuser: psycopg.Connection[Any], figure: Figure
) -> None:
    """Verified, not committed, not answered: the host keeps it, and it is found by comparing."""
    with superuser.transaction():
        superuser.execute("LOCK TABLE bindings_delivery IN SHARE ROW EXCLUSIVE MODE")
        sending = threading.Thread(target=story.push)
        sending.start()
        until(lambda: _waiting(superuser))
        portal.kill("web")
    sending.join()
    portal.web()
    (delivery,) = story.sent()
    assert not 200 <= (delivery["status"] or 0) < 300
    story.chain.get("POST", f"/webhooks/{story.hook}/recoveries", status=202)
    until(story.arrived, seconds=LONG)
    story.settle()  # the host tries again after all: nothing new
    (event,) = story.chain.events()
    figure(status=delivery["status"], found_as=event["type"])
    assert event["type"] == "build.recovered"
    assert list(story.counted().values()) == [1]


def test_the_worker_is_killed_while_the_builder_holds_it(
    story: Story, portal: Portal, superuser: psycopg.Connection[Any], figure: Figure
) -> None:
    builder = story.chain.builder
    builder.hangs()
    story.push()
    until(lambda: builder.got, seconds=LONG)
    portal.kill("worker")
    builder.goes_on()
    # Its lease would run out by itself; the test does not wait for it.
    superuser.execute("UPDATE bindings_dispatch SET next_at = now() WHERE state = 'waiting'")
    portal.worker("now,relay,upkeep", threads=4)
    until(lambda: _delivered(superuser), seconds=LONG)
    figure(requests=len(builder.got), events=len(story.chain.events()))
    assert len(builder.got) == 2
    assert list(story.counted().values()) == [1]


def test_nothing_is_lost_while_everything_falls_over(
    story: Story,
    portal: Portal,
    services: Services,
    restart: Callable[[], None],
    figure: Figure,
) -> None:
    def kill_web() -> None:
        portal.kill("web")
        portal.web()

    def kill_worker() -> None:
        portal.kill("worker")
        portal.worker("now,relay,upkeep", threads=4)

    def restart_redis() -> None:
        services.redis.close()
        services.redis.open()

    trouble = {
        10: kill_web,
        20: redis.client().flushall,
        30: kill_worker,
        40: restart_redis,
        50: restart,
    }
    statuses: Counter[Any] = Counter()
    for number in range(PUSHES):
        pushing = threading.Thread(target=lambda: statuses.update(story.answered()))
        pushing.start()
        # In this thread: servers end with the thread that has started them.
        trouble.get(number, lambda: None)()
        pushing.join()
    story.settle()
    with ThreadPoolExecutor(AT_ONCE) as crew:
        list(crew.map(story.again, story.sent()[:AT_ONCE]))
    until(story.arrived, seconds=LONG)
    found = story.counted()
    figure(pushes=PUSHES, answered=dict(statuses), built=len(found), most=max(found.values()))
    assert set(found) == set(story.pushed)
    assert set(found.values()) == {1}


def _waiting(superuser: psycopg.Connection[Any]) -> bool:
    """Is a delivery about to be stored? Inside a transaction the first look would last."""
    superuser.execute("SELECT pg_stat_clear_snapshot()")
    asked = superuser.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND query ILIKE '%bindings_delivery%'"
    ).fetchone()
    return bool(asked and asked[0])


def _delivered(superuser: psycopg.Connection[Any]) -> bool:
    asked = superuser.execute(
        "SELECT bool_and(state = 'delivered') FROM bindings_dispatch"
    ).fetchone()
    return bool(asked and asked[0])
