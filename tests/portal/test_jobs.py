"""Jobs: started after the commit, never at a request's cost, and each is done by one task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.core.cache import cache

from portal import embedded
from portal.celery import NAMES, app
from portal.ground import jobs, redis, rls
from portal.ground.jobs import QUEUES, Job
from tests.embedded import Services

TENANT = UUID(int=1)
ROOT = Path(embedded.__file__).parent.parent


def waiting(queue: str) -> int:
    """Messages in a queue."""
    return int(redis.client().llen(queue))  # type: ignore[arg-type]


@pytest.fixture
def no_broker(services: Services) -> Iterator[None]:
    """Redis stopped, and started again after the test."""
    services.redis.close()
    yield
    services.redis.open()


def test_a_job_waits_for_the_commit(db: None) -> None:
    with rls.tenant(TENANT):
        jobs.start(Job.CHECK, TENANT)
        assert waiting("now") == 0
    assert waiting("now") == 1


def test_a_job_of_work_that_was_undone_is_not_started(db: None) -> None:
    def work() -> None:
        with rls.tenant(TENANT):
            jobs.start(Job.CHECK, TENANT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert waiting("now") == 0


def test_a_job_goes_to_its_queue_with_ids_only(db: None) -> None:
    jobs.start(Job.SWEEP, TENANT)
    (message,) = redis.client().lrange("sweep", 0, -1)  # type: ignore[misc]
    assert b'"task": "sweep"' in message
    assert b"application/json" in message


def test_without_a_broker_the_request_goes_on(
    db: None, no_broker: None, caplog: pytest.LogCaptureFixture
) -> None:
    with rls.tenant(TENANT):
        jobs.start(Job.CHECK, TENANT)
    assert "no broker for a job" in caplog.text


def test_a_broker_that_hangs_does_not_hold_the_request(
    db: None, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    child = services.redis.child
    assert child is not None
    child.send_signal(signal.SIGSTOP)
    thaw = threading.Timer(60, child.send_signal, [signal.SIGCONT])
    thaw.start()
    try:
        jobs.start(Job.CHECK, TENANT)
        assert "no broker for a job" in caplog.text
    finally:
        thaw.cancel()
        child.send_signal(signal.SIGCONT)


def test_a_broker_that_is_back_is_used_at_once(db: None, services: Services) -> None:
    jobs.start(Job.SWEEP)
    services.redis.close()
    jobs.start(Job.SWEEP)
    services.redis.open()
    jobs.start(Job.SWEEP)
    assert waiting("sweep") == 1


def test_without_redis_the_cache_is_empty_and_says_nothing(no_broker: None) -> None:
    cache.set("word", "kept", 60)
    assert cache.get("word", "nothing") == "nothing"
    assert cache.add("word", "kept", 60)
    assert not cache.delete("word")


def test_every_job_has_one_task_and_one_queue() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    assert ours == {str(job) for job in Job}
    assert set(QUEUES) == set(Job)
    assert set(QUEUES.values()) <= set(NAMES)


def test_every_tick_of_the_clock_is_a_job_in_its_queue() -> None:
    for line in app.conf.beat_schedule.values():
        assert line["options"]["queue"] == QUEUES[Job(line["task"])]
        assert line["options"]["expires"] == 60


def test_messages_are_late_acknowledged_json_without_results() -> None:
    conf = app.conf
    assert (conf.task_acks_late, conf.task_ignore_result, conf.accept_content) == (
        True,
        True,
        ["json"],
    )
    assert conf.result_backend is None


def test_a_worker_keeps_its_database_connections(services: Services, db: None) -> None:
    """Trap 1 of the hot paths: Celery opens one for every task unless it is told not to."""
    count = 200
    with services.postgres.connect() as session:
        asked = "SELECT sessions FROM pg_stat_database WHERE datname = 'mooring'"
        for _ in range(count):
            jobs.start(Job.END_BINDINGS)
        before = session.execute(asked).fetchone()
        _work_off("upkeep")
        after = session.execute(asked).fetchone()

    assert before is not None
    assert after is not None
    # Two children, and what the start-up checks of the worker ask.
    assert after[0] - before[0] <= 5


def _work_off(queue: str) -> None:
    command = [sys.executable, "-m", "celery", "--app", "portal", "--quiet", "worker"]
    worker = subprocess.Popen(
        [*command, "--queues", queue, "--concurrency", "2", "--without-mingle", "--without-gossip"],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while waiting(queue) or redis.client().hlen("unacked"):
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    worker.terminate()
    assert worker.wait(30) == 0
