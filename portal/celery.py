"""The Celery application, its queues and the beat schedule; nothing else.

Workers: `celery -A portal worker -Q now` (sweep, relay, upkeep). Clock: `celery -A portal beat`;
a second one by mistake does no harm, every tick takes a lock of its own in PostgreSQL.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, task_prerun, worker_shutting_down
from django.db import close_old_connections
from kombu.entity import Queue

from portal.ground import broker
from portal.ground.jobs import QUEUES, Job, end_soon

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

NAMES = ("now", "sweep", "relay", "upkeep")
_MINUTE = 60


def _tick(job: Job, when: Any) -> dict[str, Any]:
    """One line of the schedule. A tick that waited longer than a minute is stale: drop it."""
    return {
        "task": str(job),
        "schedule": when,
        "options": {"queue": QUEUES[job], "expires": _MINUTE},
    }


broker.install()
app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_queues=[Queue(name) for name in NAMES],  # type: ignore[no-untyped-call]  # kombu's half types
    task_default_queue="now",
    task_create_missing_queues=False,
    # A job that dies with its worker runs again; jobs bear that, they carry ids only.
    task_acks_late=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_store_errors_even_if_ignored=False,
    worker_prefetch_multiplier=1,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # Longer than any job: after it a message is given to a second worker.
        "visibility_timeout": 15 * _MINUTE,
        # A request never waits for a broker that is away: kombu's own choice was 6 seconds.
        "socket_connect_timeout": 1,
        "max_retries": 0,
    },
    # Once more at once: the pooled connection may be older than the broker.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0},
    # No file: the schedule stands here, and a missed tick is made good by the next.
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        "sweep": _tick(Job.SWEEP, _MINUTE),
        "renew": _tick(Job.RENEW, _MINUTE),
        "work_deliveries": _tick(Job.WORK, _MINUTE),
        "relay": _tick(Job.RELAY, _MINUTE),
        "take_up": _tick(Job.TAKE_UP, 30 * _MINUTE),
        "ladder": _tick(Job.LADDER, 10 * _MINUTE),
        "tell": _tick(Job.TELL, _MINUTE),
        "mail": _tick(Job.MAIL, _MINUTE),
        "end_bindings": _tick(Job.END_BINDINGS, _MINUTE),
        "discard_unconfirmed": _tick(Job.DISCARD_UNCONFIRMED, 10 * _MINUTE),
        "reconcile": _tick(Job.RECONCILE, _MINUTE),
        "tell_heads": _tick(Job.TELL_HEADS, 5 * _MINUTE),
        "purge": _tick(Job.PURGE, crontab(hour="3", minute="20")),
    },
)
app.autodiscover_tasks()
app.set_default()


def leave_broken_connections(**_: Any) -> None:
    """Celery keeps connections between tasks (CELERY_DB_REUSE_MAX) and so never notices that
    PostgreSQL was restarted; Django does, when it is asked."""
    close_old_connections()


def keep_logging(**_: Any) -> None:
    """Being there is enough: Celery then leaves the log lines to Django's LOGGING."""


setup_logging.connect(keep_logging)
worker_shutting_down.connect(end_soon)
task_prerun.connect(leave_broken_connections)
