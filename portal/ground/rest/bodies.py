"""Request bodies: what kind, how large, and one JSON object of bounded depth."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpRequest

from portal.ground.refusals import Refusal

LARGEST = 1024 * 1024  # bytes (api.md 1.1)
DEEPEST = 32  # levels, the outermost object counted


def read(request: HttpRequest) -> bytes:
    """The body, b"" if there is none. Raises Refusal X-MEDIA-01 or X-SIZE-01."""
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    length = _length(request)
    if not (length or chunked):
        return b""
    if request.content_type != "application/json" or not _is_utf8(request):
        raise Refusal("X-MEDIA-01")
    if length > LARGEST:
        raise Refusal("X-SIZE-01", max="1 MiB")
    # Django reads as much as Content-Length says, hence nothing of a chunked body.
    body = request.META["wsgi.input"].read(LARGEST + 1) if chunked else request.body
    if len(body) > LARGEST:
        raise Refusal("X-SIZE-01", max="1 MiB")
    return bytes(body)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; an empty body is an empty object. Raises Refusal X-JSON-01."""
    if not body.strip():
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Not chained: the error quotes the document, and with it a token.
        raise Refusal("X-JSON-01") from None
    if not isinstance(found, dict) or _is_deeper(found, DEEPEST):
        raise Refusal("X-JSON-01")
    return found


def _length(request: HttpRequest) -> int:
    given = request.META.get("CONTENT_LENGTH") or "0"
    return int(given) if given.isascii() and given.isdigit() else 0


def _is_utf8(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset", "utf-8")
    return charset.strip('"').lower() in {"utf-8", "utf8"}


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
