"""Unbind: first what stops, then the act, then the receipt."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from bindings import problems
from bindings.models import Binding, Ending
from bindings.models.bindings import Kind
from bindings.services.bind import unbind as ending_service
from bindings.services.browse.specs import LABELS
from bindings.web import shown
from bindings.web.binding import find, frame
from bindings.web.forms import UnbindForm, posted
from bindings.web.sources import READ
from portal.ground import refusals
from portal.ground.refusals import NotYours, Refusal
from portal.templatetags import words
from portal.tenants.middleware import Request
from portal.tenants.signin import recent_sign_in


@require_http_methods(["GET", "POST"])
@recent_sign_in
def page(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """What stops when this account is unbound; typed confirmation when it is in use."""
    binding = find(request.actor, public_id, shown.WRITE, own="bound_by")
    if binding.unbound_at is not None:
        return redirect("receipt", tenant, public_id)
    if binding.kind == Kind.PLATFORM:
        raise Refusal(f"{problems.prefix_of(binding.provider)}-LOCK-01")
    plan = ending_service.impact(binding)
    form = UnbindForm(
        posted(request),
        platform=LABELS[binding.provider],
        login=binding.account_login,
        in_use=plan["in_use"],
        initial={"revoke": binding.kind == Kind.OAUTH},
    )
    if request.method == "POST" and form.is_valid():
        try:
            ending_service.unbind(
                actor=request.actor,
                binding=binding,
                confirm=form.cleaned_data.get("confirm", ""),
                revoke=form.cleaned_data["revoke"],
            )
        except Refusal as refused:
            field = "confirm" if "confirm" in form.fields else None
            form.add_error(field, refusals.words(refused.code, refused.facts).detail)
        else:
            _congratulate(request, binding)
            return redirect("receipt", tenant, public_id)
    context = {
        **frame(tenant, binding),
        "plan": plan,
        "form": form,
        "by_consent": binding.kind == Kind.OAUTH,
        "may_switch": shown.may_switch(request.actor, binding),
        "can_revoke": plan["plan"][1]["possible"],
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "bindings/unbind.html", context, status=status)


@require_GET
def receipt(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """What was done at the platform, and what is left to do by hand; kept 30 days."""
    binding = find(request.actor, public_id, READ)
    if binding.unbound_at is None:
        raise NotYours
    ending = _ending(binding)
    waiting = [step for step in ending.steps if step["status"] == "pending"]
    context = {
        **frame(tenant, binding),
        "receipt": ending_service.receipt(ending),
        "open": ending.finished_at is None,
        # Tried, and something at the platform is still to do: it did not answer.
        "away": ending.attempts > 0 and any(s["action"] != "erase_credential" for s in waiting),
        "hooks_left": sum(step["action"] == "remove_webhook" for step in waiting),
        "now": timezone.now(),
    }
    return TemplateResponse(request, "bindings/receipt.html", context)


def _ending(binding: Binding) -> Ending:
    ending = (
        Ending.objects.of(binding.tenant_id)
        .select_related("binding__instance", "binding__host")
        .filter(pk=binding.pk)
        .first()
    )
    if ending is None:
        raise NotYours
    return ending


def _congratulate(request: Request, binding: Binding) -> None:
    kept = timezone.now() + ending_service.RECEIPT_FOR
    said = _("%(login)s on %(platform)s is unbound. Trigger settings are kept until %(date)s.") % {
        "login": binding.account_login,
        "platform": LABELS[binding.provider],
        "date": words.day(kept.date()),
    }
    messages.success(request, said)
