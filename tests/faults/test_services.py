"""Redis and PostgreSQL go away, and workers are killed, in the middle of a sweep (cases fault-001,
002, 004, 006, 015): every row is checked within its lease, and no token is to blame."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from django.db import Error, close_old_connections, connection
from django.utils import timezone

from bindings.models import Schedule
from bindings.services.keep import claim, sweep
from bindings.services.keep.sweep import Result
from portal.ground import redis, rls
from portal.tenants.models import Tenant
from tests import outages
from tests.bindings.fleet import due, until
from tests.bindings.sources import GitLab
from tests.embedded import Services
from tests.faults.conftest import Figure
from tests.hosts import ROOT
from tests.outages import Fleet

COUNT = 1000
KILLS = 8


@contextmanager
def meanwhile(gitlab: GitLab, after: int, work: Callable[[], None]) -> Iterator[None]:
    """`work` is done by somebody else once the host was asked `after` times."""

    def wait() -> None:
        until(lambda: gitlab.asked() >= after)
        work()

    other = threading.Thread(target=wait)
    other.start()
    yield
    other.join()


def unchecked(played: Fleet) -> int:
    """Rows that nobody has asked about yet."""
    with rls.fleet("a test looks"):
        keys = [row.pk for row in played.rows]
        return Schedule.objects.filter(pk__in=keys, checked_at=None).count()


def test_redis_is_emptied_in_a_sweep(gitlab: GitLab, acme: Tenant, figure: Figure) -> None:
    played = outages.fleet(gitlab, acme, COUNT)
    with meanwhile(gitlab, COUNT // 3, lambda: redis.client().flushall()):
        played.sweep()
    figure(bindings=COUNT, condemned=played.condemned(), unchecked=unchecked(played))
    assert (played.condemned(), unchecked(played)) == (0, 0)


def test_redis_is_stopped_in_a_sweep(
    gitlab: GitLab, acme: Tenant, services: Services, figure: Figure
) -> None:
    played = outages.fleet(gitlab, acme, COUNT)
    try:
        with meanwhile(gitlab, COUNT // 3, services.redis.close):
            first = played.sweep()
        # Without Redis each process keeps to a fourth of the budget, so it may take several ticks.
        ticks = 1
        while unchecked(played) and ticks < 10:
            played.clock.move(minutes=11)
            played.sweep()
            ticks += 1
    finally:
        if services.redis.child is None:
            services.redis.open()
    found = {"condemned": played.condemned(), "unchecked": unchecked(played)}
    figure(bindings=COUNT, asked_in_the_first=first, ticks=ticks, **found)
    assert found == {"condemned": 0, "unchecked": 0}


def test_postgresql_is_restarted_between_claim_and_write(
    gitlab: GitLab, acme: Tenant, restart: Callable[[], None], figure: Figure
) -> None:
    """Claimed, asked, and then the database is gone: the rows come back with their lease."""
    played = outages.fleet(gitlab, acme, COUNT)
    began, restarts = time.monotonic(), []

    def cut(so_far: Result) -> None:
        # In the thread that sweeps, whose death would take the server with it.
        if so_far.asked >= COUNT // 3 and not restarts:
            restarts.append(so_far.asked)
            restart()

    with pytest.raises((Error, psycopg.Error)):
        sweep.run(clock=played.clock, progress=cut)
    _connected()
    lost = unchecked(played)
    left = due(played.rows, played.clock())
    played.clock.now += claim.LEASE + timedelta(seconds=1)
    played.sweep()
    found = {"condemned": played.condemned(), "unchecked": unchecked(played)}
    figure(
        bindings=COUNT,
        unchecked_when_it_broke=lost,
        due_at_once=left,
        seconds=round(time.monotonic() - began, 1),
        **found,
    )
    assert lost > 0
    assert found == {"condemned": 0, "unchecked": 0}


def _connected() -> None:
    """What Celery does before every job (`portal.celery.leave_broken_connections`)."""
    connection.close_if_unusable_or_obsolete()
    close_old_connections()
    until(_answers)


def _answers() -> bool:
    try:
        connection.ensure_connection()
    except Error:
        connection.close()
        return False
    return True


_CHILD = """
import django
django.setup()
from bindings.services.keep import sweep
sweep.run()
"""


def test_workers_are_killed_in_the_middle_of_sweeps(
    gitlab: GitLab, acme: Tenant, figure: Figure
) -> None:
    """Each is killed once it has asked some; what it held is asked again after the lease."""
    played = outages.fleet(gitlab, acme, COUNT, due=timezone.now() - timedelta(hours=1))
    chance = random.Random(7)
    kills = 0
    for _ in range(KILLS):
        before = gitlab.asked()
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            cwd=ROOT,
            env=os.environ | {"MOORING_SANDBOX_URL": gitlab.sandbox.url},
        )
        wanted = before + chance.randint(20, 80)
        until(lambda child=child, wanted=wanted: _over(child, gitlab, wanted))  # type: ignore[misc]
        child.send_signal(signal.SIGKILL)
        kills += child.wait() == -signal.SIGKILL
    played.clock.now = timezone.now()
    held = COUNT - due(played.rows, played.clock()) - _checked(played)
    played.sweep()
    played.clock.now += claim.LEASE + timedelta(seconds=1)
    played.sweep()
    found = {"condemned": played.condemned(), "unchecked": unchecked(played)}
    twice = gitlab.asked() - COUNT
    figure(bindings=COUNT, kills=kills, held_by_the_dead=held, asked_twice=twice, **found)
    assert kills == KILLS
    assert held > 0
    assert found == {"condemned": 0, "unchecked": 0}
    assert sweep.run(clock=played.clock).asked == 0


def _over(child: subprocess.Popen[bytes], gitlab: GitLab, wanted: int) -> bool:
    return child.poll() is not None or gitlab.asked() >= wanted


def _checked(played: Fleet) -> int:
    return COUNT - unchecked(played)
