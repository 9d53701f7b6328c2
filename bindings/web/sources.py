"""Code sources: the main page, one row per platform. It shows what the database knows."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from bindings.models import Binding
from bindings.services.keep import checks
from bindings.web import board, rows, shown
from portal.ground import turns
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import Instance

READ = "bindings:read"
_QUIET = "quiet"  # session key: public id → until when its banner is hidden, in Unix seconds
_QUIET_FOR = timedelta(days=1)


@require_GET
def table(request: Request, tenant: str, name: str) -> HttpResponse:
    """Seven rows, four numbers, the most urgent thing, what happened lately."""
    now, actor = timezone.now(), request.actor
    found = board.of_instance(actor, name, READ, now)
    context = {
        "section": "instances",
        "tab": "sources",
        "crumbs": crumbs(tenant, found.instance),
        "instance": found.instance,
        "rows": rows.rows(actor, found, now),
        "numbers": rows.numbers(found, now),
        "banner": rows.banner(actor, found, now, _quiet(request)),
        "lanes": rows.lanes(found.live, now),
        "feed": found.lately,
        "first_run": not found.live,
        "may_bind": actor.may(shown.WRITE),
        "may_check": bool(found.live) and actor.may(shown.CHECK),
        "polls": found.polls,
        "off_region": "" if found.in_region else found.instance.region,
        "now": now,
    }
    if not found.live and not actor.may(shown.WRITE):
        context["admins"] = access.who_has(request.tenant, "admin")
    response = TemplateResponse(request, "sources/sources.html", context)
    # Its rows open the window that leads to a consent page.
    turns.forms_may_lead_to(response, found.consent_pages)
    return response


@require_POST
def check_all(request: Request, tenant: str, name: str) -> HttpResponse:
    """Begin a check of every binding of the instance; once a minute."""
    instance = access.get_instance(request.actor, name, shown.CHECK)
    try:
        begun = checks.start_all(actor=request.actor, instance=instance)
    except Refusal as refused:
        messages.warning(request, _too_soon(int(refused.retry_after or 0)))
    else:
        said = ngettext("Checking %(n)d account…", "Checking %(n)d accounts…", begun)
        messages.info(request, said % {"n": begun})
    return redirect("sources", tenant, name)


@require_POST
def later(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Leave a banner alone for a day, in this browser."""
    live = Binding.objects.filter(unbound_at=None).select_related("instance")
    binding = access.get(request.actor, live, public_id, READ)
    until = (timezone.now() + _QUIET_FOR).timestamp()
    quiet = {key: end for key, end in _told(request).items() if key in _quiet(request)}
    request.session[_QUIET] = quiet | {public_id: until}
    return redirect("sources", tenant, binding.instance.name)


def crumbs(tenant: str, instance: Instance, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """The path to a page of an instance."""
    sources = f"/t/{tenant}/instances/{instance.name}/sources/"
    head = [(_("Instances"), f"/t/{tenant}/instances/"), (instance.name, sources)]
    return [*head, *more] if more else [*head, (_("Code sources"), "")]


def _told(request: Request) -> dict[str, float]:
    told: dict[str, float] = request.session.get(_QUIET, {})
    return told


def _quiet(request: Request) -> set[str]:
    now = timezone.now().timestamp()
    return {key for key, end in _told(request).items() if end > now}


def _too_soon(wait: int) -> str:
    said = _("Checked %(n)d seconds ago. Try again in %(m)d s.")
    return said % {"n": max(checks.ALL_AGAIN_AFTER - wait, 0), "m": wait}
