"""Expiry: everything of a tenant that ends, by the day it stops working; as plot, list and CSV."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from bindings import problems
from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.browse import people
from bindings.services.browse.specs import LABELS, ORDER
from bindings.services.tell import impact
from bindings.web import rows, shown
from bindings.web.cells import plain
from bindings.web.sources import READ
from portal.ground import ids, turns
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import Instance

WITHIN = (30, 90, 365)
_MOST = 500  # rows of one page
_LANES = 40


@require_GET
def page(request: Request, tenant: str) -> HttpResponse:
    """What has ended, what ends within the chosen days, and what renews itself."""
    access.demand(request.actor, READ)
    wanted, now = _wanted(request), timezone.now()
    live = list(_live(request, wanted)[:_MOST])
    dated = [binding for binding in live if shown.days_left(binding, now) is not None]
    over = [binding for binding in live if shown.has_ended(binding)]
    ending = over + [b for b in dated if b not in over and _within(b, wanted["days"], now)]
    lanes = [lane for lane in (_lane(binding, now) for binding in live) if lane is not None]
    context = {
        "section": "expiry",
        "crumbs": [(_("Expiry"), "")],
        "wanted": wanted,
        "choices": WITHIN,
        "providers": [(slug, LABELS[slug]) for slug in ORDER],
        "instances": Instance.objects.of(request.tenant).filter(closed_at=None).order_by("name"),
        "rows": [_row(request, binding, now) for binding in ending],
        "numbers": _numbers(live, dated, over, now),
        "lanes": sorted(lanes, key=rows.by_end)[:_LANES],
        "unknown": sum(b.quality == "unknown" and not b.renews for b in live),
        "query": request.GET.urlencode(),
        "now": now,
    }
    response = TemplateResponse(request, "bindings/expiry.html", context)
    # Its Reconnect buttons lead there.
    pages = {page for b in ending if b.kind == Kind.OAUTH for page in shown.consent_pages(b.host)}
    turns.forms_may_lead_to(response, sorted(pages))
    return response


@require_GET
def download(request: Request, tenant: str) -> HttpResponse:
    """The same as comma-separated values, with what has no end at its end."""
    access.demand(request.actor, READ)
    wanted, now = _wanted(request), timezone.now()
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="expiry.csv"'
    file = csv.writer(response)
    file.writerow(["binding", "instance", "platform", "account", "state", "ends_at", "quality"])
    for binding in _live(request, wanted).iterator(chunk_size=_MOST):
        left = shown.days_left(binding, now)
        if left is None or left <= wanted["days"] or shown.has_ended(binding):
            file.writerow(plain(value) for value in _columns(binding))
    return response


def _wanted(request: Request) -> dict[str, Any]:
    days = request.GET.get("days", "")
    return {
        "days": int(days) if days in {str(n) for n in WITHIN} else 90,
        "instance": request.GET.get("instance", ""),
        "provider": request.GET.get("provider", ""),
        "mine": request.GET.get("mine") == "1",
        "left": request.GET.get("left") == "1",
    }


def _live(request: Request, wanted: dict[str, Any]) -> QuerySet[Binding]:
    found = access.visible(request.actor, Binding.objects.filter(unbound_at=None))
    chosen = Q()
    if wanted["instance"]:
        chosen &= Q(instance_id=ids.key(Instance.PREFIX, wanted["instance"]))
    if wanted["provider"]:
        chosen &= Q(provider=wanted["provider"])
    if wanted["mine"]:
        chosen &= Q(bound_by=request.actor.person)
    if wanted["left"]:
        chosen &= Q(bound_by__isnull=False) & ~Q(people.stays())
    rows_ = found.filter(chosen).select_related("host", "instance")
    return rows_.order_by("expires_at", "id")


def _within(binding: Binding, days: int, now: datetime) -> bool:
    left = shown.days_left(binding, now)
    return left is not None and left <= days


def _lane(binding: Binding, now: datetime) -> Any:
    name = f"{LABELS[binding.provider]} · {binding.account_login}"
    return rows.lane(binding, name, now, binding.instance.name)


def _row(request: Request, binding: Binding, now: datetime) -> dict[str, Any]:
    return {
        "binding": binding,
        "mono": problems.prefix_of(binding.provider),
        "platform": LABELS[binding.provider],
        "title": f"{LABELS[binding.provider]} {binding.account_login}",
        "state": binding.state.value,
        "days": shown.days_left(binding, now),
        "severe": shown.severe(binding),
        "end": shown.end_of(binding, now),
        "stops": str(impact.Stops(binding.repositories_seen)),
        "action": shown.button(request.actor, binding),
    }


def _numbers(
    live: list[Binding], dated: list[Binding], over: list[Binding], now: datetime
) -> dict[str, int]:
    left = [(b.expires_at or now) - now for b in dated if b not in over]
    return {
        "ended": len(over) + sum(one <= timedelta() for one in left),
        "week": sum(timedelta() < one <= timedelta(days=7) for one in left),
        "month": sum(timedelta() < one <= timedelta(days=30) for one in left),
        "renews": sum(b.renews for b in live),
        "all": len(live),
    }


def _columns(binding: Binding) -> list[str]:
    return [
        binding.public_id,
        binding.instance.name,
        LABELS[binding.provider],
        binding.account_login,
        binding.state.value,
        binding.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ") if binding.expires_at else "",
        "renews" if binding.renews else binding.quality,
    ]
