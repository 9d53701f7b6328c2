"""Activity: the event log of a tenant, newest first; as a page and as a file."""

from __future__ import annotations

import csv

from django.db.models import QuerySet
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from bindings.models import Binding
from bindings.web import log
from bindings.web.cells import plain
from bindings.web.sources import crumbs
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import Event, Instance

_MOST = 20_000  # rows of one file


@require_GET
def page(request: Request, tenant: str) -> HttpResponse:
    """Who did what, when, and from where; of one instance when the address names it."""
    access.demand(request.actor, "events:read")
    instance = _instance(request)
    rows, also = _asked(request, instance)
    context = {
        "section": "instances" if instance else "activity",
        "tab": "activity",
        "crumbs": crumbs(tenant, instance, (_("Activity"), ""))
        if instance
        else [(_("Activity"), "")],
        "instance": instance,
        **log.table(request, rows, timezone.now(), also),
    }
    return TemplateResponse(request, "bindings/log.html", context)


@require_GET
def download(request: Request, tenant: str) -> HttpResponse:
    """The same as comma-separated values, newest first."""
    access.demand(request.actor, "events:read")
    rows, _also = _asked(request, _instance(request))
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="activity.csv"'
    file = csv.writer(response)
    file.writerow(log.HEADINGS)
    wanted = log.Wanted.of(request.GET).narrow(rows, timezone.now())
    for event in wanted.defer("mac", "previous").order_by("-id")[:_MOST].iterator(1000):
        file.writerow(plain(value) for value in log.columns(event))
    return response


def _instance(request: Request) -> Instance | None:
    asked = request.GET.get("instance", "")
    return access.get(request.actor, Instance, asked, "instances:read") if asked else None


def _asked(request: Request, instance: Instance | None) -> tuple[QuerySet[Event], dict[str, str]]:
    """The events of what the address names, and what names it."""
    events, also = access.visible(request.actor, Event.objects.all()), {}
    if instance is not None:
        events = events.filter(instance_id=instance.pk)
        also["instance"] = instance.public_id
    if asked := request.GET.get("binding", ""):
        found = access.get(request.actor, Binding, asked, "bindings:read")
        events = events.filter(binding_id=found.pk)
        also["binding"] = found.public_id
    return events, also
