"""OutgoingDelivery endpoints over the API, and what was sent to them (api.md 3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from bindings.api.endpoint import Call, Endpoint
from bindings.models import Dispatch
from bindings.models import Endpoint as Row
from bindings.services.tell import endpoints, relay
from portal.ground import ids, rls
from portal.ground.refusals import NotYours
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, nothing, one, operation
from portal.ground.rest.fields import Body, Flag, Nothing, Text, Texts
from portal.ground.rest.shapes import Uri, identity, open_words
from portal.tenants import access
from portal.tenants.api.shapes import InstanceId
from portal.tenants.models import Event, Instance

EndpointId = Annotated[str, identity("end")]
EventId = Annotated[str, identity("evt")]
DeliveryWord = Literal["pending", "delivered", "failed", "abandoned"]

_WAITING = Q(state="waiting")
_STATUS: Mapping[str, Q] = {
    "pending": _WAITING & Q(tries=0),
    "failed": _WAITING & Q(tries__gt=0),
    "delivered": Q(state="delivered"),
    "abandoned": Q(state="abandoned"),
}
_SENT = (
    *("id", "endpoint_id", "event_id", "event__type", "state", "tries", "attempts", "next_at"),
    "created_at",
)
PASSING = ("status", "status_reason", "last_delivery_at")


class OutgoingEndpoint(TypedDict):
    """Where a builder listens. `status_reason`: why it is disabled."""

    id: EndpointId
    name: str
    url: Uri
    events: list[str]
    instances: list[InstanceId] | None
    enabled: bool
    status: Literal["active", "failing", "disabled"]
    status_reason: Annotated[str, open_words("by_hand", "gone", "failures")] | None
    secret_set_at: datetime
    last_delivery_at: datetime | None
    created_at: datetime


class NewOutgoingEndpoint(OutgoingEndpoint):
    secret: str


class NewSecret(TypedDict):
    """Both secrets sign until `previous_valid_until`."""

    secret: str
    previous_valid_until: datetime | None


class TestEvent(TypedDict):
    event: EventId


class Attempt(TypedDict):
    at: datetime
    ms: int
    http_status: int | None
    error: str | None


class SentEvent(TypedDict):
    id: EventId
    type: str


class OutgoingDelivery(TypedDict):
    """One event on its way to one endpoint."""

    id: Annotated[str, identity("odl")]
    endpoint: EndpointId
    event: SentEvent
    status: DeliveryWord
    next_attempt_at: datetime | None
    attempts: list[Attempt]
    created_at: datetime


class EndpointBody(Body):
    name = Text(max_length=80)
    url = Text(max_length=2000)
    events = Texts(max_length=40, most_letters=60, allow_empty=False)
    instances = Texts(max_length=1000, allow_null=True, default=None, allow_empty=False)
    enabled = Flag(default=True)


class EndpointChange(Body):
    name = Text(max_length=80, required=False)
    url = Text(max_length=2000, required=False)
    events = Texts(max_length=40, most_letters=60, allow_empty=False, required=False)
    instances = Texts(max_length=1000, allow_null=True, allow_empty=False, required=False)
    enabled = Flag(required=False)


class Endpoints(Endpoint):
    @operation(
        "List endpoints",
        scope="endpoints:read",
        answers=OutgoingEndpoint,
        lists=True,
        about="By name.",
    )
    def get(self, call: Call, found: None) -> Answer:
        rows = endpoints.visible_to(call.actor)
        page = pagination.page(rows, ["name", "id"], call.paging)
        return listed([_picture(row) for row in page.rows], page)

    @operation(
        "Add an endpoint",
        scope="endpoints:write",
        body=EndpointBody,
        answers=NewOutgoingEndpoint,
        status=201,
        located=True,
        reaches_provider=True,
        about="The secret is in this answer and nowhere else.",
        codes=("409 X-NAME-01", "422 X-ADDR-01 X-LIMIT-01"),
    )
    def post(self, call: Call, found: None) -> Answer:
        made, secret = endpoints.create(actor=call.actor, **_asked(call.body))
        shown = _picture(made)
        return Answer(
            body={**shown, "secret": secret},
            resource=shown,
            passing=PASSING,
            location=f"/api/v1/endpoints/{made.public_id}",
            shown_once="secret",
        )


class OfEndpoint(Endpoint):
    """An endpoint of the API below `/endpoints/{endpoint}`."""

    def which(self, call: Call) -> Row:
        rows = endpoints.visible_to(call.actor)
        return access.get(call.actor, rows, call.path["endpoint"], call.operation.scope)

    def picture(self, call: Call, found: Row) -> Answer:
        return one(_picture(found), passing=PASSING)


class OneEndpoint(OfEndpoint):
    @operation("Get an endpoint", scope="endpoints:read", answers=OutgoingEndpoint)
    def get(self, call: Call, found: Row) -> Answer:
        return self.picture(call, found)

    @operation(
        "Change an endpoint",
        scope="endpoints:write",
        body=EndpointChange,
        answers=OutgoingEndpoint,
        if_match=True,
        reaches_provider=True,
        about="Switching it on sends what was kept for it.",
        codes=("409 X-NAME-01", "422 X-ADDR-01"),
    )
    def patch(self, call: Call, found: Row) -> Answer:
        if call.body:
            found = endpoints.change(actor=call.actor, endpoint=found, changes=_asked(call.body))
        return self.picture(call, found)

    @operation("Remove an endpoint", scope="endpoints:write", status=204, if_match=True)
    def delete(self, call: Call, found: Row) -> Answer:
        endpoints.delete(actor=call.actor, endpoint=found)
        return nothing()


class Secrets(OfEndpoint):
    @operation(
        "Replace the secret of an endpoint",
        scope="endpoints:write",
        body=Nothing,
        answers=NewSecret,
        status=201,
        about="Shown once. For 24 hours every request is signed with both.",
    )
    def post(self, call: Call, found: Row) -> Answer:
        secret, until = endpoints.new_secret(actor=call.actor, endpoint=found)
        body: NewSecret = {"secret": secret, "previous_valid_until": until}
        return Answer(body, shown_once="secret", tagged=False)


class Tests(OfEndpoint):
    @operation(
        "Send a test event",
        scope="endpoints:write",
        body=Nothing,
        answers=TestEvent,
        status=202,
    )
    def post(self, call: Call, found: Row) -> Answer:
        event = endpoints.test(actor=call.actor, endpoint=found)
        return Answer({"event": event.public_id}, tagged=False)


class Deliveries(OfEndpoint):
    @operation(
        "List what was sent to an endpoint",
        scope="deliveries:read",
        answers=OutgoingDelivery,
        lists=True,
        about="Newest first, 30 days.",
        query=(
            parameters.choice("status", "How far it got.", _STATUS),
            parameters.text("type", "An event type, or a prefix like `build.*`."),
            parameters.moment("since", "Not before this time."),
            parameters.moment("until", "Before this time."),
        ),
    )
    def get(self, call: Call, found: Row) -> Answer:
        rows = _narrowed(_kept(call, found), call.query).values(*_SENT)
        page = pagination.page(rows, ["-created_at", "-id"], call.paging)
        return listed([_sent(row) for row in page.rows], page)


class Replays(OfEndpoint):
    @operation(
        "Send it once more",
        scope="deliveries:replay",
        body=Nothing,
        answers=OutgoingDelivery,
        status=202,
        about="The same event id and body, a new time and signature.",
    )
    def post(self, call: Call, found: Dispatch) -> Answer:
        relay.replay(actor=call.actor, dispatch=found)
        row = Dispatch.objects.of(found.tenant_id).filter(pk=found.pk).values(*_SENT).get()
        return Answer(_sent(row), tagged=False)

    def which(self, call: Call) -> Dispatch:  # type: ignore[override]  # one of an endpoint's
        endpoint = super().which(call)
        key = ids.key(Dispatch.PREFIX, call.path["outgoing"]) or UUID(int=0)
        with rls.tenant(endpoint.tenant_id):
            row = _kept(call, endpoint).filter(pk=key).select_related("endpoint").first()
        if row is None:
            raise NotYours
        return row


def _kept(call: Call, endpoint: Row) -> QuerySet[Dispatch]:
    since = call.now - timedelta(days=settings.MOORING_DELIVERY_DAYS)
    rows = Dispatch.objects.of(endpoint.tenant_id)
    return rows.filter(endpoint=endpoint, created_at__gte=since)


def _narrowed(rows: QuerySet[Dispatch], query: Mapping[str, Any]) -> QuerySet[Dispatch]:
    if query["status"]:
        rows = rows.filter(reduce(or_, (_STATUS[word] for word in query["status"])))
    if query["type"]:
        rows = rows.filter(reduce(or_, map(_of_type, query["type"])))
    if query["since"]:
        rows = rows.filter(created_at__gte=query["since"])
    return rows.filter(created_at__lt=query["until"]) if query["until"] else rows


def _of_type(asked: str) -> Q:
    exact = not asked.endswith(".*")
    return Q(event__type=asked) if exact else Q(event__type__startswith=asked[:-1])


def _asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as the service names them."""
    return {"kinds" if name == "events" else name: value for name, value in body.items()}


