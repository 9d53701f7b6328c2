"""The row of a webhook: how it is held, and how its status turns."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from bindings.models import Hook
from bindings.models.hooks import HookStatus
from portal.ground.refusals import Refusal

WELL = frozenset({HookStatus.ACTIVE, HookStatus.UNVERIFIED})
LEAVING = frozenset({HookStatus.REMOVING, HookStatus.REMOVED})
COMPARED_EVERY = timedelta(hours=1)  # product.md G21


def next_look(now: datetime) -> datetime:
    """When a webhook is compared again; scattered, so that they do not come in crowds."""
    return now + COMPARED_EVERY * random.uniform(0.9, 1.1)  # noqa: S311 - no secret


def lock(hook: Hook) -> Hook | None:
    """The row as it is now, with binding and repository, held until the transaction ends; None
    when it is gone. Needs an open scope."""
    row: Hook | None = (
        Hook.objects.of(hook.tenant_id)
        .select_for_update(of=("self",))
        .select_related("binding__host", "repository")
        .filter(pk=hook.pk)
        .first()
    )
    return row


def turn(hook: Hook, status: HookStatus, *, now: datetime, trouble: str = "") -> None:
    """Write a status into the (unsaved) columns of a webhook; since when, only if it is another."""
    if hook.status != status:
        hook.status, hook.status_since = status.value, now
    hook.trouble = trouble


def well(hook: Hook) -> HookStatus:
    """What a webhook is that the host has as we want it."""
    return HookStatus.UNVERIFIED if hook.heard_at is None else HookStatus.ACTIVE


def refusal(status: str) -> Refusal:
    """X-STATE-01, for what this status does not allow."""
    word = str(HookStatus(status).value)
    return Refusal("X-STATE-01", state=word, extra={"state": word})
