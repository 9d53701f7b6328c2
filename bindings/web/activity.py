"""Activity: the event log of a tenant, newest first."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from bindings.web import feed
from bindings.web.sources import crumbs
from portal.ground import ids
from portal.tenants import access
from portal.tenants.middleware import Request
from portal.tenants.models import Event, Instance

_PAGE = 50


@require_GET
def page(request: Request, tenant: str) -> HttpResponse:
    """Who did what, when, and from where; of one instance when the address names it."""
    access.demand(request.actor, "events:read")
    instance = None
    events = access.visible(request.actor, Event.objects.all())
    if request.GET.get("instance"):
        instance = access.get(request.actor, Instance, request.GET["instance"], "instances:read")
        events = events.filter(instance_id=instance.pk)
    before = ids.key(Event.PREFIX, request.GET.get("before", ""))
    if before is not None:
        events = events.filter(pk__lt=before)
    found = list(events.order_by("-id")[: _PAGE + 1])
    more, shown = len(found) > _PAGE, found[:_PAGE]
    context = {
        "section": "instances" if instance else "activity",
        "tab": "activity",
        "crumbs": crumbs(tenant, instance, (_("Activity"), ""))
        if instance
        else [(_("Activity"), "")],
        "instance": instance,
        "feed": list(feed.lines(shown)),
        "older_url": f"?{_older(instance, shown[-1])}" if more else "",
        "newer_url": _newest(instance) if before is not None else "",
        "now": timezone.now(),
    }
    return TemplateResponse(request, "bindings/log.html", context)


def _older(instance: Instance | None, last: Event) -> str:
    of = {"instance": instance.public_id} if instance else {}
    return urlencode({**of, "before": last.public_id})


def _newest(instance: Instance | None) -> str:
    return f"?{urlencode({'instance': instance.public_id})}" if instance else "?"
