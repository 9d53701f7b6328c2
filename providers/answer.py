"""A whole answer, and what it means where the provider says no more: the common table."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from providers.errors import (
    MAX_WAIT,
    BadAnswer,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Headers

_LOCATION = re.compile(
    r"(?:https?://[A-Za-z0-9.:\[\]-]+)?(?:/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
)
_UNSTORABLE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_DIGITS = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, of any status. Header names are lower case."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON, without the characters that a database refuses.

        Raises BadAnswer("not_json"); numbers of thousands of digits and bottomless nesting too.
        """
        try:
            found = json.loads(self.body, parse_constant=_no_constant)
            return _storable(found) if _UNSTORABLE.search(self.body) else found
        except (ValueError, RecursionError):
            raise BadAnswer("not_json", status=str(self.status)) from None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises BadAnswer("not_json" or "shape")."""
        found = self.json()
        if not isinstance(found, dict):
            raise BadAnswer("shape", "an object was expected")
        return found

    def items(self) -> list[Any]:
        """The body as a list; null is an empty one. Raises BadAnswer("not_json" or "shape")."""
        found = self.json()
        if found is None:
            return []
        if not isinstance(found, list):
            raise BadAnswer("shape", "a list was expected")
        return found


def settle(answer: Answer) -> Answer:
    """The answer itself when it is a 2xx. Raises what `failure_of` says otherwise."""
    if 200 <= answer.status < 300:
        return answer
    raise failure_of(answer)


def failure_of(answer: Answer) -> ProviderError:
    """The common table: what an answer other than 2xx means where the provider says no more."""
    status = answer.status
    facts = {"status": str(status)}
    if 300 <= status < 400:
        where = answer.headers.get("location", "").partition("?")[0].partition("#")[0]
        return BadAnswer("redirect", location=where if _LOCATION.fullmatch(where) else "", **facts)
    if 500 <= status < 600:
        return Unreachable("http_5xx", retry_after=retry_after(answer.headers), **facts)
    if status == 401:
        return BadAnswer("gateway", **facts) if by_gateway(answer) else TokenRejected("unknown")
    if status == 403 and by_gateway(answer):
        return BadAnswer("gateway", **facts)
    if status == 404:
        return NotFound("unknown")
    if status == 429:
        return RateLimited(retry_after=wait_asked(answer.headers))
    reason = "api_removed" if status == 410 else "refused" if status < 500 else "protocol"
    return BadAnswer(reason, **facts)


def by_gateway(answer: Answer) -> bool:
    """Whether something in front of the host spoke: a web page, or a sign-in of its own."""
    scheme = answer.headers.get("www-authenticate", "").lower()
    page = "html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:1] == b"<"
    own = answer.body.lstrip()[:1] in (b"{", b"[")
    return page or scheme.startswith(("negotiate", "ntlm")) or ("basic" in scheme and not own)


def wait_asked(headers: Headers, otherwise: float = 60.0) -> float:
    """Seconds to wait by Retry-After, else by a reset header, else `otherwise`."""
    asked = retry_after(headers)
    if asked is not None:
        return asked
    reset = headers.get("ratelimit-reset") or headers.get("x-ratelimit-reset") or ""
    if not _DIGITS.fullmatch(reset):
        return otherwise
    # GitHub and GitLab send a moment in Unix seconds, the IETF draft a number of seconds.
    wait = float(reset) - _their_now(headers) if len(reset) == 10 else float(reset)
    return min(max(wait, 0.0), MAX_WAIT)


def retry_after(headers: Headers) -> float | None:
    """Seconds of Retry-After (RFC 9110 10.2.3), at most MAX_WAIT; malformed is absent."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]) if len(text) < 10 else MAX_WAIT, MAX_WAIT)
    until = _moment(text)
    return None if until is None else min(max(until - _their_now(headers), 0.0), MAX_WAIT)


def _their_now(headers: Headers) -> float:
    """The host's own clock where it tells it, so that a skewed one does no harm."""
    return _moment(headers.get("date", "")) or time()


def _moment(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _storable(found: Any) -> Any:
    """Texts without NUL and without half a pair of surrogates."""
    if isinstance(found, str):
        return found.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(found, list):
        return [_storable(item) for item in found]
    if isinstance(found, dict):
        return {_storable(name): _storable(value) for name, value in found.items()}
    return found
