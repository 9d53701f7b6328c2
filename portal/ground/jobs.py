"""The names of all jobs, and how one is started: after the commit, and never at a request's cost.

A job is a wish, not the work: what has to be done stands in PostgreSQL, and the ticks of beat find
it there. A message that is lost, doubled or refused therefore costs a minute at most.
"""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar, cast
from uuid import UUID

from celery import current_app, shared_task
from kombu.exceptions import KombuError
from kombu.pools import producers

from portal.ground import redis, rls

log = logging.getLogger(__name__)


class Job(StrEnum):
    """All jobs. Each is the name of one task, and of one function in a `tasks.py`."""

    CHECK = "check"  # one check that was begun: its tenant and its id
    SWEEP = "sweep"  # every binding that is due
    RENEW = "renew"  # tokens that end or idle, and renewals whose outcome nobody knows
    WORK = "work_deliveries"  # what webhooks have brought
    RELAY = "relay"  # what the outbox has for endpoints
    TAKE_UP = "take_up"  # triggers that wait for a binding: all, or a tenant's and its binding's
    LADDER = "ladder"  # the steps 30, 14, 7, 3, 1, 0 days before an end
    TELL = "tell"  # what happened, to the people it concerns
    MAIL = "mail"  # the mails that are due
    END_BINDINGS = "end_bindings"  # what an unbind still has to clean up at code hosts
    DISCARD_UNCONFIRMED = "discard_unconfirmed"  # bindings nobody confirmed in time
    PURGE = "purge"  # rows past their retention
    RECONCILE = "reconcile"  # webhooks, as wanted and as they are
    TELL_HEADS = "tell_heads"  # the heads of the event logs, told to the server's log


F = TypeVar("F", bound=Callable[..., None])


def runs(job: Job) -> Callable[[F], F]:
    """Declares a function as the task of a job."""
    return cast(Callable[[F], F], shared_task(name=str(job)))


QUEUES = {
    Job.CHECK: "now",
    Job.SWEEP: "sweep",
    Job.RENEW: "upkeep",
    Job.WORK: "now",
    Job.RELAY: "relay",
    Job.TAKE_UP: "upkeep",
    Job.LADDER: "upkeep",
    Job.TELL: "upkeep",
    Job.MAIL: "upkeep",
    Job.END_BINDINGS: "upkeep",
    Job.DISCARD_UNCONFIRMED: "upkeep",
    Job.PURGE: "upkeep",
    Job.RECONCILE: "upkeep",
    Job.TELL_HEADS: "upkeep",
}
"""The queue of each job."""


def start(job: Job, *ids: UUID | str) -> None:
    """Ask a worker to run `job` once the open transaction has committed; at once without one.

    Ids only, never a secret: messages are readable in Redis. A broker that is away is logged.
    """
    arguments = [str(given) for given in ids]
    rls.after(lambda: _send(job, arguments))


def start_now(job: Job) -> None:
    """The same for whoever has no transaction, nor a connection to ask about one."""
    _send(job, [])


def ending() -> bool:
    """Was this worker asked to end? A job that runs long looks here between two steps."""
    return _ending[0] == 1


def end_soon(**_: Any) -> None:
    """Let every running job of this worker see `ending()`; called when Celery is told to stop."""
    _ending[0] = 1


# A broker that hangs may not hold up a request. Workers wait for messages longer than this.
_SECONDS = 1
_IMPATIENT = {"socket_timeout": _SECONDS}
# Shared memory, because Celery tells only the parent of a worker's processes that it has to end.
_ending = mmap.mmap(-1, 1)


def _send(job: Job, arguments: list[str]) -> None:
    broker = current_app.connection_for_write(transport_options=_IMPATIENT)
    try:
        with producers[broker].acquire(block=True, timeout=_SECONDS) as producer:
            current_app.send_task(str(job), args=arguments, queue=QUEUES[job], producer=producer)
    except (KombuError, redis.Away, OSError) as away:
        # Nothing is lost: the next tick finds the work.
        log.warning("no broker for a job", extra={"job": job, "reason": type(away).__name__})
