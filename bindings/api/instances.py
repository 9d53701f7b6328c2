"""Registry instances over the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from bindings.api import pictures, shapes
from bindings.api.endpoint import Call, Endpoint, InstanceEndpoint
from bindings.models import Binding
from bindings.services.bind import instances
from bindings.state import State
from portal.ground import ids
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, nothing, one, operation
from portal.ground.rest.fields import Body, Labels, Text
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.models import Instance

_COLUMNS = ("id", "name", "display_name", "region", "labels", "created_at", "updated_at")
_WORDS = [state.value for state in State if state is not State.NOT_OFFERED]
_DATED = ("exact", "stated")
PASSING = ("state", "bound", "next_expiry")


class InstanceBody(Body):
    name = Text(max_length=40)
    display_name = Text(max_length=80, allow_blank=True, default="")
    region = Text(max_length=40)
    labels = Labels(default=dict)


class InstanceChange(Body):
    display_name = Text(max_length=80, allow_blank=True, required=False)
    labels = Labels(required=False)


class Instances(Endpoint):
    @operation(
        "List instances",
        scope="instances:read",
        answers=shapes.Instance,
        lists=True,
        about="By name.",
        query=(
            parameters.text("q", "Anywhere in name or display name."),
            parameters.text("region", "A region."),
            parameters.choice("state", "The worst state of its bindings.", _WORDS),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        live = access.visible(call.actor, Instance.objects.filter(closed_at=None))
        rows = _asked(live, call.query).values(*_COLUMNS)
        page = pagination.page(rows, ["name", "id"], call.paging)
        return listed(_pictures(call, page.rows), page)

    @operation(
        "Create an instance",
        scope="instances:write",
        body=InstanceBody,
        answers=shapes.Instance,
        status=201,
        located=True,
        codes=("409 X-NAME-01", "422 X-LIMIT-01"),
    )
    def post(self, call: Call, found: None) -> Answer:
        made = instances.open_instance(actor=call.actor, **call.body)
        return Answer(
            _picture(call, made), passing=PASSING, location=f"/api/v1/instances/{made.public_id}"
        )


class OneInstance(InstanceEndpoint):
    def picture(self, call: Call, found: Instance) -> Answer:
        return one(_picture(call, found), passing=PASSING)

    @operation("Get an instance", scope="instances:read", answers=shapes.Instance)
    def get(self, call: Call, found: Instance) -> Answer:
        return self.picture(call, found)

    @operation(
        "Change an instance",
        scope="instances:write",
        body=InstanceChange,
        answers=shapes.Instance,
        if_match=True,
    )
    def patch(self, call: Call, found: Instance) -> Answer:
        if call.body:
            found = instances.change_instance(actor=call.actor, instance=found, changes=call.body)
        return self.picture(call, found)

    @operation(
        "Delete an instance",
        scope="instances:write",
        role="owner",
        status=204,
        if_match=True,
        about="Owners only, and only when nothing is bound.",
        codes=("409 X-INUSE-01",),
    )
    def delete(self, call: Call, found: Instance) -> Answer:
        instances.close_instance(actor=call.actor, instance=found)
        return nothing()


def _asked(rows: QuerySet[Instance], query: Mapping[str, Any]) -> QuerySet[Instance]:
    if query["q"]:
        named = Q()
        for text in query["q"]:
            named |= Q(name__icontains=text) | Q(display_name__icontains=text)
        rows = rows.filter(named)
    if query["region"]:
        rows = rows.filter(region__in=query["region"])
    if query["state"]:
        rows = rows.filter(_worst_among({State(word) for word in query["state"]}))
    return rows


def _worst_among(wanted: set[State]) -> Q:
    """Something is bound in this state, and nothing in a graver one."""
    mine = Binding.objects.of(OuterRef("tenant_id"))
    bound = mine.filter(instance=OuterRef("pk"), unbound_at=None)
    gravest_first = [state for state in State if state.value in _WORDS]
    found = Q(~Exists(bound)) if State.UNBOUND in wanted else Q(pk__in=[])
    for state in wanted - {State.UNBOUND}:
        graver = gravest_first[: gravest_first.index(state)]
        here = Exists(bound.filter(pictures.in_states([state])))
        found |= Q(here) & ~Q(Exists(bound.filter(pictures.in_states(graver))))
    return found


def _picture(call: Call, instance: Instance) -> shapes.Instance:
    return _pictures(call, [{name: getattr(instance, name) for name in _COLUMNS}])[0]


def _pictures(call: Call, rows: Iterable[Mapping[str, Any]]) -> list[shapes.Instance]:
    known = list(rows)
    bound = _bound(call, [row["id"] for row in known]) if known else {}
    return [_shape(row, bound.get(row["id"], [])) for row in known]


def _bound(call: Call, keys: list[UUID]) -> dict[UUID, list[Mapping[str, Any]]]:
    mine = Binding.objects.of(tenant_of(call.actor))
    live = mine.filter(instance_id__in=keys, unbound_at=None)
    columns = ("instance_id", "status", "reach", "suspicion", "expires_at", "quality", "renews")
    found: dict[UUID, list[Mapping[str, Any]]] = {}
    for row in live.values(*columns):
        found.setdefault(row["instance_id"], []).append(row)
    return found


def _shape(row: Mapping[str, Any], bound: list[Mapping[str, Any]]) -> shapes.Instance:
    return {
        "id": ids.public(Instance.PREFIX, row["id"]),
        "name": row["name"],
        "display_name": row["display_name"],
        "region": row["region"],
        "labels": row["labels"],
        "state": _worst(bound),  # type: ignore[typeddict-item]  # one of the words
        "bound": len(bound),
        "next_expiry": _next_expiry(bound),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _worst(bound: list[Mapping[str, Any]]) -> str:
    words = [pictures.state_of(row) for row in bound]
    return min(words, key=_WORDS.index) if words else State.UNBOUND.value


def _next_expiry(bound: list[Mapping[str, Any]]) -> datetime | None:
    ends = [b["expires_at"] for b in bound if b["quality"] in _DATED and not b["renews"]]
    return min(ends, default=None)
