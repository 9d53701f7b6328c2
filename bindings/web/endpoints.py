"""Endpoints of a tenant: where builders listen, what was sent there, and what was not."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bindings.models import Dispatch, Endpoint
from bindings.models.outbox import DispatchState
from bindings.services.tell import endpoints as service
from bindings.services.tell import relay
from bindings.web import sending
from portal.ground import ids, refusals
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import Instance
from portal.tenants.signin import recent_sign_in

READ, WRITE, REPLAY = "endpoints:read", "endpoints:write", "deliveries:replay"
_PAGE = 50
_FATES = {
    "pending": Q(state=DispatchState.WAITING, tries=0),
    "failed": Q(state=DispatchState.WAITING, tries__gt=0),
    "delivered": Q(state=DispatchState.DELIVERED),
    "abandoned": Q(state=DispatchState.ABANDONED),
}


_COUNTED = 1000


@require_GET
def listing(request: Request, tenant: str) -> HttpResponse:
    """The endpoints of a tenant, by name."""
    access.demand(request.actor, READ)
    given_up = _in_state(request, DispatchState.ABANDONED)
    context = {
        **frame(request),
        "rows": [
            {
                "endpoint": one,
                "given_up": given_up[one.pk],
                "pill": sending.STATUSES[sending.status_of(one)],
                "everywhere": one.instances is None,
            }
            for one in of(request).order_by("name")
        ],
        **changing(request),
    }
    return TemplateResponse(request, "endpoints/list.html", context)


@require_GET
def page(request: Request, tenant: str, endpoint: str) -> HttpResponse:
    """One endpoint, and what was sent there in the last 30 days."""
    found = find(request, endpoint, READ)
    context = {
        **frame(request, found),
        **_deliveries(request, found),
        **changing(request),
        "endpoint": found,
        "pill": sending.STATUSES[sending.status_of(found)],
        "instances": _names(request, found),
        "off": "" if found.enabled else sending.why_off(found, *service.kept(found)),
        "may_replay": request.actor.may(REPLAY),
    }
    return TemplateResponse(request, "endpoints/page.html", context)


@require_POST
@recent_sign_in
def test(request: Request, tenant: str, endpoint: str) -> HttpResponse:
    """Send `endpoint.test`."""
    found = find(request, endpoint, WRITE)
    service.test(actor=request.actor, endpoint=found)
    messages.success(request, _("A test event is on its way. It appears below."))
    return redirect("endpoint", tenant, endpoint)


@require_POST
@recent_sign_in
def switch(request: Request, tenant: str, endpoint: str) -> HttpResponse:
    """Switch it on again, with all that was kept for it, or off."""
    found = find(request, endpoint, WRITE)
    on = request.POST.get("enabled") == "on"
    service.change(actor=request.actor, endpoint=found, changes={"enabled": on})
    messages.success(request, _("Switched on again.") if on else _("Switched off."))
    return redirect("endpoint", tenant, endpoint)


@require_POST
def replay(request: Request, tenant: str, endpoint: str) -> HttpResponse:
    """Send these again, with the same event ids; a page of them at most."""
    found = find(request, endpoint, READ)
    access.demand(request.actor, REPLAY)
    picked = request.POST.getlist("dispatch")[:_PAGE]
    keys = [key for key in (ids.key(Dispatch.PREFIX, one) for one in picked) if key is not None]
    rows = _sent(found).filter(pk__in=keys).order_by("created_at", "id")
    try:
        for dispatch in rows:
            relay.replay(actor=request.actor, dispatch=dispatch)
    except Refusal as refused:
        messages.error(request, refusals.words(refused.code, refused.facts).detail)
    else:
        messages.success(
            request, _("It is being sent again.") if keys else _("Nothing was ticked.")
        )
    return redirect("endpoint", tenant, endpoint)


def frame(request: Request, endpoint: Endpoint | None = None) -> dict[str, Any]:
    """The context every page of endpoints has."""
    where = reverse("endpoints", args=[request.tenant.slug])
    here = [(_("Endpoints"), where if endpoint else "")]
    return {
        "section": "endpoints",
        "crumbs": [*here, (endpoint.name, "")] if endpoint else here,
        "back_url": where,
        "now": timezone.now(),
    }


def changing(request: Request) -> dict[str, Any]:
    """May the reader change endpoints, and who else can."""
    may = request.actor.may(WRITE)
    return {"may_change": may, "admins": [] if may else access.who_has(request.tenant, "admin")}


def find(request: Request, public_id: str, scope: str) -> Endpoint:
    """The endpoint of a page."""
    return access.get(request.actor, of(request), public_id, scope)


def waiting_for(request: Request, endpoint: Endpoint) -> int:
    """How many events wait for an endpoint, counted up to a thousand."""
    rows = Dispatch.objects.of(request.tenant).filter(state=DispatchState.WAITING)
    return len(rows.filter(endpoint=endpoint).values_list("pk")[:_COUNTED])


def of(request: Request) -> QuerySet[Endpoint]:
    """The tenant's endpoints, without their secrets."""
    return Endpoint.objects.of(request.tenant).defer("secret", "previous_secret")


def _in_state(request: Request, state: DispatchState) -> Counter[UUID]:
    """How many events of this state each endpoint has, of the first thousand: read from the few
    that are in it, never from all that were sent."""
    rows = Dispatch.objects.of(request.tenant).filter(state=state)
    return Counter(rows.values_list("endpoint_id", flat=True)[:_COUNTED])


def _sent(endpoint: Endpoint) -> QuerySet[Dispatch]:
    rows = Dispatch.objects.of(endpoint.tenant_id).filter(endpoint_id=endpoint.pk)
    return rows.select_related("event", "endpoint").defer(
        "body", "endpoint__secret", "endpoint__previous_secret"
    )


def _deliveries(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    """What was sent, newest first, narrowed by state and type."""
    wanted = {name: request.GET.get(name, "") for name in ("status", "type")}
    rows = _sent(endpoint).filter(_FATES.get(wanted["status"], Q()))
    families = [family for family, _label in sending.TYPES]
    if wanted["type"] in families:
        rows = rows.filter(event__type__startswith=wanted["type"].removesuffix("*"))
    before = ids.key(Dispatch.PREFIX, request.GET.get("before", ""))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-id")[: _PAGE + 1])
    shown = found[:_PAGE]
    chosen = {name: value for name, value in wanted.items() if value}
    older = urlencode({**chosen, "before": shown[-1].public_id}) if len(found) > _PAGE else ""
    return {
        "rows": [sending.row(one) for one in shown],
        "given_up": [o.public_id for o in shown if o.state == DispatchState.ABANDONED],
        "wanted": wanted,
        "filtered": bool(chosen),
        "fates": [(word, fate.label) for word, fate in sending.FATES.items()],
        "types": sending.TYPES,
        "older_url": f"?{older}" if older else "",
        "newer_url": f"?{urlencode(chosen)}" if before is not None else "",
    }


def _names(request: Request, endpoint: Endpoint) -> list[str]:
    """The instances it hears of, by name; none where it hears of all."""
    if endpoint.instances is None:
        return []
    rows = Instance.objects.of(request.tenant).filter(pk__in=endpoint.instances)
    return list(rows.order_by("name").values_list("name", flat=True))
