"""Rotate a personal token: now, or from now on by itself before it ends."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bindings.models import Binding
from bindings.services.bind import change
from bindings.services.browse.specs import LABELS
from bindings.services.keep import renewing
from bindings.web import shown
from bindings.web.binding import find, frame
from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.signin import recent_sign_in


@require_http_methods(["GET", "POST"])
@reaches_provider
@recent_sign_in
@never_cache
def page(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Ask whether the old token may end, and rotate; or keep the owner's word for later."""
    binding = find(request.actor, public_id, shown.WRITE)
    if not renewing.can_renew(binding):
        raise Refusal("X-STATE-02")
    if "auto" in request.POST:
        return _by_itself(request, binding, wanted=request.POST["auto"] == "on")
    refused = None
    if request.method == "POST":
        try:
            renewing.renew(actor=request.actor, binding=binding)
        except Refusal as told:
            refused = told
        else:
            done = _("%(platform)s has made a new token. Nothing else changed.")
            messages.success(request, done % {"platform": LABELS[binding.provider]})
            return redirect("binding", tenant, public_id)
    context = {
        **frame(tenant, binding),
        "code": refused.code if refused else "",
        "words": refusals.words(refused.code, refused.facts) if refused else None,
    }
    status = 422 if refused else 200
    return TemplateResponse(request, "bindings/rotate.html", context, status=status)


def _by_itself(request: Request, binding: Binding, *, wanted: bool) -> HttpResponse:
    change.change(actor=request.actor, binding=binding, changes={"auto_rotate": wanted})
    if wanted:
        messages.success(request, _("We renew this token for you before it ends."))
    else:
        messages.success(request, _("This token is no longer renewed by itself."))
    return redirect("binding", request.tenant.slug, binding.public_id)
