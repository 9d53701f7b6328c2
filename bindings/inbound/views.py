"""`POST /hooks/<hook>`: webhooks from code hosts (`api.md` 4.2).

The middleware of pages does not run here (`portal.ground.middleware.Light`): no session, no
sign-in, no CSRF, no language. Whatever refuses a delivery does so as early as it can: method,
type and size before the database is asked, a missing proof before the body is read. A body of up
to a megabyte that comes with some platform's proof is read first: one transaction does for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone, translation

from bindings.services.custody.sealed import Undecryptable
from bindings.services.listen import accept
from bindings.services.listen.accept import Refused
from portal.ground import metrics
from portal.ground.middleware import after_answer
from portal.ground.refusals import Refusal
from portal.ground.rest import problems, rendering
from portal.ground.rest.problems import Objection

_MEDIA = "application/json"
_SMALL = 1024 * 1024  # bytes that are read before the hook is known: one transaction instead of two
_AGAIN_IN = 30  # seconds: a host that is told 503 shows a failure and tries again
_STATUS = {"accepted": 202, "duplicate": 200, "pong": 200}


def receive(request: HttpRequest, hook: str) -> HttpResponse:
    """Prove, store, answer. Never a 2xx for something that is not stored."""
    try:
        with metrics.delivery_ingest_seconds.time():
            accepted = _accept(request, hook)
    except Refusal as refused:
        return _problem(request, refused)
    except (DatabaseError, InterfaceError, Undecryptable):
        return _problem(request, Refusal("X-SYS-02", retry_after=_AGAIN_IN, n=_AGAIN_IN))
    except UnreadablePostError:  # the sender went away in the middle
        return _problem(request, Refusal("X-JSON-01"))
    body = {"delivery": accepted.delivery, "status": accepted.status}
    return HttpResponse(
        rendering.dumps(body),
        status=_STATUS[accepted.status],
        headers={"Cache-Control": "private, no-store"},
        content_type=_MEDIA,
    )


def _accept(request: HttpRequest, hook: str) -> accept.Accepted:
    if request.method != "POST":
        method = problems.brief(request.method or "")
        raise Objection("X-METHOD-01", headers={"Allow": "POST"}, method=method)
    most: int = settings.MOORING_HOOK_MAX_BYTES
    announced = request.META.get("CONTENT_LENGTH") or "0"
    announced = announced if announced.isascii() and announced.isdigit() else "0"
    if request.content_type != _MEDIA and (request.content_type or announced != "0"):
        raise Refusal("X-MEDIA-01")  # an empty body may be of no type
    if int(announced) > most:
        raise _too_large(most)
    headers, now = dict(_headers(request.META)), timezone.now()
    try:
        if 0 < int(announced) <= _SMALL and accept.may_be_proven(headers):
            return accept.accept(hook, headers, _body(request, most), now=now)
        known = accept.find(hook, headers, now=now)
        accept.demand_proof(known, headers, now=now)
        return accept.take(known, headers, _body(request, most), now=now)
    except Refused as refused:
        after_answer(partial(accept.note_refused, refused, headers, now=now))
        raise


def _headers(meta: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names in lower case, as adapters read them."""
    yield "content-type", meta.get("CONTENT_TYPE", "")
    for name, value in meta.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").lower(), value


def _body(request: HttpRequest, most: int) -> bytes:
    """The raw bytes. Not `request.body`, whose limit is that of forms."""
    stream: Any = request
    if request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH"):
        stream = request.META["wsgi.input"]  # sent in chunks: the server knows where it ends
    body: bytes = stream.read(most + 1)
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> Refusal:
    return Refusal("X-SIZE-01", max=f"{most / (1024 * 1024):g} MiB")


def _problem(request: HttpRequest, refused: Refusal) -> HttpResponse:
    # A thread may still speak the language of the page it has served before.
    with translation.override(settings.LANGUAGE_CODE):
        return problems.page(request, refused)
