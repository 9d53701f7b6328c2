"""Received deliveries over the API: look at them, and have one worked off again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from bindings.api import shapes
from bindings.api.endpoint import Call, Endpoint
from bindings.api.hooks import RepositoryBrief
from bindings.models import Binding, Hook, Repository
from bindings.models import Delivery as Row
from bindings.models.hooks import Origin, Outcome, Signature
from bindings.services.listen import deliveries, replay
from portal.ground import ids
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, one, operation
from portal.ground.rest.fields import Nothing
from portal.ground.rest.shapes import identity, open_words
from portal.tenants import access
from portal.tenants.models import Event, Instance

_COLUMNS = (
    "id",
    "hook_id",
    "hook__binding_id",
    "hook__repository_id",
    "hook__repository__path",
    "key",
    "event",
    "refs",
    "signature",
    "outcome",
    "origin",
    "duplicates",
    "replays",
    "events",
    "received_at",
    "processed_at",
)


class DeliveryBrief(TypedDict):
    """One delivery, as it was received and what became of it. A push of several refs shows the
    first."""

    id: Annotated[str, identity("dlv")]
    webhook: Annotated[str, identity("hok")]
    binding: shapes.BindingId
    repository: RepositoryBrief
    provider_delivery_id: str | None
    event: str
    ref: str | None
    before: str | None
    after: str | None
    signature: Literal["valid", "mismatch", "missing", "stale"]
    outcome: Annotated[str, open_words(*Outcome.values)]
    origin: Literal["provider", "recovered"]
    duplicates: int
    replays: int
    events: list[Annotated[str, identity("evt")]]
    received_at: datetime
    processed_at: datetime | None


class Delivery(DeliveryBrief):
    """With what was sent, secrets left out; `payload` is null where it is no JSON."""

    headers: dict[str, str]
    payload: Any


class Deliveries(Endpoint):
    @operation(
        "List received deliveries",
        scope="deliveries:read",
        answers=DeliveryBrief,
        lists=True,
        about="Newest first, 30 days.",
        query=(
            parameters.text("webhook", "A webhook's id."),
            parameters.text("binding", "A binding's id."),
            parameters.text("instance", "An instance's id."),
            parameters.text("repository", "A repository's id or path.", most=1000),
            parameters.text("event", "`push`, `tag`, or the platform's own word."),
            parameters.choice("outcome", "What became of it.", Outcome.values),
            parameters.choice("signature", "What its proof was.", Signature.values),
            parameters.moment("since", "Not before this time."),
            parameters.moment("until", "Before this time."),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        rows = _asked(_kept(call), call.query).values(*_COLUMNS)
        page = pagination.page(rows, ["-id"], call.paging)
        return listed([_shape(row) for row in page.rows], page)


class DeliveryEndpoint(Endpoint):
    """An endpoint below `/deliveries/{delivery}`."""

    def which(self, call: Call) -> Row:
        rows = _kept(call).select_related("hook__binding", "hook__repository")
        return access.get(call.actor, rows, call.path["delivery"], call.operation.scope)


class OneDelivery(DeliveryEndpoint):
    @operation("Get a received delivery", scope="deliveries:read", answers=Delivery)
    def get(self, call: Call, found: Row) -> Answer:
        shown: Delivery = {
            **_shape(_row(found)),
            "headers": deliveries.headers_of(found),
            "payload": deliveries.payload_of(found),
        }
        return one(shown)


class Replays(DeliveryEndpoint):
    @operation(
        "Replay a received delivery",
        scope="deliveries:replay",
        body=Nothing,
        answers=DeliveryBrief,
        status=202,
        about="The events it made are sent again under their old ids; without any, the triggers"
        " of now are asked.",
        codes=("409 X-STATE-01",),
    )
    def post(self, call: Call, found: Row) -> Answer:
        again = replay.replay(actor=call.actor, delivery=found)
        return Answer(_shape(_row(again)), tagged=False)


def _kept(call: Call) -> QuerySet[Row]:
    since = call.now - timedelta(days=settings.MOORING_DELIVERY_DAYS)
    return access.visible(call.actor, Row.objects.filter(received_at__gte=since))


def _asked(rows: QuerySet[Row], query: Mapping[str, Any]) -> QuerySet[Row]:
    for name, column, prefix in (
        ("webhook", "hook_id", Hook.PREFIX),
        ("binding", "hook__binding_id", Binding.PREFIX),
        ("instance", "hook__binding__instance_id", Instance.PREFIX),
    ):
        if query[name]:
            rows = rows.filter(**{f"{column}__in": _keys(prefix, query[name])})
    if query["repository"]:
        known = Q(hook__repository__path__in=query["repository"])
        keys = _keys(Repository.PREFIX, query["repository"])
        rows = rows.filter(known | Q(hook__repository_id__in=keys))
    for name in ("event", "outcome", "signature"):
        if query[name]:
            rows = rows.filter(**{f"{name}__in": query[name]})
    if query["since"]:
        rows = rows.filter(received_at__gte=query["since"])
    return rows.filter(received_at__lt=query["until"]) if query["until"] else rows


def _keys(prefix: str, public_ids: Iterable[str]) -> list[UUID]:
    found = (ids.key(prefix, public_id) for public_id in public_ids)
    return [key for key in found if key is not None]


def _row(found: Row) -> dict[str, Any]:
    hook = found.hook
    return {name: getattr(found, name) for name in _COLUMNS if "__" not in name} | {
        "hook__binding_id": hook.binding_id,
        "hook__repository_id": hook.repository_id,
        "hook__repository__path": hook.repository.path,
    }


def _shape(row: Mapping[str, Any]) -> DeliveryBrief:
    moved = row["refs"][0] if row["refs"] else {}
    return {
        "id": ids.public(Row.PREFIX, row["id"]),
        "webhook": ids.public(Hook.PREFIX, row["hook_id"]),
        "binding": ids.public(Binding.PREFIX, row["hook__binding_id"]),
        "repository": {
            "id": ids.public(Repository.PREFIX, row["hook__repository_id"]),
            "path": row["hook__repository__path"],
        },
        "provider_delivery_id": deliveries.provider_id(row["key"])
        if row["origin"] == Origin.PROVIDER
        else None,
        "event": row["event"],
        "ref": moved.get("ref"),
        "before": moved.get("before"),
        "after": moved.get("after"),
        "signature": row["signature"],
        "outcome": row["outcome"],
        "origin": row["origin"],
        "duplicates": row["duplicates"],
        "replays": row["replays"],
        "events": [ids.public(Event.PREFIX, UUID(key)) for key in row["events"]],
        "received_at": row["received_at"],
        "processed_at": row["processed_at"],
    }
