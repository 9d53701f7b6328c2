"""Switch account: the new credential or consent, the comparison, and then one button."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from bindings import problems
from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.bind import aside as setting_aside
from bindings.services.bind import hosts, switch, token
from bindings.services.bind.links import can_authorize
from bindings.services.bind.switch import Waiting
from bindings.services.bind.token import Tested, TokenAsk
from bindings.services.browse.specs import Spec, spec_of
from bindings.services.browse.usage import Comparison
from bindings.web import consent, shown, token_form
from bindings.web.binding import find, frame
from bindings.web.token_form import Desk
from bindings.web.window import congratulate, pass_on
from portal.ground import refusals
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.signin import recent_sign_in


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("token")
@reaches_provider
@recent_sign_in
@never_cache
def page(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """The account that waits, compared; or the way to another account."""
    binding = _switchable(request, public_id)
    if binding.unbound_at is not None:
        return redirect("receipt", tenant, public_id)
    aside = switch.waiting(binding)
    if request.method == "POST" and "aside" in request.POST:
        return _decide(request, binding, aside)
    if aside is not None and request.method == "GET":
        return _compare(request, binding, aside)
    spec = _spec(binding)
    if request.method == "GET" and _by_consent(request, spec):
        return consent.leave(request, binding)
    return _with_token(request, binding, spec)


@require_POST
@sensitive_post_parameters("token")
@reaches_provider
@recent_sign_in
@never_cache
def test(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Climb the ladder and compare what the account sees; nothing is saved."""
    binding = _switchable(request, public_id)
    form = token_form.filled(request, _spec(binding))
    tested: Tested | None = None
    refused, found = None, None
    if form.is_valid():
        ask = token_form.ask_of(binding.provider, form)
        try:
            tested, found = _tested(binding, ask)
        except Refusal as said:
            refused = said
    more = _comparison(binding, found, tested)
    return token_form.show(request, _desk(binding), form, tested=tested, refused=refused, **more)


@require_POST
@reaches_provider
def address(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """What can be said of an address while it is typed, without asking anybody."""
    return token_form.judge(request, _desk(_switchable(request, public_id)))


def _switchable(request: Request, public_id: str) -> Binding:
    binding = find(request.actor, public_id, shown.WRITE)
    if binding.kind == Kind.PLATFORM:
        raise Refusal(f"{problems.prefix_of(binding.provider)}-LOCK-01")
    return binding


def _with_token(request: Request, binding: Binding, spec: Spec) -> HttpResponse:
    desk, form = _desk(binding), token_form.filled(request, spec)
    if request.method == "GET" or not form.is_valid():
        return token_form.show(request, desk, form)
    try:
        bound = switch.with_token(
            actor=request.actor,
            instance=binding.instance,
            replaces=binding,
            ask=token_form.ask_of(binding.provider, form),
            accept_missing=request.POST.get("accept_missing") == "1",
        )
    except Refusal as refused:
        lost = refused.extra.get("comparison")
        more = _lost(binding, lost, str(refused.facts.get("new", ""))) if lost else {}
        return token_form.show(request, desk, form, refused=None if lost else refused, **more)
    congratulate(request, bound.binding, binding.instance)
    pass_on(request, bound.hints)
    return redirect("sources", binding.instance.tenant.slug, binding.instance.name)


def _decide(request: Request, binding: Binding, aside: Waiting | None) -> HttpResponse:
    """Switch, or Keep, for the account that came back from the platform."""
    here = [binding.instance.tenant.slug, binding.public_id]
    if aside is None or aside.binding.public_id != request.POST["aside"]:
        messages.error(request, _("You did not confirm in time. Nothing is bound."))
        return redirect("binding", *here)
    if "keep" in request.POST:
        setting_aside.give_up(aside=aside.binding)
        kept = _("%(login)s is kept. Nothing changed.")
        messages.info(request, kept % {"login": binding.account_login})
        return redirect("binding", *here)
    try:
        live = switch.take_over(
            actor=request.actor,
            binding=binding,
            other=aside.binding,
            accept_missing=request.POST.get("accept_missing") == "1",
        )
    except Refusal as refused:
        messages.error(request, refusals.words(refused.code, refused.facts).detail)
        return redirect("switch", *here)
    congratulate(request, live, binding.instance)
    return redirect("sources", here[0], binding.instance.name)


def _compare(request: Request, binding: Binding, aside: Waiting) -> HttpResponse:
    said, found = "", None
    renewal = setting_aside.same(binding, aside.binding)
    try:
        found = None if renewal else switch.look(binding=binding, other=aside.binding)
    except Refusal as refused:
        said = refusals.words(refused.code, refused.facts).detail
    context = {
        **frame(binding.instance.tenant.slug, binding),
        "aside": aside.binding,
        "link": aside.attempt if aside.attempt.handoff else None,
        "renewal": renewal,
        "end": shown.end_of(aside.binding, timezone.now()),
        "abilities": shown.abilities(aside.binding),
        "said": said,
        "crowd": shown.crowd(aside.binding),
        "comparison": None if found is None else found.shown(),
        "new": aside.binding.account_login,
    }
    return TemplateResponse(request, "bindings/switch.html", context)


def _tested(binding: Binding, ask: TokenAsk) -> tuple[Tested, Comparison | None]:
    place = binding.instance
    tested = token.test(tenant=place.tenant, instance=place, ask=ask)
    return tested, switch.compared(tested=tested, binding=binding, ask=ask)


def _comparison(
    binding: Binding, found: Comparison | None, tested: Tested | None
) -> dict[str, Any]:
    if found is None or tested is None or tested.examination.identity is None:
        return {}
    return _lost(binding, found.shown(), tested.examination.identity.login)


def _lost(binding: Binding, comparison: object, new: str) -> dict[str, Any]:
    back = reverse("binding", args=[binding.instance.tenant.slug, binding.public_id])
    return {"comparison": comparison, "new": new, "binding": binding, "back_url": back}


def _desk(binding: Binding) -> Desk:
    instance = binding.instance
    where = [instance.tenant.slug, binding.public_id]
    known = hosts.offered(instance.tenant, binding.provider)
    return Desk(
        instance,
        binding.provider,
        page=reverse("switch", args=where),
        test=reverse("switch_test", args=where),
        address=reverse("switch_address", args=where),
        template="bindings/switch_token.html",
        more={
            **frame(where[0], binding),
            "consent": "oauth" in _spec(binding).methods and any(map(can_authorize, known)),
        },
    )


def _spec(binding: Binding) -> Spec:
    spec = spec_of(binding.provider)
    if spec is None:
        raise NotYours
    return spec


def _by_consent(request: Request, spec: Spec) -> bool:
    asked = any(word in request.GET for word in ("problem", "consent"))
    return "oauth" in spec.methods and (asked or "token" not in spec.methods)
