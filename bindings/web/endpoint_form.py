"""Making and changing an endpoint; its secret is shown once, in the answer that made it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from bindings.models import Endpoint
from bindings.services.tell import endpoints as service
from bindings.web import sending
from bindings.web.endpoints import WRITE, find, frame, waiting_for
from bindings.web.forms import posted
from bindings.web.using_forms import EndpointForm
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import Instance
from portal.tenants.signin import recent_sign_in


@require_http_methods(["GET", "POST"])
@recent_sign_in
@reaches_provider
@sensitive_variables("secret")
def new(request: Request, tenant: str) -> HttpResponse:
    """The form; after it the secret, in this one answer and never again."""
    access.demand(request.actor, WRITE)
    open_now = _instances(request)
    first = {"kinds": [family for family, _label in sending.TYPES]}
    form = EndpointForm(posted(request), kinds=sending.TYPES, instances=open_now, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = service.create(actor=request.actor, **form.asked())
        except Refusal as refused:
            form.refuse(refused)
        else:
            return _shown(request, made, secret)
    context = {**frame(request), "form": form}
    context["crumbs"] = [*_above(request), (_("New endpoint"), "")]
    status = 422 if form.errors else 200
    return TemplateResponse(request, "endpoints/new.html", context, status=status)


@require_http_methods(["GET", "POST"])
@recent_sign_in
@reaches_provider
def change(request: Request, tenant: str, endpoint: str) -> HttpResponse:
    """Name, address, and what it hears of."""
    found = find(request, endpoint, WRITE)
    open_now = _instances(request)
    form = EndpointForm(
        posted(request),
        kinds=_kinds(found),
        instances=open_now,
        initial={
            "name": found.name,
            "url": found.url,
            "kinds": found.kinds,
            "instances": [i.public_id for i in open_now if i.pk in (found.instances or ())],
        },
    )
    if request.method == "POST" and form.is_valid():
        try:
            service.change(actor=request.actor, endpoint=found, changes=form.asked())
        except Refusal as refused:
            form.refuse(refused)
        else:
            messages.success(request, _("Saved."))
            return redirect("endpoint", tenant, endpoint)
    context = {**_frame(request, found), "form": form, "endpoint": found}
    status = 422 if form.errors else 200
    return TemplateResponse(request, "endpoints/new.html", context, status=status)


@require_http_methods(["GET", "POST"])
@recent_sign_in
@sensitive_variables("secret")
def secret(request: Request, tenant: str, endpoint: str) -> HttpResponse:
    """A new secret; the old one signs as well for a day."""
    found = find(request, endpoint, WRITE)
    if request.method == "POST":
        made, until = service.new_secret(actor=request.actor, endpoint=found)
        return _shown(request, found, made, until)
    context = {**_frame(request, found), "endpoint": found}
    return TemplateResponse(request, "endpoints/secret.html", context)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def delete(request: Request, tenant: str, endpoint: str) -> HttpResponse:
    """Asks once; what waits for it is dropped."""
    found = find(request, endpoint, WRITE)
    if request.method == "POST":
        service.delete(actor=request.actor, endpoint=found)
        messages.success(request, _("The endpoint %(name)s was deleted.") % {"name": found.name})
        return redirect("endpoints", tenant)
    context = {**_frame(request, found), "endpoint": found, "waiting": waiting_for(request, found)}
    return TemplateResponse(request, "endpoints/delete.html", context)


def _shown(request: Request, endpoint: Endpoint, secret: str, until: Any = None) -> HttpResponse:
    context = {**_frame(request, endpoint), "endpoint": endpoint, "secret": secret, "until": until}
    return TemplateResponse(request, "endpoints/made.html", context)


def _frame(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    where = reverse("endpoint", args=[request.tenant.slug, endpoint.public_id])
    return {**frame(request, endpoint), "back_url": where}


def _above(request: Request) -> list[tuple[str, str]]:
    return [(_("Endpoints"), reverse("endpoints", args=[request.tenant.slug]))]


def _instances(request: Request) -> list[Instance]:
    with rls.tenant(request.tenant.pk):
        rows = Instance.objects.of(request.tenant).filter(closed_at=None)
        return list(rows.order_by("name"))


def _kinds(endpoint: Endpoint) -> list[tuple[str, Any]]:
    """The families, and what else it already asks for by name."""
    known = {family for family, _label in sending.TYPES}
    return [*sending.TYPES, *((kind, kind) for kind in endpoint.kinds if kind not in known)]
