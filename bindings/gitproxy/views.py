"""The two addresses git reads from: `/git/<binding>/<path>.git/…` (api.md 5)."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt

from bindings.services.clone import client, entering, proxy, words
from bindings.services.clone.wire import ADVERTISEMENT, PACK, PUSH, Ask, headers_for
from bindings.services.clone.words import TurnedAway

_BELOW = "/git/"
_SHAPE = re.compile(
    rf"{_BELOW}(?P<binding>[^/]+)/(?P<path>.+)/(?P<what>{ADVERTISEMENT}|{PACK}|{PUSH})"
)
_CLIMBS = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")
_METHODS = {ADVERTISEMENT: "GET", PACK: "POST"}
_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_PLAIN = "text/plain; charset=utf-8"
_NEVER = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@csrf_exempt
def git(request: HttpRequest) -> HttpResponseBase:
    """Everything below `/git/`."""
    # git asks for the language of its user; the thread may still have that of another request.
    with translation.override(translation.get_language_from_request(request)):
        try:
            return _answer(request)
        except TurnedAway as away:
            said = HttpResponse(away.text, content_type=_PLAIN, status=away.status)
            # Each clone begins without a lease; that is no warning to anybody.
            said._has_been_logged = True  # type: ignore[attr-defined]  # as Django marks it
            for name, value in (_NEVER | away.headers).items():
                said.headers[name] = value
            return said


def _answer(request: HttpRequest) -> HttpResponseBase:
    """What is refused is refused before anybody is asked. Raises TurnedAway."""
    binding, path, what = _wanted(request)
    headers = headers_for(what, request.headers)
    username, password = _basic(request)
    lease = entering.enter(binding=binding, username=username, password=password, path=path)
    body = client.body_of(request.META) if what == PACK else None
    passed = proxy.pass_on(lease, Ask(what, headers, body), environ=request.META)
    answer = StreamingHttpResponse(passed.pieces, content_type=passed.media)
    for name, value in _NEVER.items():
        answer.headers[name] = value
    return answer


def _wanted(request: HttpRequest) -> tuple[str, str, str]:
    """(binding, path of a repository, which of the two). Raises TurnedAway 400, 403, 404, 405."""
    address = _address(request)
    found = _SHAPE.fullmatch(address)
    if found is None or not _clean(address):
        raise words.nothing_here()
    what, query = found["what"], request.META.get("QUERY_STRING", "")
    if what == PUSH or f"service={PUSH}" in query.split("&"):
        raise words.read_only()
    if request.method != _METHODS[what]:
        raise words.other_method(_METHODS[what])
    if any(name in request.headers for name in _OVERRIDES):
        raise words.unreadable()
    if what == ADVERTISEMENT and not query:
        raise words.nothing_here()
    if query != (f"service={PACK}" if what == ADVERTISEMENT else ""):
        raise words.unreadable()
    return found["binding"], found["path"], what


def _address(request: HttpRequest) -> str:
    """The path, decoded once. Where the server tells what was sent, that is read, not what it made
    of it. Raises TurnedAway 404 for what is no text."""
    raw = request.META.get("RAW_URI", "")
    try:
        if raw:
            return unquote_to_bytes(raw.partition("?")[0].partition("#")[0]).decode()
        return str(request.META.get("PATH_INFO", "")).encode("latin-1").decode()
    except UnicodeError:
        raise words.nothing_here() from None


def _clean(address: str) -> bool:
    """No path that two readers could read differently (security.md 12)."""
    if not address.isprintable() or any(letter in address for letter in "%\\;?#"):
        return False
    return _CLIMBS.search(address.removeprefix("/")) is None


def _basic(request: HttpRequest) -> tuple[str, str]:
    """User name and password. Raises TurnedAway 401."""
    scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise words.no_lease()
    try:
        username, mark, password = (
            base64.b64decode(pair.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeError):
        raise words.wrong_lease() from None
    if not mark:
        raise words.wrong_lease()
    return username, password
