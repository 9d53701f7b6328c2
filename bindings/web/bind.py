"""Bind: the token form with its connection test, and the way to a platform's consent page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from bindings.models import Binding
from bindings.services.bind import hosts, store, token
from bindings.services.bind.token import TokenAsk
from bindings.services.browse.specs import LABELS, Spec, people_bind, spec_of
from bindings.web import consent, shown, token_form
from bindings.web.forms import TokenForm
from bindings.web.window import congratulate, frame, pass_on
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import Instance
from portal.tenants.signin import recent_sign_in


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("token")
@reaches_provider
@recent_sign_in
@never_cache
def page(request: Request, tenant: str, name: str, provider: str) -> HttpResponse:
    """The window of one platform: consent where that is the way, else the token form."""
    instance, spec = _place(request, name, provider)
    hosts.check_offer(instance, provider)
    failed = consent.failed_attempt(instance, provider, request.GET.get("problem", ""))
    renews = "reconnect" in request.GET or (failed is not None and failed.intent == "reconnect")
    first = None if renews else _live(instance, provider)
    if first is not None:
        return _taken(request, instance, first)
    if request.method == "GET" and _by_consent(request, spec):
        return consent.page(request, instance, provider, failed)
    form = _form(request, spec)
    if request.method == "GET" or not form.is_valid():
        return token_form.show(request, instance, provider, form)
    try:
        bound = token.bind(actor=request.actor, instance=instance, ask=_ask(provider, form))
    except Refusal as refused:
        return token_form.show(request, instance, provider, form, refused=refused)
    congratulate(request, bound.binding, instance)
    pass_on(request, bound.hints)
    return redirect("sources", tenant, name)


@require_POST
@sensitive_post_parameters("token")
@reaches_provider
@recent_sign_in
@never_cache
def test(request: Request, tenant: str, name: str, provider: str) -> HttpResponse:
    """Climb the ladder and show it; nothing is saved. htmx gets the parts that changed, so that
    the pasted token stays where it was typed."""
    instance, spec = _place(request, name, provider)
    form = _form(request, spec)
    tested, refused = None, None
    if form.is_valid():
        try:
            ask = _ask(provider, form)
            tested = token.test(tenant=instance.tenant, instance=instance, ask=ask)
        except Refusal as said:
            refused = said
    return token_form.show(request, instance, provider, form, tested=tested, refused=refused)


@require_POST
@reaches_provider
def address(request: Request, tenant: str, name: str, provider: str) -> HttpResponse:
    """What can be said of an address while it is typed, without asking anybody."""
    instance, _spec = _place(request, name, provider)
    typed, error = request.POST.get("base_url", "").strip()[:4096], ""
    server = ""
    if typed:
        try:
            server = hosts.judge(tenant=instance.tenant, provider=provider, address=typed)
        except Refusal as refused:
            error = token_form.said(refused)
    context = {
        "error": error,
        "guide": token_form.guide(provider, server, instance),
        "platform": LABELS[provider],
    }
    return TemplateResponse(request, "sources/bind_address.html", context)


def _place(request: Request, name: str, provider: str) -> tuple[Instance, Spec]:
    instance = access.get_instance(request.actor, name, shown.WRITE)
    spec = spec_of(provider)
    if provider not in LABELS:
        raise NotYours
    if spec is None or not people_bind(provider):
        raise hosts.not_offered(provider)
    return instance, spec


def _live(instance: Instance, provider: str) -> Binding | None:
    with rls.tenant(instance.tenant_id):
        return store.live_binding(instance, provider)


def _by_consent(request: Request, spec: Spec) -> bool:
    """Is this the way by redirect? Where both exist, the address of the page says so."""
    asked = any(word in request.GET for word in ("reconnect", "problem", "consent"))
    return "oauth" in spec.methods and (asked or "token" not in spec.methods)


def _taken(request: Request, instance: Instance, first: Binding) -> HttpResponse:
    """One account per platform: say whose it is, and what can be done."""
    if first.status == "pending":
        return redirect("confirm", instance.tenant.slug, instance.name, first.provider)
    facts = {"platform": LABELS[first.provider], "login": first.account_login}
    said = _("%(platform)s is already bound to %(login)s. Unbind it first, or switch account.")
    context = {
        **frame(instance, first.provider),
        "binding": first,
        "said": said % facts,
        "may_unbind": shown.may_unbind(request.actor, first),
    }
    return TemplateResponse(request, "sources/taken.html", context, status=409)


def _form(request: Request, spec: Spec) -> TokenForm:
    data = None
    if request.method == "POST":
        data = request.POST.copy()
        if data.get("use_username"):  # "Use build-bot?" was answered with yes
            data["username"] = str(data["use_username"])
    return TokenForm(data, spec=spec)


def _ask(provider: str, form: TokenForm) -> TokenAsk:
    given = form.cleaned_data
    return TokenAsk(
        provider=provider,
        token=given.get("token") or "",
        base_url=given.get("base_url") or "",
        username=given.get("username") or "",
        organization=given.get("organization") or "",
        clone_username=given.get("clone_username") or "",
        expires_on=given.get("expires_on"),
        mode="manual" if given.get("manual") else "full",
        auto_rotate=bool(given.get("auto_rotate")),
    )
