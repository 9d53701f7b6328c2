"""What endpoints are sent: one event as JSON (api.md 6.2), written once and kept, so that every
attempt and every replay has the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from portal.ground import ids
from portal.tenants.models import Event, Instance, Tenant

TEST = "endpoint.test"
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
_WHOLE = ("binding.", "webhook.")
"""Events that show the whole binding; builds name it only."""


def bodies(events: Sequence[Event]) -> dict[UUID, str]:
    """The body of each event, by its key. Needs an open scope."""
    slugs = dict(
        Tenant.objects.filter(pk__in={event.tenant_id for event in events}).values_list(
            "pk", "slug"
        )
    )
    named = {event.instance_id for event in events if event.instance_id}
    names = dict(Instance.objects.filter(pk__in=named).values_list("pk", "name")) if named else {}
    return {event.pk: _body(event, slugs[event.tenant_id], names) for event in events}


def _body(event: Event, slug: str, names: Mapping[UUID, str]) -> str:
    shown = {
        "id": event.public_id,
        "type": event.type,
        "timestamp": event.at,
        "tenant": {"id": ids.public(Tenant.PREFIX, event.tenant_id), "slug": slug},
        "instance": _instance(event.instance_id, names),
        "data": {"message": event.data["message"]} if event.type == TEST else event.data,
    }
    return orjson.dumps(shown, option=_OPTIONS).decode()


def _instance(key: UUID | None, names: Mapping[UUID, str]) -> dict[str, Any] | None:
    if key is None or key not in names:
        return None
    return {"id": ids.public(Instance.PREFIX, key), "name": names[key]}
