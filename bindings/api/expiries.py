"""End dates over the API, soonest first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.db.models import QuerySet

from bindings.api import pictures, shapes
from bindings.api.endpoint import Call, Endpoint
from bindings.models import Binding
from bindings.services.browse import specs, usage
from bindings.services.tell import calendar, feeds
from portal.ground import ids
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, nothing, operation, raw
from portal.ground.rest.shapes import Uri
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.api.shapes import InstanceBrief
from portal.tenants.models import Instance

_COLUMNS = (
    "id",
    "instance_id",
    "instance__name",
    "host_id",
    "provider",
    "account_login",
    "status",
    "reach",
    "suspicion",
    "expires_at",
    "quality",
    "renews",
)
_DATED = ("exact", "stated")  # only these dates are worth a warning (product.md R8)


class ExpiryEntry(TypedDict):
    """An end date, and what stops then."""

    binding: shapes.BindingId
    instance: InstanceBrief
    provider: shapes.ProviderWord
    account: str
    state: shapes.StateWord
    expires_at: datetime
    expires_quality: shapes.QualityWord
    renews: bool
    triggers: int
    clients: int
    url: Uri


_FILTERS = (
    parameters.days("within", "How far ahead.", default="P90D"),
    parameters.text("instance", "An instance's id."),
    parameters.choice("provider", "A platform.", specs.ORDER),
    parameters.choice("quality", "How sure the date is.", _DATED),
    parameters.flag("include_renewing", "Also what renews itself."),
)


class Expiries(Endpoint):
    @operation(
        "List end dates",
        scope="bindings:read",
        answers=ExpiryEntry,
        lists=True,
        about="Soonest first; what has ended already comes first of all.",
        query=_FILTERS,
    )
    def get(self, call: Call, found: None) -> Answer:
        rows = _ending(call).values(*_COLUMNS)
        page = pagination.page(rows, ["expires_at", "id"], call.paging)
        tenant = tenant_of(call.actor)
        served = usage.served(tenant.pk, {row["instance_id"] for row in page.rows})
        return listed([_shape(row, tenant.slug, served) for row in page.rows], page)


class ExpiryCalendar(Endpoint):
    @operation(
        "End dates as a calendar",
        scope="bindings:read",
        media=calendar.MEDIA,
        about="iCalendar, one event for each end, with alarms 14, 7 and 1 days before.",
        query=_FILTERS,
    )
    def get(self, call: Call, found: None) -> Answer:
        return raw(calendar.render(tenant_of(call.actor), _ending(call)))


class FeedAddress(TypedDict):
    """Where the calendar is found without a sign-in. Shown once."""

    url: Uri


class ExpiryFeed(Endpoint):
    @operation(
        "Make a calendar address",
        scope="bindings:read",
        status=201,
        answers=FeedAddress,
        about="The caller's old address stops. Whoever has the address may read it.",
    )
    def post(self, call: Call, found: None) -> Answer:
        return Answer({"url": feeds.subscribe(actor=call.actor)}, shown_once="url", tagged=False)

    @operation("End the calendar address", scope="bindings:read", status=204)
    def delete(self, call: Call, found: None) -> Answer:
        feeds.revoke(actor=call.actor)
        return nothing()


def _ending(call: Call) -> QuerySet[Binding]:
    live = access.visible(call.actor, Binding.objects.filter(unbound_at=None))
    return _asked(live.filter(expires_at__lte=call.now + call.query["within"]), call.query)


def _asked(rows: QuerySet[Binding], query: Mapping[str, Any]) -> QuerySet[Binding]:
    rows = rows.filter(quality__in=query["quality"] or _DATED)
    if not query["include_renewing"]:
        rows = rows.filter(renews=False)
    if query["provider"]:
        rows = rows.filter(provider__in=query["provider"])
    if query["instance"]:
        keys = [ids.key(Instance.PREFIX, public_id) for public_id in query["instance"]]
        rows = rows.filter(instance_id__in=[key for key in keys if key])
    return rows


def _shape(
    row: Mapping[str, Any], tenant_slug: str, served: Mapping[tuple[UUID, UUID], int]
) -> ExpiryEntry:
    public_id = ids.public(Binding.PREFIX, row["id"])
    return {
        "binding": public_id,
        "instance": pictures.instance_brief(row),
        "provider": row["provider"],
        "account": row["account_login"],
        "state": pictures.state_of(row),  # type: ignore[typeddict-item]  # bound, so never unbound
        "expires_at": row["expires_at"],
        "expires_quality": row["quality"],
        "renews": row["renews"],
        "triggers": served.get((row["instance_id"], row["host_id"]), 0),
        "clients": 0,
        "url": pictures.page_url(tenant_slug, public_id),
    }
