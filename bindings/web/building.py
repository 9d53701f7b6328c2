"""What the pages of triggers share: finding and showing them, what matches now, builds by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from bindings import problems
from bindings.models import Binding, Endpoint, Trigger
from bindings.services.browse import refs
from bindings.services.browse.specs import LABELS
from bindings.services.listen import standings
from bindings.services.listen import triggers as service
from bindings.services.listen.standings import Stand, Standing
from bindings.web import heard
from bindings.web.forms import posted
from bindings.web.heard import short_ref
from bindings.web.sources import crumbs
from bindings.web.using_forms import RunForm
from portal.ground import refusals, rls
from portal.ground.refusals import NotYours, Refusal
from portal.templatetags import words
from portal.templatetags.words import Pill
from portal.tenants import access
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import Instance

READ, WRITE, RUN = "triggers:read", "triggers:write", "triggers:run"
STATUSES: Mapping[Standing, Pill] = {
    Standing.ACTIVE: Pill(gettext_lazy("Active"), "ok", "ok"),
    Standing.DISABLED: Pill(gettext_lazy("Disabled"), "", "off"),
    Standing.WAITING: Pill(gettext_lazy("Nothing bound"), "info", "clock"),
    Standing.WEBHOOK_FAILING: Pill(gettext_lazy("Webhook failing"), "bad", "bad"),
    Standing.MANUAL_ONLY: Pill(gettext_lazy("Manual"), "", "user"),
}


@require_http_methods(["GET", "POST"])
@reaches_provider
def run(request: Request, tenant: str, name: str, trigger: str) -> HttpResponse:
    """Start a build by hand, of any branch or tag."""
    instance = access.get_instance(request.actor, name, RUN)
    found = access.get(request.actor, of(instance), trigger, RUN)
    back = reverse("trigger", args=[tenant, name, trigger])
    offered, said = ([], "") if request.method == "POST" else _refs(found)
    first = {"ref": offered[0] if offered else found.repository.default_branch}
    form = RunForm(posted(request), refs=offered, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            service.run(actor=request.actor, trigger=found, **form.cleaned_data)
        except Refusal as refused:
            form.refuse(refused)
        else:
            told = _("A build of %(ref)s was started.")
            messages.success(request, told % {"ref": short_ref(form.cleaned_data["ref"])})
            return redirect(back)
    context = {
        **frame(tenant, instance, (found.name, back), (_("Run now"), "")),
        "trigger": found,
        "back_url": back,
        "form": form,
        "said": said,
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "triggers/run.html", context, status=status)


@require_POST
@reaches_provider
def preview(request: Request, tenant: str, name: str) -> HttpResponse:
    """The part of a form that says what its patterns match now."""
    instance = access.get_instance(request.actor, name, WRITE)
    with rls.tenant(instance.tenant_id):
        bound = live(instance)
    found = None
    if request.POST.get("trigger"):
        found = access.get(request.actor, of(instance), request.POST["trigger"], WRITE)
    context = {"matches": matches(request, bound, found)}
    return TemplateResponse(request, "triggers/matches.html", context)


def frame(tenant: str, instance: Instance, *more: tuple[str, str]) -> dict[str, Any]:
    """The context every page of triggers has."""
    where = reverse("triggers", args=[tenant, instance.name])
    return {
        "section": "instances",
        "crumbs": crumbs(tenant, instance, (_("Triggers"), where), *more),
        "instance": instance,
        "back_url": where,
        "now": timezone.now(),
    }


def of(instance: Instance) -> QuerySet[Trigger]:
    """The triggers of an instance with what pages show of them."""
    found = Trigger.objects.of(instance.tenant_id).filter(instance_id=instance.pk)
    return standings.stood(found).select_related("repository__host", "instance")


def live(instance: Instance) -> list[Binding]:
    """What is bound to the instance. Needs the tenant's scope."""
    found = Binding.objects.of(instance.tenant_id).filter(instance=instance, unbound_at=None)
    return list(found.exclude(status="pending").select_related("host", "instance"))


def endpoints(instance: Instance) -> list[Endpoint]:
    """Where builds can be sent. Needs the tenant's scope."""
    found = Endpoint.objects.of(instance.tenant_id).order_by("name")
    return list(found.defer("secret", "previous_secret"))


def row(trigger: Trigger) -> dict[str, Any]:
    """A trigger of `of` as pages show it."""
    stand, provider = standings.stand_of(trigger), trigger.repository.host.provider
    return {
        "trigger": trigger,
        "provider": provider,
        "mono": problems.prefix_of(provider),
        "platform": LABELS[provider],
        "stand": stand,
        "pill": STATUSES[stand.status],
        "said": _said(trigger, stand),
    }


def matches(
    request: Request, bound: Sequence[Binding], trigger: Trigger | None = None
) -> dict[str, Any]:
    """The branches and tags the patterns of a form match now, or why that cannot be said."""
    typed = {name: request.POST.get(name, "").splitlines() for name in ("branches", "tags")}
    lines = {name: [one.strip() for one in found if one.strip()] for name, found in typed.items()}
    if trigger is not None:
        binding, repository = service.binding_of(trigger), trigger.repository.public_id
    else:
        asked = request.POST.get("binding", "")
        binding = next((one for one in bound if one.public_id == asked), None)
        repository = request.POST.get("repository", "").strip()
    if binding is None or not repository:
        return {"said": _("Choose an account and a repository first.")}
    try:
        found = service.preview(binding=binding, repository=repository, **lines)
    except Refusal as refused:
        return {"said": refusals.words(refused.code, refused.facts).detail}
    return {"refs": [{"name": one.name, "kind": one.kind, "sha": one.commit} for one in found]}


def _said(trigger: Trigger, stand: Stand) -> str:
    """Why it does not start builds by itself, in a sentence (ux/spec.md 5.12)."""
    if stand.status is Standing.WAITING:
        until = stand.until or timezone.now() + standings.KEPT
        told = _("Nothing is bound. This trigger is kept until %(date)s.")
        return told % {"date": words.day(until.date())}
    path, reason = trigger.repository.path, stand.reason or ""
    if "-" in reason:
        return refusals.words(reason, {"path": path}).detail
    if stand.status is Standing.WEBHOOK_FAILING:
        return heard.why(reason, "", LABELS[trigger.repository.host.provider], path)
    return ""


def _refs(trigger: Trigger) -> tuple[list[str], str]:
    """The names that can be built, the default branch first; and why there are none."""
    binding = service.binding_of(trigger)
    if binding is None:
        return [], _said(trigger, standings.stand_of(trigger))
    key = trigger.repository.public_id
    try:
        branches, _kept = refs.branches(binding=binding, repository=key)
        tags, _kept = refs.tags(binding=binding, repository=key)
    except NotYours:
        raise
    except Refusal as refused:
        return [], refusals.words(refused.code, refused.facts).detail
    return [one.name for one in (*branches, *tags)], ""
