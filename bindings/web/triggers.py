"""Triggers of an instance: the list, making one, changing it, deleting it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bindings.models import Firing, Trigger
from bindings.services.listen import triggers as service
from bindings.web import building
from bindings.web.building import READ, RUN, WRITE
from bindings.web.forms import posted
from bindings.web.heard import short_ref
from bindings.web.known import paths
from bindings.web.using_forms import TriggerForm
from portal.ground import ids, rls
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import Instance

_PAGE = 100
_BUILDS = 10


@require_GET
def listing(request: Request, tenant: str, name: str) -> HttpResponse:
    """The triggers of an instance, by name."""
    instance = access.get_instance(request.actor, name, READ)
    after = request.GET.get("after", "")
    rows = building.of(instance).order_by("name")
    if after:
        rows = rows.filter(name__gt=after)
    found = list(rows[: _PAGE + 1])
    shown = found[:_PAGE]
    context = {
        **building.frame(tenant, instance),
        "tab": "triggers",
        "rows": [building.row(one) for one in shown],
        "after": after,
        "more": shown[-1].name if len(found) > _PAGE else "",
        "bound": bool(building.live(instance)),
        "may_change": request.actor.may(WRITE),
        "may_run": request.actor.may(RUN),
    }
    return TemplateResponse(request, "triggers/list.html", context)


@require_http_methods(["GET", "POST"])
@reaches_provider
def new(request: Request, tenant: str, name: str) -> HttpResponse:
    """Make a trigger; one that is automatic gets its webhook at once."""
    instance = access.get_instance(request.actor, name, WRITE)
    with rls.tenant(instance.tenant_id):
        bound, endpoints = building.live(instance), building.endpoints(instance)
    form = TriggerForm(
        posted(request),
        bindings=bound,
        endpoints=endpoints,
        paths=paths(instance.tenant_id, bound),
        initial={"binding": request.GET.get("binding", ""), "repository": _asked_for(request)},
    )
    previews = "preview" in request.POST
    if request.method == "POST" and not previews and form.is_valid():
        chosen = next(b for b in bound if b.public_id == form.cleaned_data["binding"])
        try:
            made = service.create(
                actor=request.actor,
                instance=instance,
                binding=chosen,
                repository=form.cleaned_data["repository"],
                **form.asked(),
            )
        except Refusal as refused:
            form.refuse(refused)
        else:
            messages.success(request, _("The trigger %(name)s was made.") % {"name": made.name})
            return redirect("trigger", tenant, name, made.public_id)
    context = {
        **building.frame(tenant, instance, (_("New trigger"), "")),
        "form": form,
        "bound": bound,
        "matches": building.matches(request, bound) if previews else None,
    }
    status = 422 if form.errors and not previews else 200
    return TemplateResponse(request, "triggers/new.html", context, status=status)


@require_GET
def page(request: Request, tenant: str, name: str, trigger: str) -> HttpResponse:
    """One trigger: how it is, what it built lately, and its settings."""
    instance, found = _find(request, name, trigger, READ)
    form = _settings(request, found, building.endpoints(instance))
    return TemplateResponse(request, "triggers/page.html", _page(request, instance, found, form))


@require_POST
@reaches_provider
def change(request: Request, tenant: str, name: str, trigger: str) -> HttpResponse:
    """Change its settings, or show what its patterns would match; one that becomes automatic gets
    its webhook."""
    instance, found = _find(request, name, trigger, WRITE)
    with rls.tenant(instance.tenant_id):
        form = _settings(request, found, building.endpoints(instance))
    previews = "preview" in request.POST
    if not previews and form.is_valid():
        try:
            service.change(actor=request.actor, trigger=found, **form.asked())
        except Refusal as refused:
            form.refuse(refused)
        else:
            messages.success(request, _("Saved."))
            return redirect("trigger", tenant, name, trigger)
    with rls.tenant(instance.tenant_id):
        context = _page(request, instance, found, form)
    if previews:
        context["matches"] = building.matches(request, [], found)
    status = 422 if form.errors and not previews else 200
    return TemplateResponse(request, "triggers/page.html", context, status=status)


@require_http_methods(["GET", "POST"])
@reaches_provider
def delete(request: Request, tenant: str, name: str, trigger: str) -> HttpResponse:
    """Asks once; its webhook stays."""
    instance, found = _find(request, name, trigger, WRITE)
    if request.method == "POST":
        service.delete(actor=request.actor, trigger=found)
        messages.success(request, _("The trigger %(name)s was deleted.") % {"name": found.name})
        return redirect("triggers", tenant, name)
    context = {
        **building.frame(tenant, instance, (found.name, "")),
        "trigger": found,
        "back_url": reverse("trigger", args=[tenant, name, trigger]),
    }
    return TemplateResponse(request, "triggers/delete.html", context)


def _find(request: Request, name: str, trigger: str, scope: str) -> tuple[Instance, Trigger]:
    instance = access.get_instance(request.actor, name, scope)
    return instance, access.get(request.actor, building.of(instance), trigger, scope)


def _page(
    request: Request, instance: Instance, trigger: Trigger, form: TriggerForm
) -> dict[str, Any]:
    """The context of the page of a trigger. Needs the tenant's scope."""
    tenant = request.tenant.slug
    return {
        **building.frame(tenant, instance, (trigger.name, "")),
        **building.row(trigger),
        "tab": "triggers",
        "form": form,
        "builds": _builds(tenant, trigger),
        "may_change": request.actor.may(WRITE),
        "may_run": request.actor.may(RUN),
    }


def _settings(request: Request, trigger: Trigger, endpoints: list[Any]) -> TriggerForm:
    """The form of a trigger that exists, as it is stored."""
    chosen = set(trigger.endpoints or ())
    return TriggerForm(
        posted(request),
        endpoints=endpoints,
        initial={
            "name": trigger.name,
            "mode": trigger.mode,
            "branches": "\n".join(trigger.branches),
            "tags": "\n".join(trigger.tags),
            "variables": "\n".join(f"{key}={text}" for key, text in trigger.variables.items()),
            "endpoints": [one.public_id for one in endpoints if one.pk in chosen],
            "enabled": trigger.enabled,
        },
    )


def _builds(tenant: str, trigger: Trigger) -> list[dict[str, Any]]:
    """What it asked for lately, with the delivery that brought it."""
    rows = Firing.objects.of(trigger.tenant_id).filter(trigger=trigger).order_by("-id")
    names = ("ref", "sha", "manual", "created_at", "delivery_id", "delivery__hook__binding_id")
    return [_build(tenant, *row) for row in rows.values_list(*names)[:_BUILDS]]


def _build(
    tenant: str,
    ref: str,
    sha: str,
    manual: bool,
    at: datetime,
    delivery: UUID | None,
    binding: UUID | None,
) -> dict[str, Any]:
    url = ""
    if delivery is not None and binding is not None:
        here = [tenant, ids.public("bnd", binding), ids.public("dlv", delivery)]
        url = reverse("delivery", args=here)
    return {"ref": short_ref(ref), "sha": sha, "manual": manual, "at": at, "url": url}


def _asked_for(request: Request) -> str:
    return request.GET.get("repository", "")[:1000]
