"""By redirect: the page before leaving for the platform, and the confirmation after the return."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bindings import problems, state
from bindings.models import Authorization, Binding, Check, CodeHost
from bindings.services.bind import grant, hosts, links
from bindings.services.browse.guides import BEFORE_CONSENT
from bindings.services.browse.specs import consent_of, consent_words
from bindings.web import markdown, shown
from bindings.web.window import congratulate, frame
from portal.ground import refusals, rls, turns
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import Instance
from portal.tenants.signin import recent_sign_in


def page(
    request: Request, instance: Instance, provider: str, failed: Authorization | None
) -> HttpResponse:
    """What will be asked and why, and which account will be used, before anybody leaves."""
    servers = _servers(instance, provider)
    reconnect = _reconnect(request, provider, failed)
    context = {
        **frame(instance, provider),
        "servers": servers,
        "app": servers[0].options,
        "look_out": [markdown.inline(str(line)) for line in BEFORE_CONSENT.get(provider, ())],
        "scopes": consent_words(provider, consent_of(servers[0])),
        "reconnect": reconnect,
        **_problem(failed, request.GET.get("problem", "")),
    }
    response = TemplateResponse(request, "sources/bind_oauth.html", context)
    turns.forms_may_lead_to(
        response, [page for host in servers for page in shown.consent_pages(host)]
    )
    return response


@require_http_methods(["GET", "POST"])
@reaches_provider
@recent_sign_in
@never_cache
def confirm(request: Request, tenant: str, name: str, provider: str) -> HttpResponse:
    """Which account came back, and what it can do. Only Confirm makes it live."""
    instance = access.get_instance(request.actor, name, shown.WRITE)
    with rls.tenant(instance.tenant_id):
        waiting = (
            Binding.objects.of(instance.tenant_id)
            .select_related("host", "instance")
            .filter(instance=instance, provider=provider, unbound_at=None)
            .filter(status=state.Status.PENDING, confirm_until__gt=timezone.now())
            .first()
        )
        last = Check.objects.of(instance.tenant_id).filter(binding=waiting).last()
    if waiting is None:
        if request.method == "POST":
            messages.error(request, _("You did not confirm in time. Nothing is bound."))
        return redirect("sources", tenant, name)
    if request.method == "POST":
        return _settle(request, waiting, instance)
    context = {
        **frame(instance, provider),
        "binding": waiting,
        "end": shown.end_of(waiting, timezone.now()),
        "steps": shown.ladder(last),
        "abilities": shown.abilities(waiting),
    }
    response = TemplateResponse(request, "sources/confirm.html", context)
    turns.forms_may_lead_to(response, shown.consent_pages(waiting.host))
    return response


def _settle(request: Request, binding: Binding, instance: Instance) -> HttpResponse:
    back = redirect("sources", instance.tenant.slug, instance.name)
    if "discard" in request.POST:
        grant.discard(actor=request.actor, binding=binding)
        messages.info(request, _("Nothing is bound."))
        return back
    try:
        live = grant.confirm(actor=request.actor, binding=binding)
    except Refusal:
        messages.error(request, _("You did not confirm in time. Nothing is bound."))
        return back
    congratulate(request, live, instance)
    return back


def _servers(instance: Instance, provider: str) -> list[CodeHost]:
    known = hosts.offered(instance.tenant, provider)
    servers = [host for host in known if links.can_authorize(host)]
    if not servers:
        raise hosts.not_offered(provider)
    return servers


def failed_attempt(instance: Instance, provider: str, code: str) -> Authorization | None:
    """The attempt that came back with this code, for the names in its sentence: the address of
    the page carries the code only."""
    if code not in problems.ALL:
        return None
    with rls.tenant(instance.tenant_id):
        return (
            Authorization.objects.of(instance.tenant_id)
            .select_related("binding__host")
            .filter(instance=instance, provider=provider, status="failed", problem__code=code)
            .order_by("-id")
            .first()
        )


def _problem(failed: Authorization | None, code: str) -> dict[str, Any]:
    if code not in problems.ALL:
        return {"problem": None}
    facts = (failed.problem or {}).get("facts", {}) if failed else {}
    return {
        "problem": refusals.words(code, facts),
        "fewer": code.partition("-")[2] == "SCOPE-02",
        "another": code.partition("-")[2] == "ACC-01",
    }


def _reconnect(request: Request, provider: str, failed: Authorization | None) -> Binding | None:
    """The binding that is to be renewed: named by the page's address, or by the failed attempt."""
    asked = request.GET.get("reconnect", "")
    if not asked:
        return failed.binding if failed is not None and failed.intent == "reconnect" else None
    live = Binding.objects.filter(unbound_at=None, provider=provider).select_related("host")
    return access.get(request.actor, live, asked, shown.WRITE)
