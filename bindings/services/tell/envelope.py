"""What endpoints are sent: one event as JSON (api.md 6.2), written once and kept, so that every
attempt and every replay has the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.utils import translation

from bindings.models import Binding
from bindings.services.tell import pictures
from portal.ground import ids
from portal.tenants.models import Event, Instance, Tenant

TEST = "endpoint.test"
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
_WHOLE = ("binding.", "webhook.")
"""Events that show the whole binding; builds name it only."""


def bodies(events: Sequence[Event]) -> dict[UUID, str]:
    """The body of each event, by its key. Needs an open scope."""
    tenants = Tenant.objects.filter(pk__in={event.tenant_id for event in events})
    slugs = dict(tenants.values_list("pk", "slug"))
    named = {event.instance_id for event in events if event.instance_id}
    names = dict(Instance.objects.filter(pk__in=named).values_list("pk", "name")) if named else {}
    wholes = _wholes(events)
    found = {}
    for event in events:
        shown = {
            "id": event.public_id,
            "type": event.type,
            "timestamp": event.at,
            "tenant": {
                "id": ids.public(Tenant.PREFIX, event.tenant_id),
                "slug": slugs[event.tenant_id],
            },
            "instance": _instance(event.instance_id, names),
            "data": _data(event, wholes),
        }
        found[event.pk] = orjson.dumps(shown, option=_OPTIONS).decode()
    return found


def _instance(key: UUID | None, names: Mapping[UUID, str]) -> dict[str, Any] | None:
    if key is None or key not in names:
        return None
    return {"id": ids.public(Instance.PREFIX, key), "name": names[key]}


def _data(event: Event, wholes: Mapping[UUID, Mapping[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = event.data
    if event.type == TEST:
        return {"message": data["message"]}
    whole = wholes.get(event.binding_id) if event.binding_id else None
    if whole is None or not event.type.startswith(_WHOLE):
        return data
    with translation.override("en"):
        return {**data, "binding": pictures.binding(whole, event.at)}


def _wholes(events: Sequence[Event]) -> dict[UUID, dict[str, Any]]:
    """The bindings that events show whole, as they are now: by the end of the transaction in which
    it happened."""
    keys = {
        event.binding_id for event in events if event.binding_id and event.type.startswith(_WHOLE)
    }
    if not keys:
        return {}
    return {row["id"]: row for row in pictures.rows(Binding.objects.filter(pk__in=keys))}
