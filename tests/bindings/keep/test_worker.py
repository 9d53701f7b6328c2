"""The real thing: jobs that travel through Redis into a worker process of Celery."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.utils import timezone

from bindings.models import Binding, Check
from bindings.services.bind import unbind
from bindings.services.keep import checks
from portal.celery import app
from portal.ground import jobs, redis, rls
from portal.ground.jobs import Job
from portal.tenants.models import Instance, Tenant
from tests.bindings.fleet import due, host, many, states
from tests.bindings.sources import GitHub, GitLab, make_due, stored, told
from tests.hosts import ROOT
from tests.people import Somebody

PATIENCE = 60.0


@contextmanager
def worker(sandbox_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker for all queues, with two processes."""
    command = [sys.executable, "-m", "celery", "--app", "portal", "worker"]
    options = ["--queues", "now,sweep,relay,upkeep", "--concurrency", "2", "--loglevel", "INFO"]
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*command, *options, "--without-gossip", "--without-mingle"],
            cwd=ROOT,
            env=os.environ | {"MOORING_SANDBOX_URL": sandbox_url, "MOORING_LOG_LEVEL": "debug"},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            until(answers)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def answers() -> bool:
    """Does a worker answer? Asked on a connection of its own: the application's pool stays as it
    is, and closing the application would keep later tasks from being registered."""
    with app.connection_for_write() as connection:
        return bool(app.control.inspect(timeout=0.5, connection=connection).ping())


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def sessions(superuser: psycopg.Connection[Any]) -> int:
    """How many connections PostgreSQL has been asked for since it began to count."""
    superuser.execute("SELECT pg_stat_clear_snapshot()")
    row = superuser.execute(
        "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_jobs_are_done_by_a_worker(
    gitlab: GitLab,
    github: GitHub,
    alice: Somebody,
    instance: Instance,
    second_instance: Instance,
    acme: Tenant,
    superuser: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    log = tmp_path / "worker.log"
    rows = many(acme, host(gitlab), 30, token=gitlab.token(), **gitlab.ends())
    ended = gitlab.bind(alice.actor, instance, "sudo")
    unbind.unbind(actor=alice.actor, binding=ended, revoke=True)
    soon = gitlab.bind(alice.actor, second_instance, "ending")
    forgotten = github.finish(alice.actor, github.begin(alice.actor, instance))
    with rls.tenant(acme.pk):
        Binding.objects.filter(pk=forgotten.pk).update(
            confirm_until=timezone.now() - timedelta(minutes=1)
        )

    with worker(gitlab.sandbox.url, log):
        # Unbinding had asked for it; the message waited for a worker.
        until(lambda: token_state(gitlab, "sudo") == "revoked")

        jobs.start(Job.SWEEP)
        until(lambda: due(rows, timezone.now()) == 0 and set(checked(rows)) == {True})

        jobs.start(Job.LADDER)
        until(lambda: "binding.expiring" in told(acme))

        jobs.start(Job.DISCARD_UNCONFIRMED)
        until(lambda: stored(forgotten).unbound_at is not None)

        check = checks.start(actor=alice.actor, binding=soon)
        until(lambda: state_of(check) == "ok")

        before = sessions(superuser)
        for _ in range(40):
            make_due(*rows[:2])
            jobs.start(Job.SWEEP)
        until(lambda: not redis.client().exists("sweep") and due(rows, timezone.now()) == 0)
        opened = sessions(superuser) - before

    assert states(rows) == {"active/ok": 30}
    assert {stored(row).suspicion for row in rows} == {0}
    # 40 jobs, and as many connections as there are processes (performance.md 5, trap 1).
    assert opened <= 5
    written = log.read_text()
    for secret in (
        gitlab.token(),
        gitlab.token("ending"),
        github.sandbox.token("github", "octavia"),
    ):
        assert secret not in written
    assert "Traceback" not in written


def token_state(gitlab: GitLab, name: str) -> str:
    return str(gitlab.sandbox.token_facts("gitlab", "build-bot", name)["state"])


def checked(rows: list[Binding]) -> list[bool]:
    with rls.fleet("a test looks"):
        kept = Binding.objects.filter(pk__in=[row.pk for row in rows]).select_related("schedule")
        return [row.schedule.checked_at is not None for row in kept]


def state_of(check: Check) -> str:
    with rls.tenant(check.tenant_id):
        return Check.objects.get(pk=check.pk).status
