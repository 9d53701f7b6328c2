"""Instances: the list of a tenant, and making one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from bindings import problems, state
from bindings.models import Binding
from bindings.services.bind import instances
from bindings.services.browse.specs import LABELS, ORDER
from bindings.web import shown, used
from bindings.web.forms import InstanceForm, posted
from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import Instance

MOST = 200


@require_GET
def listing(request: Request, tenant: str) -> HttpResponse:
    """Everybody in the tenant sees its instances; filters stay in the address."""
    access.demand(request.actor, "instances:read")
    wanted = {key: request.GET.get(key, "").strip() for key in ("q", "region", "state")}
    rows = Instance.objects.of(request.tenant).filter(closed_at=None)
    rows = rows.annotate(triggers_n=used.triggers_of_instance())
    if wanted["q"]:
        rows = rows.filter(name__icontains=wanted["q"][:100])
    if wanted["region"]:
        rows = rows.filter(region=wanted["region"])
    found = list(rows.order_by("name")[:MOST])
    bound = _bound(request.tenant.pk, found)
    table = [_row(instance, bound[instance.pk]) for instance in found]
    if wanted["state"]:
        table = [row for row in table if row["state"] == wanted["state"]]
    context = {
        "section": "instances",
        "crumbs": [(_("Instances"), "")],
        "rows": table,
        "wanted": wanted,
        "filtered": any(wanted.values()),
        "regions": settings.MOORING_REGIONS,
        "states": [(s.value, problems.STATES[s]) for s in _FILTERS],
        "may_create": request.actor.may("instances:write"),
        "now": timezone.now(),
    }
    return TemplateResponse(request, "sources/instances.html", context)


_FILTERS = (
    state.State.HEALTHY,
    state.State.EXPIRING,
    state.State.REVOKED,
    state.State.EXPIRED,
    state.State.UNREACHABLE,
    state.State.UNBOUND,
)


@require_http_methods(["GET", "POST"])
def new(request: Request, tenant: str) -> HttpResponse:
    """Make an instance, then go to its code sources."""
    access.demand(request.actor, "instances:write")
    first = settings.MOORING_REGIONS[0] if settings.MOORING_REGIONS else ""
    form = InstanceForm(posted(request), initial={"region": first})
    if request.method == "POST" and form.is_valid():
        try:
            made = instances.open_instance(actor=request.actor, **form.cleaned_data)
        except Refusal as refused:
            form.add_error(refused.field or None, _said(refused))
        else:
            return redirect("sources", tenant, made.name)
    context = {
        "form": form,
        "section": "instances",
        "back_url": f"/t/{tenant}/instances/",
        "crumbs": [(_("Instances"), f"/t/{tenant}/instances/"), (_("New instance"), "")],
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "sources/instance_new.html", context, status=status)


def _said(refused: Refusal) -> str:
    """The page's own sentence, which knows more than the code's (`ux/spec.md` 5.3)."""
    facts = {**refused.facts, **refused.extra}
    if refused.code == "X-NAME-01":
        return _("%(name)s already exists in this tenant. Try %(suggestion)s.") % facts
    if refused.code == "X-LIMIT-01":
        told = _("Your plan allows %(n)s instances. Delete one or ask your operator.")
        return told % facts
    return refusals.words(refused.code, refused.facts).detail


def _bound(tenant_id: UUID, found: Sequence[Instance]) -> dict[UUID, list[Binding]]:
    rows: dict[UUID, list[Binding]] = defaultdict(list)
    live = Binding.objects.of(tenant_id).filter(instance__in=found, unbound_at=None)
    for binding in live:
        rows[binding.instance_id].append(binding)
    return rows


def _row(instance: Instance, live: list[Binding]) -> dict[str, Any]:
    worst = min((b.state for b in live), key=list(state.State).index, default=state.State.UNBOUND)
    ends = [b for b in live if b.expires_at and b.quality in ("exact", "stated") and not b.renews]
    ends.sort(key=lambda b: b.expires_at or timezone.now())
    by_slug = {b.provider: b for b in live}
    return {
        "instance": instance,
        "triggers": vars(instance)["triggers_n"],
        "state": worst.value,
        "days": shown.days_left(ends[0], timezone.now()) if ends else None,
        "next_end": ends[0].expires_at if ends else None,
        "next_platform": LABELS[ends[0].provider] if ends else "",
        "tiles": [
            {"slug": slug, "mono": problems.prefix_of(slug), "label": LABELS[slug]}
            for slug in ORDER
            if slug in by_slug
        ],
    }
