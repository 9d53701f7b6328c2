"""Leave for the code host, and come back: thin views around `services.bind`."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bindings.models import Authorization, Binding, CodeHost
from bindings.oauth import handover
from bindings.oauth.provider import StateRefused, leave_for_host, take_state
from bindings.oauth.returning import finish, start_again
from bindings.services.bind import handoff, links
from bindings.services.browse.specs import LABELS, consent_pages
from bindings.services.listen import reconcile
from portal.ground import rls, turns
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import User
from portal.tenants.signin import recent_sign_in

SCOPE = "bindings:write"


@require_POST
@reaches_provider
@recent_sign_in
def start(request: Request, tenant: str, name: str, provider: str) -> HttpResponse:
    """Begin to bind, or to reconnect, and send the browser to the platform."""
    actor = request.actor
    instance = access.get_instance(actor, name, SCOPE)
    reconnect, replaces = (_named(request, field) for field in ("binding", "replaces"))
    begun = links.begin(
        actor=actor,
        instance=instance,
        provider=provider,
        host=request.POST.get("host", ""),
        mode="manual" if request.POST.get("mode") == "manual" else "full",
        reconnect=reconnect,
        replaces=replaces,
    )
    choose = request.POST.get("another") == "1"
    return leave_for_host(request, begun.authorization, choose_account=choose)


@require_GET
@never_cache
def callback(request: HttpRequest, host_slug: str) -> HttpResponse:
    """The platform sent the browser back. Signs nobody in, whatever happens here."""
    host = _host(host_slug)
    try:
        returned = take_state(request, host)
    except StateRefused:
        return start_again(request, host)
    try:
        row = links.waiting(
            tenant_id=returned.tenant_id, authorization_id=returned.authorization_id
        )
    except Refusal:
        return start_again(request, host)
    if row.handoff or returned.handoff:
        return handover.come_back(request, row, host, returned)
    actor = _may_finish(request, row)
    try:
        binding = finish(request, actor, row, returned.verifier)
    except Refusal as refused:
        return HttpResponseRedirect(_bind_page(row, refused.code))
    where = [row.instance.tenant.slug, row.instance.name]
    if row.replaces is not None and binding.pk != row.replaces.pk:
        old = row.replaces.public_id
        return HttpResponseRedirect(reverse("switch", args=[where[0], old]))
    if binding.status == "pending":
        return HttpResponseRedirect(reverse("confirm", args=[*where, row.provider]))
    _say_connected(request, binding)
    return HttpResponseRedirect(reverse("sources", args=where))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def attempt(request: HttpRequest, code: str) -> HttpResponse:
    """The page of a link: one handed to somebody else, or an attempt that was made by API."""
    link = handoff.by_code(code)
    return _own(request, code) if link is None else handover.page(request, code, link)


@recent_sign_in
def _own(request: HttpRequest, code: str) -> HttpResponse:
    """An attempt of somebody with an account here: says what it will do, then goes on."""
    if not isinstance(request.user, User):
        return redirect_to_login(request.path)
    row = _by_code(request, code)
    if request.method == "POST" and links.state_of(row) == links.WAITING:
        return leave_for_host(request, row, choose_account=False)
    shown = {"attempt": row, "state": links.state_of(row), "platform": LABELS[row.provider]}
    response = render(request, "sources/attempt.html", shown)
    host = links.server_of(row)
    turns.forms_may_lead_to(response, consent_pages(row.provider, host.base_url, host.options))
    return response


def _may_finish(request: HttpRequest, row: Authorization) -> Actor:
    """The person's right to finish an attempt, as it is at this moment."""
    actor = _enter(request, row.instance.tenant.slug)
    access.get_instance(actor, row.instance.name, SCOPE)
    return actor


def _by_code(request: HttpRequest, code: str) -> Authorization:
    tenant_id = links.tenant_of(code)
    if tenant_id is None:
        raise NotYours
    with rls.tenant(tenant_id):
        row = links.by_code(tenant_id=tenant_id, code=code)
        slug, name = row.instance.tenant.slug, row.instance.name
    access.get_instance(_enter(request, slug), name, SCOPE)
    return row


def _enter(request: HttpRequest, slug: str) -> Actor:
    """The person of this browser inside the tenant, with the rights of this moment."""
    if not isinstance(request.user, User):
        raise NotYours
    signed_in = access.signed_in_at(request.session)
    return access.enter(request.user, slug, ip=getattr(request, "ip", ""), signed_in_at=signed_in)


def _host(slug: str) -> CodeHost:
    with rls.fleet("host of a callback"):
        host = CodeHost.objects.filter(slug=slug, enabled=True).exclude(client_id="").first()
    if host is None:
        raise NotYours
    return host


def _say_connected(request: HttpRequest, binding: Binding) -> None:
    done = reconcile.at_once(binding)
    said = _("%(login)s is connected again. %(n)d webhooks repaired, %(m)d missed pushes sent.")
    counts = {"n": done["mended"], "m": done["pushes"]}
    messages.success(request, said % {"login": binding.account_login, **counts})


def _bind_page(attempt: Authorization, code: str) -> str:
    if attempt.replaces is not None:
        here = [attempt.instance.tenant.slug, attempt.replaces.public_id]
        return f"{reverse('switch', args=here)}?{urlencode({'problem': code})}"
    where = [attempt.instance.tenant.slug, attempt.instance.name, attempt.provider]
    return f"{reverse('bind', args=where)}?{urlencode({'problem': code})}"


def _named(request: Request, field: str) -> Binding | None:
    """The live binding a form names, if it does. Raises NotYours, NotAllowed."""
    if not request.POST.get(field):
        return None
    live = Binding.objects.filter(unbound_at=None).select_related("host", "instance")
    return access.get(request.actor, live, request.POST[field], SCOPE)
