"""The tenant's event log over the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from portal.ground import ids
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, one, operation
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.api import shapes
from portal.tenants.api.endpoint import Call, Endpoint
from portal.tenants.models import Event, Instance

_COLUMNS = ("id", "seq", "type", "at", "actor", "instance_id", "data")


class Events(Endpoint):
    @operation(
        "List events",
        scope="events:read",
        answers=shapes.EventEntry,
        lists=True,
        about="Newest first.",
        query=(
            parameters.text("type", "An event type, or a prefix like `binding.*`."),
            parameters.text("instance", "An instance's id."),
            parameters.text("binding", "A binding's id."),
            parameters.text("actor", "The id of a person or token."),
            parameters.moment("since", "Not before this time."),
            parameters.moment("until", "Before this time."),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        rows = _asked(_kept(call), call.query).values(*_COLUMNS)
        page = pagination.page(rows, ["-seq"], call.paging)
        return listed(_shapes(call, page.rows), page)


class OneEvent(Endpoint):
    def which(self, call: Call) -> Event:
        return access.get(call.actor, _kept(call), call.path["event"], "events:read")

    @operation("Get an event", scope="events:read", answers=shapes.EventEntry)
    def get(self, call: Call, found: Event) -> Answer:
        row = {name: getattr(found, name) for name in _COLUMNS}
        return one(_shapes(call, [row])[0])


def _kept(call: Call) -> QuerySet[Event]:
    since = call.now - timedelta(days=settings.MOORING_ACTIVITY_DAYS)
    return access.visible(call.actor, Event.objects.filter(at__gte=since))


def _asked(rows: QuerySet[Event], query: Mapping[str, Any]) -> QuerySet[Event]:
    if query["type"]:
        rows = rows.filter(reduce(or_, map(_of_type, query["type"])))
    if query["instance"]:
        rows = rows.filter(instance_id__in=_keys(Instance.PREFIX, query["instance"]))
    if query["binding"]:
        rows = rows.filter(binding_id__in=_keys("bnd", query["binding"]))
    if query["actor"]:
        rows = rows.filter(actor__id__in=query["actor"])
    if query["since"]:
        rows = rows.filter(at__gte=query["since"])
    return rows.filter(at__lt=query["until"]) if query["until"] else rows


def _of_type(asked: str) -> Q:
    return Q(type__startswith=asked[:-1]) if asked.endswith(".*") else Q(type=asked)


def _keys(prefix: str, public_ids: Iterable[str]) -> list[UUID]:
    found = (ids.key(prefix, public_id) for public_id in public_ids)
    return [key for key in found if key is not None]


def _shapes(call: Call, rows: Iterable[Mapping[str, Any]]) -> list[shapes.EventEntry]:
    known = list(rows)
    named = {row["instance_id"] for row in known if row["instance_id"]}
    mine = Instance.objects.of(tenant_of(call.actor)).filter(pk__in=named)
    names = dict(mine.values_list("pk", "name")) if named else {}
    return [_shape(row, names) for row in known]


def _shape(row: Mapping[str, Any], names: Mapping[UUID, str]) -> shapes.EventEntry:
    actor, instance = row["actor"], row["instance_id"]
    brief: shapes.InstanceBrief | None = None
    if instance in names:
        brief = {"id": ids.public(Instance.PREFIX, instance), "name": names[instance]}
    return {
        "id": ids.public(Event.PREFIX, row["id"]),
        "type": row["type"],
        "timestamp": row["at"],
        "actor": {
            "kind": actor["kind"],
            "id": actor.get("id") or None,
            "name": actor.get("name", ""),
            "ip": actor.get("ip") or None,
        },
        "instance": brief,
        "data": row["data"],
    }
