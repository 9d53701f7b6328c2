"""A link for a colleague: made here, shown once, withdrawn here."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bindings.models import Authorization, Binding, CodeHost
from bindings.services.bind import handoff, hosts, links, store
from bindings.services.browse.specs import LABELS, people_bind, spec_of
from bindings.web import shown
from bindings.web.window import frame
from portal.ground import refusals, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import Instance
from portal.tenants.signin import recent_sign_in


@require_http_methods(["GET", "POST"])
@reaches_provider  # its services open their own scopes
@recent_sign_in
@never_cache
def page(request: Request, tenant: str, name: str, provider: str) -> HttpResponse:
    """Make a link to one platform of an instance; those that are out, each with Withdraw."""
    instance = access.get_instance(request.actor, name, shown.WRITE)
    if provider not in LABELS:
        raise NotYours
    if not people_bind(provider):
        raise hosts.not_offered(provider)
    hosts.check_offer(instance, provider)
    if request.method == "POST" and "withdraw" in request.POST:
        return _withdraw(request, instance, provider)
    code, said = "", ""
    if request.method == "POST":
        try:
            code = _made(request, instance, provider)
        except Refusal as refused:
            said = refusals.words(refused.code, refused.facts).detail
    context = {
        **frame(instance, provider),
        "bound": _bound(instance, provider),
        "servers": _servers(instance, provider),
        "said": said,
        "url": f"{settings.MOORING_URL}{reverse('attempt', args=[code])}" if code else "",
        "links": handoff.of_instance(instance, provider),
    }
    status = 409 if said else 200
    return TemplateResponse(request, "sources/handoff.html", context, status=status)


def _made(request: Request, instance: Instance, provider: str) -> str:
    begun = handoff.begin(
        actor=request.actor,
        instance=instance,
        provider=provider,
        host=request.POST.get("host", ""),
        mode="manual" if request.POST.get("mode") == "manual" else "full",
    )
    return begun.code


def _withdraw(request: Request, instance: Instance, provider: str) -> HttpResponse:
    here = Authorization.objects.filter(instance=instance, provider=provider, handoff=True)
    found = access.get(request.actor, here, request.POST["withdraw"], shown.WRITE)
    with rls.tenant(instance.tenant_id):
        handoff.withdraw(actor=request.actor, authorization=found)
    messages.success(request, _("The link is withdrawn."))
    return redirect("handoff", instance.tenant.slug, instance.name, provider)


def _bound(instance: Instance, provider: str) -> Binding | None:
    with rls.tenant(instance.tenant_id):
        return store.live_binding(instance, provider)


def _servers(instance: Instance, provider: str) -> list[CodeHost]:
    """The servers to choose from, where there are several."""
    spec: Any = spec_of(provider)
    known = hosts.offered(instance.tenant, provider)
    able = [one for one in known if "token" in spec.methods or links.can_authorize(one)]
    return able if len(able) > 1 else []
