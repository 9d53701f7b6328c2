"""Calendar addresses of end dates: making and ending one's own, and the calendar itself."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from bindings.services.tell import calendar, feeds
from portal.ground.rest import etags
from portal.tenants import access
from portal.tenants.middleware import Request


@require_http_methods(["GET", "POST"])
@sensitive_variables("url")
def subscribe(request: Request, tenant: str) -> HttpResponse:
    """What the address is for; a POST makes a new one, shown in this one answer, or ends it."""
    access.demand(request.actor, feeds.SCOPE)
    url = ""
    if request.method == "POST" and request.POST.get("act") == "end":
        feeds.revoke(actor=request.actor)
        return redirect("expiry", tenant=tenant)
    if request.method == "POST":
        url = feeds.subscribe(actor=request.actor)
    back = reverse("expiry", args=[tenant])
    context = {
        "section": "expiry",
        "crumbs": [(_("Expiry"), back), (_("Calendar feed"), "")],
        "back_url": back,
        "url": url,
        "feed": feeds.of(request.actor),
        "now": timezone.now(),
    }
    return render(request, "bindings/calendar.html", context)


@require_safe
def feed(request: HttpRequest, key: str) -> HttpResponse:
    """The calendar behind a secret address; no sign-in, and 404 for every key that is none."""
    body = feeds.read(key=key, now=timezone.now())
    tag = etags.weak(body)
    if etags.is_known(request.headers.get("If-None-Match", ""), tag):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(body, content_type=f"{calendar.MEDIA}; charset=utf-8")
        response.headers["Content-Disposition"] = 'inline; filename="mooring.ics"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    return response
