"""Around every request: its trace id, its headers, its figures, and what waits for the answer."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.signals import request_finished
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, get_resolver
from django.utils.cache import patch_vary_headers

from portal.ground import ids, metrics

log = logging.getLogger(__name__)

Next = Callable[[HttpRequest], HttpResponseBase]

# Their addresses hold a code: no page they lead to may learn it. Where a form stands it is not
# "no-referrer": a browser then sends `Origin: null` with the form, which looks forged to us.
_HOLDS_A_CODE = {
    "/oauth/callback/": "no-referrer",
    "/feeds/": "no-referrer",
    "/i/": "strict-origin",
    "/accounts/password/reset/key/": "strict-origin",
    "/me/unsubscribe/": "strict-origin",
}
_LIGHT = ("/git/", "/hooks/")
_waiting = threading.local()


class Trace:
    """Outermost: gives a request its id, as `request.trace_id`, in `Trace-Id` and in log lines,
    and the address of who asks, as `request.ip`; counts and times the answer."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        trace_id = ids.public("req", ids.uuid7())
        request.trace_id = trace_id  # type: ignore[attr-defined]  # ours, for faces and problems
        request.ip = client_ip(request)  # type: ignore[attr-defined]  # likewise
        _waiting.work = []
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(trace_id=trace_id)
        response = self.get_response(request)
        response.headers["Trace-Id"] = trace_id
        _measure(request, response, time.perf_counter() - started)
        return response


class Headers:
    """What Django's own security headers leave open: caches and referrers."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        for path, policy in _HOLDS_A_CODE.items():
            if request.path.startswith(path):
                response.headers["Referrer-Policy"] = policy
        if _knows_who(request, response):
            response.headers.setdefault("Cache-Control", "private, no-store")
            patch_vary_headers(response, ("Cookie", "Authorization"))
        return response


class Light:
    """Where machines call that neither sign in nor read pages: what stands below in the list is
    left out for these addresses, and the view runs here. An address that leads nowhere goes on,
    and finds the page that says so."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(_LIGHT):
            return self.get_response(request)
        try:
            match = get_resolver().resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        request.resolver_match = match
        answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(answer, HttpResponse):  # as CommonMiddleware does: chunks are for streams
            answer.headers.setdefault("Content-Length", str(len(answer.content)))
        return answer


def client_ip(request: HttpRequest) -> str:
    """The address of who asks: X-Forwarded-For counts only as far as proxies of ours wrote it
    (MOORING_TRUSTED_PROXIES). "" when it is not an address."""
    known = [request.META.get("REMOTE_ADDR", "")]
    proxies: int = settings.MOORING_TRUSTED_PROXIES
    if proxies:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        known = [word.strip() for word in forwarded if word.strip()] + known
    address = known[max(0, len(known) - 1 - proxies)]
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""


def after_answer(work: Callable[[], object]) -> None:
    """Run `work` once this request has been answered; the client does not wait for it. Nothing may
    depend on it: when the database refuses or is away, that is logged and no more."""
    _waiting.work.append(work)


def _run_waiting(**_: object) -> None:
    waiting, _waiting.work = getattr(_waiting, "work", []), []
    for work in waiting:
        try:
            work()
        except DatabaseError:
            log.exception("work after an answer failed")


request_finished.connect(_run_waiting, dispatch_uid="portal.ground.middleware.after_answer")


def _knows_who(request: HttpRequest, response: HttpResponseBase) -> bool:
    carried = settings.SESSION_COOKIE_NAME in request.COOKIES or "Authorization" in request.headers
    return carried or settings.SESSION_COOKIE_NAME in response.cookies


def _measure(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    match = request.resolver_match
    route = match.route if match else "unknown"
    metrics.http_requests.labels(route, str(response.status_code)).inc()
    metrics.http_request_seconds.labels(route).observe(seconds)
