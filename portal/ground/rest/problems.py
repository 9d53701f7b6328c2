"""Problems: every refusal of the API, as RFC 9457 writes them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils.encoding import escape_uri_path
from rest_framework.response import Response

from portal.ground.logs import scrub
from portal.ground.refusals import Refusal, Words, words
from portal.ground.rest import rendering, tracing

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
SHOWN = 40
"""Letters of a submitted name or value that a problem repeats at most."""
_NOTICE = 422  # a notice never refuses anything; if one is raised, the request was the cause
_DATABASE_AWAY = 5  # seconds until somebody asks again
_CHALLENGES = {
    "X-AUTH-01": 'Bearer realm="mooring"',
    "X-AUTH-02": 'Bearer realm="mooring", error="invalid_token"',
}


class Objection(Refusal):
    """A refusal of the request itself: the query parameter or header it is about, and headers
    that the answer carries besides."""

    def __init__(
        self,
        code: str,
        *,
        parameter: str = "",
        header: str = "",
        headers: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(code, **rest)
        self.parameter, self.header = parameter, header
        self.headers = dict(headers or {})


def brief(text: str) -> str:
    """A submitted text as a problem may repeat it: nothing that is long, or looks like a secret."""
    return scrub(text) if len(text) <= SHOWN else "…"


def refusal_of(error: Exception, trace_id: str) -> Refusal:
    """What an exception means to a caller; our own faults are logged here."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Http404):
        return Refusal("X-FOUND-01")
    if isinstance(error, RequestDataTooBig):
        return Refusal("X-SIZE-01", max="1 MiB")
    if isinstance(error, UnreadablePostError):
        return Refusal("X-JSON-01")
    if isinstance(error, DisallowedHost):
        return Objection("X-PARAM-02", header="Host", name="Host", value="…")
    if isinstance(error, SuspiciousOperation):
        return Refusal("X-PARAM-02", name="query", value="…")
    if isinstance(error, (OperationalError, InterfaceError)):
        log.warning("the database did not answer: %s", type(error).__name__)
        return Refusal("X-SYS-02", retry_after=_DATABASE_AWAY, n=_DATABASE_AWAY)
    log.error("an API request crashed", exc_info=error)
    return Refusal("X-SYS-01", trace=trace_id)


def problem(refusal: Refusal, *, instance: str, trace_id: str) -> dict[str, Any]:
    """The members of the problem in the active language. `instance` is the request's path."""
    said = _said(refusal, trace_id)
    members: dict[str, Any] = {
        "type": f"{settings.MOORING_URL}/help/errors/{said.code}/",
        "title": said.title,
        "status": said.status or _NOTICE,
        "code": said.code,
        "detail": said.detail,
        "instance": escape_uri_path(instance),
        "trace_id": trace_id,
    }
    if errors := list(_errors(refusal)):
        members["errors"] = errors
    if refusal.steps is not None:
        members["steps"] = list(refusal.steps)
    if refusal.fix_url:
        members["fix_url"] = refusal.fix_url
    if refusal.retry_after is not None:
        members["retry_after"] = math.ceil(refusal.retry_after)
    return members | refusal.extra


def headers_of(refusal: Refusal) -> dict[str, str]:
    """The headers that go with a refusal."""
    headers = dict(refusal.headers) if isinstance(refusal, Objection) else {}
    if refusal.code in _CHALLENGES:
        headers["WWW-Authenticate"] = _CHALLENGES[refusal.code]
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return headers


def answer_to(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer to anything an API view raised. Named in REST_FRAMEWORK["EXCEPTION_HANDLER"]."""
    request = context["request"]
    trace_id = tracing.trace_id(request)
    refusal = refusal_of(error, trace_id)
    members = problem(refusal, instance=request.path, trace_id=trace_id)
    return Response(
        rendering.Ready.of(members),
        status=members["status"],
        headers=headers_of(refusal),
        content_type=MEDIA_TYPE,
    )


def page(request: HttpRequest, error: Exception) -> HttpResponse:
    """The same answer where no API view was reached: a broken host name, a failing middleware."""
    trace_id = tracing.trace_id(request)
    refusal = refusal_of(error, trace_id)
    members = problem(refusal, instance=request.path, trace_id=trace_id)
    headers = headers_of(refusal) | {"Trace-Id": trace_id, "Cache-Control": "private, no-store"}
    return HttpResponse(
        rendering.dumps(members),
        status=members["status"],
        headers=headers,
        content_type=MEDIA_TYPE,
    )


def _said(refusal: Refusal, trace_id: str) -> Words:
    try:
        return words(refusal.code, refusal.facts)
    except LookupError:
        log.exception("nobody wrote a sentence for %s", refusal.code)
        return words("X-SYS-01", {"trace": trace_id})


def _errors(refusal: Refusal) -> Iterator[dict[str, str]]:
    for one in refusal.errors or (refusal,):
        if place := _place(one):
            yield {**place, "code": one.code, "detail": words(one.code, one.facts).detail}


def _place(refusal: Refusal) -> dict[str, str]:
    if isinstance(refusal, Objection) and refusal.parameter:
        return {"parameter": refusal.parameter}
    if isinstance(refusal, Objection) and refusal.header:
        return {"header": refusal.header}
    return {"pointer": f"#/{refusal.field}"} if refusal.field else {}
