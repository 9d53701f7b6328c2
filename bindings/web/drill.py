"""Fire drills of one binding: begin one, end it, read what reacted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bindings.models import Binding, Drill
from bindings.services.keep import drills
from bindings.services.keep.rehearsal import SCENARIOS, Scenario
from bindings.web import shown
from bindings.web.binding import find, head
from bindings.web.sources import READ
from portal.ground import refusals
from portal.ground.refusals import NotYours, Refusal
from portal.templatetags import words
from portal.tenants.middleware import Request

_END = "end"


@require_http_methods(["GET", "POST"])
def page(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Here for bindings on the sandbox, and where an operator has held a drill."""
    posted = request.method == "POST"
    binding = find(request.actor, public_id, shown.WRITE if posted else READ)
    held, here = drills.of_binding(binding), drills.on_sandbox(binding.host)
    if binding.unbound_at is not None or not (here or held):
        raise NotYours
    if posted:
        _act(request, binding)
        return redirect("drill", tenant, public_id)
    now = timezone.now()
    context = {
        **head(request, binding, now),
        "tab": "drill",
        "held": [report_of(drill) for drill in held],
        "scenarios": [(one.value, SCENARIOS[one]) for one in drills.scenarios_for(binding)],
        "may_begin": here and request.actor.may(shown.WRITE) and not binding.drill,
    }
    return TemplateResponse(request, "bindings/drill.html", context)


def report_of(drill: Drill) -> dict[str, Any]:
    """A drill as pages show it."""
    report = drill.report
    return {
        "scenario": SCENARIOS[Scenario(drill.scenario)],
        "by": drill.by.get("name", ""),
        "begun_at": drill.begun_at,
        "until": drill.until,
        "ended_at": drill.ended_at,
        "states": [words.pill(word) for word in report.get("states", ()) if word],
        "checks": len(report.get("checks", ())),
        "events": [
            {"type": event["type"], "at": _moment(event["at"])}
            for event in report.get("events", ())
        ],
        "notices": len(report.get("notices", ())),
        "as_before": report.get("as_before"),
    }


def _moment(text: str) -> datetime | None:
    return parse_datetime(text)


def _act(request: Request, binding: Binding) -> None:
    wanted = request.POST.get("scenario", "")
    if wanted == _END:
        if drills.end(actor=request.actor, binding=binding) is not None:
            messages.success(request, _("The drill has ended. Everything is as before."))
        return
    if wanted not in set(Scenario):
        messages.error(request, refusals.words("X-FORM-01", {}).detail)
        return
    try:
        drills.start(actor=request.actor, binding=binding, scenario=Scenario(wanted))
    except NotYours:
        raise
    except Refusal as refused:
        messages.warning(request, refusals.words(refused.code, refused.facts).detail)
    else:
        messages.success(request, _("The drill has begun. The next check shows it."))
