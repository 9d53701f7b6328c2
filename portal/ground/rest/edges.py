"""Django's own error handlers: a problem below `/api/`, a page everywhere else."""

from __future__ import annotations

import sys

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from portal.ground import refused
from portal.ground.rest import problems

_API = "/api/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404."""
    if request.path.startswith(_API):
        return problems.page(request, Http404())
    return refused.not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler400: a host name that is not ours, a request that cannot be read."""
    if request.path.startswith(_API):
        return problems.page(request, exception)
    return refused.bad_request(request, exception)


def crashed(request: HttpRequest) -> HttpResponseBase:
    """handler500: our fault, or the database's, before any endpoint was reached."""
    if request.path.startswith(_API):
        error = sys.exc_info()[1]
        return problems.page(request, error if isinstance(error, Exception) else Exception())
    return refused.crashed(request)
