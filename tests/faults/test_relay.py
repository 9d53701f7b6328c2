"""Relays are killed, PostgreSQL is restarted, Redis is emptied and stopped, while events go out: an
idempotent builder builds each exactly once, and none is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import Error
from django.utils import timezone

from bindings.models import Binding, Dispatch
from bindings.services.tell import endpoints, outbox, relay, waiting
from portal.ground import redis, rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import Clock, until
from tests.embedded import Services
from tests.faults.conftest import Figure
from tests.faults.test_services import _connected
from tests.hosts import ROOT
from tests.people import Somebody
from tests.receiver import Got, Receiver

COUNT, KILLS = 300, 6
OPEN = {"MOORING_ENDPOINT_ALLOW_CIDRS": "127.0.0.0/8", "MOORING_ENDPOINT_ALLOW_HTTP": "1"}
_CHILD = """
import django
django.setup()
from bindings.services.tell import relay
relay.run(budget_s=60)
"""


@pytest.fixture
def builder(settings: Any) -> Iterator[Receiver]:
    settings.MOORING_ENDPOINT_ALLOW_CIDRS = ("127.0.0.0/8",)
    settings.MOORING_ENDPOINT_ALLOW_HTTP = True
    with Receiver() as listening:
        yield listening


@pytest.fixture
def goal(binding: Binding, alice: Somebody, builder: Receiver) -> set[str]:
    """The ids of COUNT events that wait for the builder, of thirty lanes."""
    actor = alice.actor
    endpoints.create(actor=actor, name="builder", url=builder.url, kinds=["binding.*"])
    now = timezone.now()
    entries = [
        outbox.entry(
            "binding.bound",
            binding=binding,
            actor=outbox.SYSTEM,
            at=now,
            repository={"id": f"rep_{n % 30}"},
        )
        for n in range(COUNT)
    ]
    with rls.tenant(binding.tenant_id):
        made = outbox.record(entries)
    return {event.public_id for event in made}


def left(tenant: Tenant) -> int:
    with rls.tenant(tenant.pk):
        return Dispatch.objects.of(tenant).exclude(state="delivered").count()


def after_the_leases() -> datetime:
    return timezone.now() + waiting.LEASE + timedelta(seconds=1)


def judged(builder: Receiver, goal: set[str], tenant: Tenant) -> dict[str, int]:
    """What must hold: everything was sent, everything is marked, nothing else came."""
    twice = sum(times - 1 for times in builder.built.values())
    return {"lost": len(goal - set(builder.built)), "left": left(tenant), "sent_twice": twice}


def test_relays_are_killed_in_the_middle(
    goal: set[str], builder: Receiver, acme: Tenant, figure: Figure
) -> None:
    chance, kills = random.Random(7), 0
    for _ in range(KILLS):
        before = len(builder.got)
        child = subprocess.Popen([sys.executable, "-c", _CHILD], cwd=ROOT, env=os.environ | OPEN)
        wanted = before + chance.randint(5, 30)
        until(lambda wanted=wanted: len(builder.got) >= wanted)  # type: ignore[misc]
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
    relay.run(once=True, clock=Clock(after_the_leases()))
    found = judged(builder, goal, acme)
    figure(events=COUNT, kills=kills, **found)
    assert (kills, found["lost"], found["left"]) == (KILLS, 0, 0)
    assert set(builder.built) == goal


def test_a_relay_that_is_told_to_end_leaves_nothing_half_done(
    goal: set[str], builder: Receiver, acme: Tenant, figure: Figure
) -> None:
    command = [sys.executable, "manage.py", "relay_events"]
    child = subprocess.Popen(command, cwd=ROOT, env=os.environ | OPEN)
    until(lambda: len(builder.got) >= 20)
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 0
    sent = len(builder.got)
    assert left(acme) == COUNT - sent
    relay.run(once=True)  # at once: no lease stands in the way
    found = judged(builder, goal, acme)
    figure(events=COUNT, sent_before_it_ended=sent, **found)
    assert found == {"lost": 0, "left": 0, "sent_twice": 0}


def test_postgresql_is_restarted_while_events_go_out(
    goal: set[str],
    builder: Receiver,
    acme: Tenant,
    restart: Callable[[], None],
    figure: Figure,
) -> None:
    def cut() -> bool:
        # In the thread that relays, whose death would take the server with it.
        if len(builder.got) >= COUNT // 3 and not restarts:
            restarts.append(len(builder.got))
            restart()
        return False

    restarts: list[int] = []
    with pytest.raises((Error, psycopg.Error)):
        relay.run(budget_s=60, stopping=cut)
    _connected()
    relay.run(once=True, clock=Clock(after_the_leases()))
    found = judged(builder, goal, acme)
    figure(events=COUNT, sent_before=restarts[0], **found)
    assert (found["lost"], found["left"]) == (0, 0)


@pytest.mark.parametrize("how", ["emptied", "stopped"])
def test_redis_goes_away_while_events_go_out(
    goal: set[str], builder: Receiver, acme: Tenant, services: Services, figure: Figure, how: str
) -> None:
    gone: list[int] = []

    def cut(_: Got) -> None:
        if len(builder.got) >= COUNT // 3 and not gone:
            gone.append(len(builder.got))
            redis.client().flushall() if how == "emptied" else services.redis.close()

    builder.before = cut
    try:
        relay.run(budget_s=60, stopping=lambda: left(acme) == 0)
    finally:
        if services.redis.child is None:
            services.redis.open()
    found = judged(builder, goal, acme)
    figure(events=COUNT, how=how, **found)
    assert found == {"lost": 0, "left": 0, "sent_twice": 0}
