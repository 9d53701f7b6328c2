"""The webhooks of a binding: what is at the platform, how it is, and mending it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bindings.models import Binding, Hook
from bindings.models.hooks import HookStatus
from bindings.services.browse.specs import LABELS, spec_of
from bindings.services.listen import gaps
from bindings.services.listen import hooks as service
from bindings.services.tell import webhooks
from bindings.web import deliveries, heard
from bindings.web.binding import find, frame, head
from bindings.web.deliveries import trail
from bindings.web.forms import posted
from bindings.web.known import paths
from bindings.web.using_forms import HookForm
from portal.ground import refusals
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.middleware import Request, reaches_provider

READ = "webhooks:read"
WRITE = "webhooks:write"
_PAGE = 100


@require_GET
def listing(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Every webhook of ours at this account's repositories, by path."""
    binding = find(request.actor, public_id, READ)
    now, platform = timezone.now(), LABELS[binding.provider]
    wanted, after = request.GET.get("q", "").strip()[:100], request.GET.get("after", "")
    rows = _of(binding).order_by("repository__path", "id")
    if wanted:
        rows = rows.filter(repository__path__icontains=wanted)
    if after:
        rows = rows.filter(repository__path__gt=after)
    found = list(rows[: _PAGE + 1])
    shown = found[:_PAGE]
    context = {
        **head(request, binding, now, (_("Webhooks"), "")),
        "tab": "webhooks",
        "rows": [heard.hook_row(hook, platform) for hook in shown],
        "q": wanted,
        "after": after,
        "more": shown[-1].repository.path if len(found) > _PAGE else "",
        "may_change": may_change(request.actor, binding),
    }
    return TemplateResponse(request, "bindings/hooks.html", context)


@require_GET
def page(request: Request, tenant: str, public_id: str, hook: str) -> HttpResponse:
    """One webhook, and what it brought in the last 30 days."""
    binding, found = find_hook(request.actor, public_id, hook, READ)
    access.demand(request.actor, "deliveries:read")
    now = timezone.now()
    context = {
        **head(request, binding, now, trail(binding), (found.repository.path, "")),
        **deliveries.table(request, binding, hook=found),
        **heard.hook_row(found, LABELS[binding.provider]),
        "tab": "webhooks",
        "may_change": may_change(request.actor, binding),
        "address": webhooks.url_of(found),
    }
    return TemplateResponse(request, "bindings/hook.html", context)


@require_http_methods(["GET", "POST"])
@reaches_provider
def new(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Turn on automatic builds for one repository: its webhook is added at the platform."""
    binding = find(request.actor, public_id, WRITE)
    form = HookForm(posted(request), paths=paths(binding.tenant_id, [binding]))
    if request.method == "POST" and form.is_valid():
        try:
            made, fresh = service.add(
                actor=request.actor, binding=binding, repository=form.cleaned_data["repository"]
            )
        except Refusal as refused:
            form.add_error("repository", refusals.words(refused.code, refused.facts).detail)
        else:
            said = _("The webhook was added.") if fresh else _("This webhook was there already.")
            messages.success(request, said)
            return redirect("hook", tenant, public_id, made.public_id)
    spec = spec_of(binding.provider)
    context = {
        **frame(tenant, binding),
        "back_url": reverse("hooks", args=[tenant, public_id]),
        "form": form,
        "role_needed": spec.hook_role if spec else "",
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "bindings/hook_new.html", context, status=status)


@require_http_methods(["GET", "POST"])
@reaches_provider
def remove(request: Request, tenant: str, public_id: str, hook: str) -> HttpResponse:
    """Asks once; then it is removed at the platform, if need be in the background."""
    binding, found = find_hook(request.actor, public_id, hook, WRITE)
    if request.method == "POST":
        service.remove(actor=request.actor, hook=found)
        said = _("The webhook of %(path)s is being removed.")
        messages.success(request, said % {"path": found.repository.path})
        return redirect("hooks", tenant, public_id)
    context = {
        **frame(tenant, binding),
        "back_url": reverse("hook", args=[tenant, public_id, hook]),
        "hook": found,
    }
    return TemplateResponse(request, "bindings/hook_remove.html", context)


@require_POST
@reaches_provider
def test(request: Request, tenant: str, public_id: str, hook: str) -> HttpResponse:
    """Ask the platform to send a test event."""
    return _pressed(request, public_id, hook, _test)


@require_POST
@reaches_provider
def repair(request: Request, tenant: str, public_id: str, hook: str) -> HttpResponse:
    """Put it right at the platform, with a new secret."""
    return _pressed(request, public_id, hook, _repair)


@require_POST
@reaches_provider
def recover(request: Request, tenant: str, public_id: str, hook: str) -> HttpResponse:
    """Look for pushes that never arrived, and send what was missed."""
    return _pressed(request, public_id, hook, _recover)


def find_hook(actor: Actor, public_id: str, hook: str, scope: str) -> tuple[Binding, Hook]:
    """A binding with one of its webhooks."""
    binding = find(actor, public_id, scope)
    found = access.get(actor, _of(binding), hook, scope)
    found.binding = binding
    return binding, found


def may_change(actor: Actor, binding: Binding) -> bool:
    """May this person change webhooks of a binding that still lives?"""
    return actor.may(WRITE) and binding.unbound_at is None


def _of(binding: Binding) -> QuerySet[Hook]:
    rows = Hook.objects.of(binding.tenant_id).filter(binding_id=binding.pk)
    return (
        rows.exclude(status=HookStatus.REMOVED)
        .select_related("repository")
        .defer("secret", "previous_secret")
    )


def _pressed(
    request: Request, public_id: str, hook: str, act: Callable[[Actor, Hook], str]
) -> HttpResponse:
    """Do it, say what came of it, and lead back to where the button was."""
    _binding, found = find_hook(request.actor, public_id, hook, WRITE)
    try:
        messages.success(request, act(request.actor, found))
    except NotYours:
        raise
    except Refusal as refused:
        messages.error(request, refusals.words(refused.code, refused.facts).detail)
    return redirect("hook", request.tenant.slug, public_id, hook)


def _test(actor: Actor, hook: Hook) -> str:
    service.test(actor=actor, hook=hook)
    return _("A test event is on its way. It appears below.")


def _repair(actor: Actor, hook: Hook) -> str:
    service.repair(actor=actor, hook=hook)
    return _("The webhook is in place again, with a new secret.")


def _recover(actor: Actor, hook: Hook) -> str:
    n = gaps.recover(hook=hook, actor=actor)
    if not n:
        return _("Nothing was missed.")
    said = ngettext("%(n)d missed push found and sent.", "%(n)d missed pushes found and sent.", n)
    return said % {"n": n}
