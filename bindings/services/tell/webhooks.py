"""A webhook as the tenant's log and its builders see it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from bindings.models import Hook
from bindings.services.tell import outbox
from portal.tenants.services.events import Entry

EVENTS = ("push", "tag")
"""What every webhook of ours is subscribed to."""


def url_of(hook: Hook) -> str:
    """Where the code host delivers to: our address, and the webhook's unguessable id."""
    return f"{settings.MOORING_URL}/hooks/{hook.public_id}"


def picture(hook: Hook) -> dict[str, Any]:
    """A webhook as events show it (`api.md` 3.6), with the name and the maker that notices read.
    Needs its repository; no secret."""
    repository = hook.repository
    return {
        "id": hook.public_id,
        "name": repository.path,
        "binding": hook.binding.public_id,
        "repository": {"id": repository.public_id, "path": repository.path},
        "url": url_of(hook),
        "events": list(EVENTS),
        "status": hook.status,
        "status_since": _written(hook.status_since),
        "provider_hook_id": hook.remote_id or None,
        "signature": hook.proof,
        "created_at": _written(hook.created_at),
        "last_delivery_at": _written(hook.heard_at),
        "checked_at": _written(hook.checked_at),
        "made_by": str(hook.made_by) if hook.made_by else None,
    }


def entry(
    type: str,
    hook: Hook,
    *,
    at: datetime,
    actor: Mapping[str, Any] = outbox.SYSTEM,
    **more: Any,
) -> Entry:
    """One `webhook.*` event about this webhook, to be recorded."""
    told = outbox.entry(type, binding=hook.binding, actor=actor, at=at, **more)
    said = {**told.data, "webhook": picture(hook)}
    if hook.trouble:
        said["reason"] = hook.trouble
    return Entry(
        tenant_id=told.tenant_id,
        type=told.type,
        actor=told.actor,
        at=told.at,
        instance_id=told.instance_id,
        binding_id=told.binding_id,
        data=said,
    )


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
