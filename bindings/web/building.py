"""What the pages of triggers share: finding and showing them, what matches now, builds by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

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
from bindings.models import Binding, Endpoint, Hook, Trigger
from bindings.models.hooks import HookStatus
from bindings.services.browse import refs
from bindings.services.browse.specs import LABELS
from bindings.services.listen import triggers as service
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
KEPT = timedelta(days=30)
STATUSES: Mapping[str, Pill] = {
    "active": Pill(gettext_lazy("Active"), "ok", "ok"),
    "disabled": Pill(gettext_lazy("Disabled"), "", "off"),
    "waiting": Pill(gettext_lazy("Nothing bound"), "info", "clock"),
    "webhook_failing": Pill(gettext_lazy("Webhook failing"), "bad", "bad"),
    "manual_only": Pill(gettext_lazy("Manual"), "", "user"),
}
Live = Mapping[UUID, Binding]
"""The live bindings of an instance, by their host."""


@require_http_methods(["GET", "POST"])
@reaches_provider
def run(request: Request, tenant: str, name: str, trigger: str) -> HttpResponse:
    """Start a build by hand, of any branch or tag."""
    instance = access.get_instance(request.actor, name, RUN)
    found = access.get(request.actor, of(instance), trigger, RUN)
    back = reverse("trigger", args=[tenant, name, trigger])
    offered, said = ([], "") if request.method == "POST" else _refs(found, _binding(found))
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
    context = {"matches": matches(request, instance, bound, found)}
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
    rows_ = Trigger.objects.of(instance.tenant_id).filter(instance_id=instance.pk)
    return rows_.select_related("repository__host", "instance")


def live(instance: Instance) -> dict[UUID, Binding]:
    """What is bound to the instance. Needs the tenant's scope."""
    found = Binding.objects.of(instance.tenant_id).filter(instance=instance, unbound_at=None)
    return {one.host_id: one for one in found.select_related("host", "instance")}


def endpoints(instance: Instance) -> list[Endpoint]:
    """Where builds can be sent. Needs the tenant's scope."""
    found = Endpoint.objects.of(instance.tenant_id).order_by("name")
    return list(found.defer("secret", "previous_secret"))


def rows(triggers: Sequence[Trigger], bound: Live) -> list[dict[str, Any]]:
    """Triggers as tables show them, by one question. Needs the tenant's scope."""
    hooks = _hooks(triggers, bound.values())
    return [_row(one, bound.get(one.repository.host_id), hooks) for one in triggers]


def matches(
    request: Request, instance: Instance, bound: Live, trigger: Trigger | None = None
) -> dict[str, Any]:
    """The branches and tags the patterns of a form match now, or why that cannot be said."""
    lines = {name: request.POST.get(name, "").split() for name in ("branches", "tags")}
    if trigger is not None:
        binding = bound.get(trigger.repository.host_id)
        repository = trigger.repository.public_id
    else:
        asked = request.POST.get("binding", "")
        binding = next((one for one in bound.values() if one.public_id == asked), None)
        repository = request.POST.get("repository", "").strip()
    if binding is None or not repository:
        return {"said": _("Choose an account and a repository first.")}
    try:
        found = service.preview(binding=binding, repository=repository, **lines)
    except Refusal as refused:
        return {"said": refusals.words(refused.code, refused.facts).detail}
    return {"refs": [{"name": one.name, "kind": one.kind, "sha": one.sha} for one in found]}


def _row(trigger: Trigger, binding: Binding | None, hooks: Mapping[UUID, Hook]) -> dict[str, Any]:
    status = service.status_of(trigger, binding=binding, hook=hooks.get(trigger.repository_id))
    provider = trigger.repository.host.provider
    return {
        "trigger": trigger,
        "provider": provider,
        "mono": problems.prefix_of(provider),
        "platform": LABELS[provider],
        "binding": binding,
        "hook": hooks.get(trigger.repository_id),
        "pill": STATUSES[status.word],
        "said": _said(trigger, status),
        "can_run": binding is not None,
    }


def _said(trigger: Trigger, status: Any) -> str:
    """Why it does not start builds by itself, in a sentence (ux/spec.md 5.12)."""
    if status.word == "waiting":
        until = (trigger.waiting_since or timezone.now()) + KEPT
        told = _("Nothing is bound. This trigger is kept until %(date)s.")
        return told % {"date": words.day(until.date())}
    if status.reason:
        return refusals.words(status.reason, {"path": trigger.repository.path}).detail
    return ""


def _hooks(triggers: Iterable[Trigger], bound: Iterable[Binding]) -> dict[UUID, Hook]:
    keys = {one.repository_id for one in triggers}
    bindings = list(bound)
    if not (keys and bindings):
        return {}
    found = Hook.objects.of(bindings[0].tenant_id).filter(binding__in=bindings, repository__in=keys)
    kept = found.exclude(status=HookStatus.REMOVED).defer("secret", "previous_secret")
    return {one.repository_id: one for one in kept}


def _binding(trigger: Trigger) -> Binding | None:
    with rls.tenant(trigger.tenant_id):
        return live(trigger.instance).get(trigger.repository.host_id)


def _refs(trigger: Trigger, binding: Binding | None) -> tuple[list[str], str]:
    """The names that can be built, the default branch first; and why there are none."""
    if binding is None:
        return [], _said(trigger, service.status_of(trigger, binding=None, hook=None))
    key = trigger.repository.public_id
    try:
        branches, _kept = refs.branches(binding=binding, repository=key)
        tags, _kept = refs.tags(binding=binding, repository=key)
    except NotYours:
        raise
    except Refusal as refused:
        return [], refusals.words(refused.code, refused.facts).detail
    return [one.name for one in (*branches, *tags)], ""
