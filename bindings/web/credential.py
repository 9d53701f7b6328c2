"""The credential of a binding: replacing its token, and stating when it ends."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from bindings import problems
from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.bind import change
from bindings.services.bind import replace as replacing
from bindings.services.browse.specs import LABELS
from bindings.web import shown, token_form
from bindings.web.binding import find, frame
from bindings.web.forms import EndForm, ReplaceForm, posted
from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.signin import recent_sign_in


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("token")
@reaches_provider
@recent_sign_in
@never_cache
def replace(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Paste a new token of the same account; the old one serves until the new one has passed."""
    binding = find(request.actor, public_id, shown.WRITE)
    if binding.kind == Kind.PLATFORM:
        raise Refusal(f"{problems.prefix_of(binding.provider)}-LOCK-01")
    platform = LABELS[binding.provider]
    asks_end = binding.quality in ("stated", "unknown")
    form = ReplaceForm(posted(request), platform=platform, asks_end=asks_end)
    refused = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            replacing.replace_token(
                actor=request.actor,
                binding=binding,
                token=given["token"],
                expires_on=given.get("expires_on"),
                revoke_old=given["revoke_old"],
            )
        except Refusal as told:
            refused = told
        else:
            messages.success(request, _done(platform, revoked=given["revoke_old"]))
            return redirect("binding", tenant, public_id)
    context = {
        **frame(tenant, binding),
        "form": form,
        "guide": token_form.guide(binding.provider, binding.host.base_url, binding.instance),
        **_refused(form, refused, binding),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "bindings/replace.html", context, status=status)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def end_date(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """State when a credential ends, where the platform does not tell."""
    binding = find(request.actor, public_id, shown.WRITE)
    form = EndForm(posted(request), initial={"expires_on": binding.expires_at})
    if request.method == "POST" and form.is_valid():
        try:
            change.change(actor=request.actor, binding=binding, changes=form.cleaned_data)
        except Refusal as refused:
            form.add_error("expires_on", token_form.said(refused))
        else:
            return redirect("sources", tenant, binding.instance.name)
    context = {**frame(tenant, binding), "form": form}
    status = 422 if form.errors else 200
    return TemplateResponse(request, "bindings/end_date.html", context, status=status)


def _refused(form: ReplaceForm, refused: Refusal | None, binding: Binding) -> dict[str, Any]:
    """What failed: in the summary, at the field, and step by step."""
    if refused is None:
        return {}
    words = refusals.words(refused.code, refused.facts)
    form.add_error("token", _at_the_field(refused, words.detail, binding))
    return {
        "code": refused.code,
        "words": words,
        "steps": refused.steps,
        "fix_url": refused.fix_url,
        "about": form["token"].id_for_label,
    }


def _at_the_field(refused: Refusal, otherwise: str, binding: Binding) -> str:
    if not refused.code.endswith("-ACC-01"):
        return otherwise
    said = _(
        "This token belongs to %(new)s; the binding belongs to %(old)s. To change the account,"
        " unbind it first, or switch account."
    )
    return said % {"new": refused.facts.get("new", ""), "old": binding.account_login}


def _done(platform: str, *, revoked: bool) -> str:
    if revoked:
        told = _("New token works. The old one was revoked on %(platform)s.")
        return told % {"platform": platform}
    return _("New token works. Nothing else changed.")
