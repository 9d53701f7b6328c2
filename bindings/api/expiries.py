"""End dates over the API, soonest first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from django.db.models import QuerySet

from bindings.api import pictures, shapes
from bindings.api.endpoint import Call, Endpoint
from bindings.models import Binding
from bindings.services.browse import specs
from portal.ground import ids
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, operation
from portal.ground.rest.shapes import Uri
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.api.shapes import InstanceBrief
from portal.tenants.models import Instance

_COLUMNS = (
    "id",
    "instance_id",
    "instance__name",
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


class Expiries(Endpoint):
    @operation(
        "List end dates",
        scope="bindings:read",
        answers=ExpiryEntry,
        lists=True,
        about="Soonest first; what has ended already comes first of all.",
        query=(
            parameters.days("within", "How far ahead.", default="P90D"),
            parameters.text("instance", "An instance's id."),
            parameters.choice("provider", "A platform.", specs.ORDER),
            parameters.choice("quality", "How sure the date is.", _DATED),
            parameters.flag("include_renewing", "Also what renews itself."),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        live = access.visible(call.actor, Binding.objects.filter(unbound_at=None))
        ending = live.filter(expires_at__lte=call.now + call.query["within"])
        rows = _asked(ending, call.query).values(*_COLUMNS)
        page = pagination.page(rows, ["expires_at", "id"], call.paging)
        slug = tenant_of(call.actor).slug
        return listed([_shape(row, slug) for row in page.rows], page)


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


def _shape(row: Mapping[str, Any], tenant_slug: str) -> ExpiryEntry:
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
        "triggers": 0,
        "clients": 0,
        "url": pictures.page_url(tenant_slug, public_id),
    }
