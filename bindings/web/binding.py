"""One binding: how it is, what it can do, what happened to it, and checking it now."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import F
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bindings import problems
from bindings.models import Binding, Check, HealthDay
from bindings.models.bindings import Kind
from bindings.services.bind import switch
from bindings.services.bind.switch import Waiting
from bindings.services.browse import people
from bindings.services.browse.specs import LABELS
from bindings.services.keep import checks, drills
from bindings.web import feed, log, shown, used
from bindings.web.board import POLL_FOR
from bindings.web.sources import READ, crumbs
from portal.ground import refusals, rls, turns
from portal.ground.refusals import Refusal
from portal.templatetags import words
from portal.templatetags.charts import HealthDay as Bar
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.middleware import Request, reaches_provider
from portal.tenants.models import Event

STRIP_DAYS = 30
_SHOWN = ("fingerprint", "token_id", "token_name", "scopes", "replaced_at", "rollback_until")
_CARD = {name: F(f"credential__{name}") for name in _SHOWN}
"""What may be shown of a credential: never a secret."""
_LOOK_SECONDS = 0.25


@require_GET
def overview(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Both axes, what it can do, the credential card, the last ladder."""
    binding = find(request.actor, public_id, READ)
    if binding.unbound_at is not None:
        return redirect("receipt", tenant, public_id)
    now = timezone.now()
    part = request.headers.get("HX-Request") == "true"
    found = used.by(binding, now, **_CARD)
    context = {
        **head(request, binding, now),
        **_checks(binding, now),
        "tab": "overview",
        "credential": found if found["fingerprint"] else None,
        "status": words.CREDENTIALS[binding.status],
        "reach": words.REACHES[binding.reach],
        "reasons": shown.reasons(binding, now),
        "end": shown.end_of(binding, now),
        "share": shown.share_of(binding, now),
        "tone": shown.tone_of(binding) or "ok",
        "end_tone": shown.end_tone(binding, now),
        "abilities": shown.abilities(binding),
        "feed": feed.of_binding(binding, 6),
        "used": found,
        "waiting": _handed_back(request.actor, binding),
        "part": part,
        **_strip(binding, now.date()),
    }
    context["enough"] = all(one["ok"] for one in context["abilities"])
    template = "bindings/overview_part.html" if part else "bindings/overview.html"
    return _may_leave(TemplateResponse(request, template, context), binding)


