"""Celery's face of tenancy: what has to happen by the clock."""

from __future__ import annotations

from portal.ground.jobs import Job, runs
from portal.tenants.services import events


@runs(Job.TELL_HEADS)
def tell_heads() -> None:
    """Put the heads of all event logs where the database cannot reach them: the server's log."""
    events.tell_heads()
