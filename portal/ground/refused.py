"""The page a refusal becomes, and Django's error pages: `handler404` and its like point here.

Below `/api/` each of them is a problem instead, also where no view of the API was reached.
"""

from __future__ import annotations

import math
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views import defaults

from portal.ground import refusals
from portal.ground.refusals import Refusal
from portal.ground.rest import problems, tracing

_NOTICE = 422  # a code without a status of its own never stops a request; if it does, the form did
_AWAY_SECONDS = 60
_API = "/api/"


def page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The page for a refusal, in the reader's language and with its status."""
    words = refusals.words(refusal.code, refusal.facts)
    status = words.status or _NOTICE
    if status == 404:  # the same page as for an address that never existed
        return render(request, "404.html", status=404)
    shown = {"words": words, "fix_url": refusal.fix_url, "trace": tracing.trace_id(request)}
    response = render(request, "refusal.html", shown, status=status)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """A host name that is not ours, a request that cannot be read."""
    if request.path.startswith(_API):
        return problems.page(request, exception)
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """PermissionDenied, which only Django's own pages raise."""
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """No page has this address."""
    if request.path.startswith(_API):
        return problems.page(request, exception)
    return defaults.page_not_found(request, exception)


def crashed(request: HttpRequest) -> HttpResponseBase:
    """Our fault; or the database is away, and then everything waits. These pages need neither."""
    error = sys.exc_info()[1]
    if request.path.startswith(_API):
        return problems.page(request, error if isinstance(error, Exception) else RuntimeError())
    if isinstance(error, OperationalError | InterfaceError):
        away = HttpResponse(render_to_string("503.html"), status=503)
        away.headers["Retry-After"] = str(_AWAY_SECONDS)
        return away
    trace = {"trace": tracing.trace_id(request)}
    return HttpResponse(render_to_string("500.html", trace), status=500)