@require_GET
def activity(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Who did what to this binding."""
    binding = find(request.actor, public_id, READ)
    now = timezone.now()
    rows = Event.objects.of(binding.tenant_id).filter(binding_id=binding.pk)
    context = {
        **head(request, binding, now),
        **log.table(request, rows, now, about={"binding": binding.public_id}),
        "tab": "activity",
    }
    response = TemplateResponse(request, "bindings/activity.html", context)
    return _may_leave(response, binding)


@require_POST
@reaches_provider
def check(request: Request, tenant: str, public_id: str) -> HttpResponseBase:
    """Begin a check; the page then follows it. A browser without JavaScript waits here a while."""
    binding = find(request.actor, public_id, shown.CHECK)
    try:
        begun = checks.start(actor=request.actor, binding=binding)
    except Refusal as refused:
        messages.warning(request, refusals.words(refused.code, refused.facts).detail)
    else:
        if request.headers.get("HX-Request") != "true":
            _wait_for(begun)
    return turns.to(request, turns.safe_next(request, reverse("binding", args=[tenant, public_id])))


def _handed_back(actor: Actor, binding: Binding) -> Waiting | None:
    """What came back through a hand-off link for this binding, for those who may decide."""
    found = switch.waiting(binding) if actor.may(shown.WRITE) else None
    return found if found is not None and found.attempt.handoff else None


def find(actor: Actor, public_id: str, scope: str, *, own: str = "") -> Binding:
    """The binding of a page, with what pages show of it."""
    rows = Binding.objects.select_related("host", "instance__tenant", "schedule")
    return access.get(
        actor,
        rows.annotate(stays=people.stays(), webhooks=used.webhooks()),
        public_id,
        scope,
        own=own,
    )


def frame(tenant: str, binding: Binding, *more: tuple[str, str]) -> dict[str, Any]:
    """What every page and window of a binding has: path (`more` of it below), platform, way
    back."""
    label = LABELS[binding.provider]
    sources = reverse("sources", args=[tenant, binding.instance.name])
    here = reverse("binding", args=[tenant, binding.public_id]) if more else ""
    trail = ((_("Code sources"), sources), (label, here), *more)
    return {
        "section": "instances",
        "crumbs": crumbs(tenant, binding.instance, *trail),
        "back_url": reverse("binding", args=[tenant, binding.public_id]),
        "binding": binding,
        "instance": binding.instance,
        "platform": label,
        "provider": binding.provider,
        "mono": problems.prefix_of(binding.provider),
    }


def head(
    request: Request, binding: Binding, now: datetime, *more: tuple[str, str]
) -> dict[str, Any]:
    """The context of a page with the binding's head and tabs."""
    actor = request.actor
    return {
        **frame(request.tenant.slug, binding, *more),
        "state": binding.state.value,
        "days": shown.days_left(binding, now),
        "severe": shown.severe(binding),
        "method": shown.method_of(binding),
        "button": shown.button(actor, binding),
        "left": binding.bound_by_id is not None and not vars(binding)["stays"],
        "locked": binding.kind == Kind.PLATFORM,
        "may_check": actor.may(shown.CHECK) and binding.status != "pending",
        "may_unbind": shown.may_unbind(actor, binding),
        "may_switch": shown.may_switch(actor, binding),
        "person": binding.kind != Kind.PLATFORM and not binding.robot,
        "can_rotate": shown.can_rotate(actor, binding),
        "can_replace": binding.kind == Kind.TOKEN and actor.may(shown.WRITE),
        "webhooks": vars(binding)["webhooks"],
        "may_drill": actor.may(shown.WRITE) and drills.on_sandbox(binding.host),
        "drill": shown.drill(binding),
        "can_end_drill": actor.may(shown.WRITE),
        "now": now,
    }


def _may_leave(response: HttpResponse, binding: Binding) -> HttpResponse:
    """Let its Reconnect lead to the platform's consent page."""
    if binding.kind == Kind.OAUTH:
        turns.forms_may_lead_to(response, shown.consent_pages(binding.host))
    return response


def _wait_for(begun: Check) -> None:
    """Until the check has ended, but not longer than a page may take (`product.md` G30)."""
    until = time.monotonic() + settings.MOORING_PAGE_WAITS
    while time.monotonic() < until:
        with rls.tenant(begun.tenant_id):
            rows = Check.objects.of(begun.tenant_id).filter(pk=begun.pk, status="running")
            if not rows.exists():
                return
        time.sleep(_LOOK_SECONDS)


def _checks(binding: Binding, now: datetime) -> dict[str, Any]:
    """The check that runs, if one does, and the last one that was climbed step by step."""
    rows = Check.objects.of(binding.tenant_id).filter(binding=binding).order_by("-started_at")
    latest = list(rows[:5])
    began = next((c.started_at for c in latest if c.status == "running"), None)
    running = began is not None and began > now - checks.RUNNING_FOR
    last = next((c for c in latest if c.steps), None)
    return {
        "last": last,
        "steps": shown.ladder(last),
        "checking": running,
        "polls": began is not None and began > now - POLL_FOR,
    }


def _strip(binding: Binding, today: date) -> dict[str, Any]:
    """Thirty bars: days of trouble are stored, a quiet day is a good one; the worst in words."""
    rows = HealthDay.objects.of(binding.tenant_id).filter(binding=binding)
    known = {row.day: row for row in rows.filter(day__gt=today - timedelta(days=STRIP_DAYS))}
    began = (binding.bound_at or binding.created_at).date()
    days = [today - timedelta(days=back) for back in range(STRIP_DAYS - 1, -1, -1)]
    bars = [_bar(day, known.get(day), began) for day in days]
    worst = max(known.values(), key=lambda row: (row.failures, row.slow), default=None)
    bad = next((bar for bar in bars if worst is not None and bar.on == worst.day), None)
    return {
        "strip": bars,
        "strip_from": words.day(days[0], year=False),
        "worst": f"{words.day(bad.on, year=False)}: {bad.words}" if bad and bad.words else "",
    }


def _bar(day: date, row: HealthDay | None, began: date) -> Bar:
    if day < began:
        return Bar(day, "none")
    if row is None:
        return Bar(day, "ok")
    said = _("%(n)d of %(all)d checks failed") % {"n": row.failures, "all": row.checks}
    return Bar(day, "down" if row.failures else "slow", said if row.failures else _("slow"))