def _picture(row: Row) -> OutgoingEndpoint:
    return {
        "id": row.public_id,
        "name": row.name,
        "url": row.url,
        "events": row.kinds,
        "instances": None if row.instances is None else [_instance(key) for key in row.instances],
        "enabled": row.enabled,
        "status": _status(row),
        "status_reason": row.why or None,
        "secret_set_at": row.secret_set_at,
        "last_delivery_at": row.last_delivery_at,
        "created_at": row.created_at,
    }


def _status(row: Row) -> Literal["active", "failing", "disabled"]:
    if not row.enabled:
        return "disabled"
    return "active" if row.failing_since is None else "failing"


def _instance(key: UUID) -> str:
    return ids.public(Instance.PREFIX, key)


def _sent(row: Mapping[str, Any]) -> OutgoingDelivery:
    return {
        "id": ids.public(Dispatch.PREFIX, row["id"]),
        "endpoint": ids.public(Row.PREFIX, row["endpoint_id"]),
        "event": {"id": ids.public(Event.PREFIX, row["event_id"]), "type": row["event__type"]},
        "status": _word(row),
        "next_attempt_at": row["next_at"] if row["state"] == "waiting" else None,
        "attempts": row["attempts"],
        "created_at": row["created_at"],
    }


def _word(row: Mapping[str, Any]) -> DeliveryWord:
    if row["state"] == "waiting":
        return "failed" if row["tries"] else "pending"
    return "delivered" if row["state"] == "delivered" else "abandoned"
