"""`/healthz`, `/readyz`, `/metrics`: for whoever keeps the server running (`api.md` 7)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal import probes
from portal.ground import metrics

_NEEDED: Final[dict[str, Callable[[], str]]] = {
    "database": probes.database,
    "migrations": probes.migrations,
    "row_security": probes.row_security,
    "keys": probes.keys,
}
# Without them pages and the API still work, and nothing is lost.
_REPORTED: Final[dict[str, Callable[[], str]]] = {"queue": probes.queue, "worker": probes.worker}


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """200 while the process serves; touches nothing."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served, else 503; says for each thing `ok` or what is wrong."""
    needed = {name: probe() for name, probe in _NEEDED.items()}
    found = needed | {name: probe() for name, probe in _REPORTED.items()}
    is_ready = not any(needed.values())
    checks = {name: trouble or "ok" for name, trouble in found.items()}
    return JsonResponse({"ready": is_ready, "checks": checks}, status=200 if is_ready else 503)


@never_cache
@require_safe
def measured(request: HttpRequest) -> HttpResponse:
    """The figures, for who knows MOORING_METRICS_TOKEN; for everybody else nothing is here."""
    given = request.headers.get("Authorization", "").encode()
    expected = f"Bearer {settings.MOORING_METRICS_TOKEN}".encode()
    if not settings.MOORING_METRICS_TOKEN or not hmac.compare_digest(given, expected):
        raise Http404
    return HttpResponse(metrics.text(), content_type=metrics.CONTENT_TYPE)
