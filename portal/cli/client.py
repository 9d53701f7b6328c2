"""The portal's API over HTTP: one request at a time, with patience where repeating is safe.

Refused      the portal said no, or could not be reached: exit status 1
Usage        the command was not meant so: exit status 2
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

VERSION = "1.0.0"

JSON = dict[str, Any]
Query = Sequence[tuple[str, str]]

_TOKEN = re.compile(r"mrg_[0-9A-Za-z]{49}")
_PLACE = re.compile(r"[0-9A-Za-z.:\[\]-]+")
_TRIES = 4
_MOST_WAIT = 60.0  # seconds, over all tries of one request
_SECONDS = 60.0  # connection tests and checks end within 30 s (api.md 3.3)
_MOST_BYTES = 64 * 1024 * 1024


class Usage(Exception):
    """The command line, the environment or a file does not say what is needed."""


class Refused(Exception):
    """No, with a sentence. `code` is "" and `status` 0 when the portal was not reached."""

    def __init__(
        self, detail: str, code: str = "", status: int = 0, problem: JSON | None = None
    ) -> None:
        super().__init__(detail)
        self.detail, self.code, self.status = detail, code, status
        self.problem: JSON = problem or {}


class _Unreached(Refused):
    """Nobody knows whether the request arrived."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer; `body` is None for 204."""

    status: int
    body: Any = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Message
    body: bytes = field(repr=False)


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer here: it would carry the token to somebody else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Client:
    """A caller of one portal with one token. Every method raises Refused."""

    def __init__(self, site: str, token: str = "") -> None:
        """`site` as `site_of` returns it. Raises Usage for what cannot be a token."""
        if token and not _TOKEN.fullmatch(token):
            raise Usage("That is not a Mooring API token: it would begin with mrg_.")
        self.site = site
        self._token = token
        # A proxy of the environment must not see what is meant for this very machine.
        proxies: dict[str, str] | None = {} if _on_loopback(urlsplit(site).hostname or "") else None
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _Stay())

    def get(self, path: str, query: Query = ()) -> Answer:
        return self.ask("GET", path, query=query)

    def whole(self, path: str, query: Query = ()) -> JSON:
        """A list with all its pages in one; `meta` is that of the first page."""
        first: JSON = self.get(path, query).body
        rows, cursor = list(first["data"]), first["next_cursor"]
        while cursor:
            page = self.get(path, [*query, ("cursor", cursor)]).body
            rows += page["data"]
            cursor = page["next_cursor"]
        return {**first, "data": rows, "next_cursor": None}

    def post(self, path: str, body: JSON | None = None) -> Answer:
        return self.ask("POST", path, body=body or {})

    def form(self, path: str, fields: Mapping[str, str]) -> Answer:
        """A form to a page of the portal, once: what it holds may be used up."""
        headers = {"Accept": "application/json", "User-Agent": f"mooring-cli/{VERSION}"}
        sent = urllib.request.Request(  # noqa: S310 - site_of
            f"{self.site}{path}", data=urlencode(fields).encode(), headers=headers, method="POST"
        )
        reply = self._send(sent)
        if reply.status >= 300:
            raise _refusal(reply)
        return _answer(reply)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: JSON | None = None,
        match: str = "",
    ) -> Answer:
        """One request below `/api/v1`, repeated where nothing can happen twice: after 429 and
        503 as the portal asks, after a lost connection for GET, and for POST under one key."""
        request = self._request(method, path, query, body, match)
        waited = 0.0
        for tried in range(1, _TRIES + 1):
            try:
                reply = self._send(request)
            except _Unreached:
                if method not in {"GET", "POST"} or tried == _TRIES:
                    raise
                pause = 0.5 * 2**tried
            else:
                if reply.status < 300:
                    return _answer(reply)
                pause = _pause(reply, tried)
                if not pause or tried == _TRIES or waited + pause > _MOST_WAIT:
                    raise _refusal(reply)
            waited += pause
            time.sleep(pause)
        raise AssertionError("the last try answers or raises")

    def _request(
        self, method: str, path: str, query: Query, body: JSON | None, match: str
    ) -> urllib.request.Request:
        asked = f"?{urlencode(query)}" if query else ""
        headers = {"Accept-Language": _language(), "User-Agent": f"mooring-cli/{VERSION}"}
        headers["Accept"] = "application/json, application/problem+json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        if match:
            headers["If-Match"] = match
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        url = f"{self.site}/api/v1{path}{asked}"
        return urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - site_of

    def _send(self, request: urllib.request.Request) -> _Reply:
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return _Reply(answer.status, answer.headers, answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as answer:
            with answer:
                return _Reply(answer.code, answer.headers, answer.read(_MOST_BYTES))
        except urllib.error.URLError as lost:
            raise _Unreached(f"{self.site} cannot be reached: {lost.reason}") from None
        except (OSError, HTTPException) as lost:
            why = str(lost) or type(lost).__name__
            raise _Unreached(f"{self.site} did not answer: {why}") from None


def site_of(text: str) -> str:
    """The address of a portal, ready to put a path behind: https, or http on this machine. Raises
    Usage for everything else."""
    text = text.strip()
    if not text.isprintable():  # urlsplit drops line breaks and goes on
        raise Usage("The address of the portal is one line.")
    parts = urlsplit(text)
    plain = parts.scheme == "http" and _on_loopback(parts.hostname or "")
    if parts.scheme != "https" and not plain:
        raise Usage("The address of the portal begins with https:// (http:// only on loopback).")
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise Usage("The address of the portal is like https://portal.example, and nothing more.")
    if parts.path.strip("/") or not _PLACE.fullmatch(parts.netloc):
        raise Usage("The address of the portal is like https://portal.example, without a path.")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def piece(text: str) -> str:
    """One piece of a path: an id, or a repository's path with its slashes encoded."""
    return quote(text, safe="")


def _on_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _language() -> str:
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG")
    return "zh-hans" if (spoken or "").lower().startswith("zh") else "en"


def _answer(reply: _Reply) -> Answer:
    etag = reply.headers.get("ETag") or ""
    if not reply.body:
        return Answer(reply.status, etag=etag)
    body = _read(reply)
    if not isinstance(body, dict):
        raise Refused("The answer is not one of a Mooring portal. Is the address right?")
    return Answer(reply.status, body, etag)


def _pause(reply: _Reply, tried: int) -> float:
    """Seconds after which the same request may be sent again; 0 when that helps nobody."""
    running = reply.status == 409 and _problem(reply).get("code") == "X-IDEM-02"
    if reply.status not in {429, 503} and not running:
        return 0.0
    asked = reply.headers.get("Retry-After") or ""
    return max(float(asked), 0.1) if asked.isascii() and asked.isdigit() else 0.5 * 2**tried


def _refusal(reply: _Reply) -> Refused:
    if 300 <= reply.status < 400:
        return Refused(
            "The portal leads elsewhere. Give its own address; nothing is followed with a token.",
            status=reply.status,
        )
    problem = _problem(reply)
    detail = problem.get("detail") or problem.get("title")
    said = str(detail or f"The answer was HTTP {reply.status}, and not one of a Mooring portal.")
    return Refused(said, str(problem.get("code") or ""), reply.status, problem)


def _problem(reply: _Reply) -> JSON:
    body = _read(reply)
    return body if isinstance(body, dict) else {}


def _read(reply: _Reply) -> Any:
    try:
        return json.loads(reply.body)
    except ValueError:
        return None
