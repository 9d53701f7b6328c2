"""HTTP/1.1 by hand: what a request and an answer are, and how they cross a socket."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from io import BufferedIOBase
from typing import Any
from urllib.parse import parse_qs, unquote

MAX_LINE = 65536
MAX_HEADERS = 200
MAX_BODY = 256 * 1024 * 1024
"""A push of a big repository is one request body; beyond this it is refused with 413."""


class BadRequest(Exception):
    """The bytes on the wire are not a request we read. `status` is what to answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass
class Request:
    """One request. `path` is still percent-encoded; header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    peer: str = ""

    @property
    def origin(self) -> str:
        """How the caller addressed us; links in answers repeat it."""
        return f"http://{self.headers.get('host', '127.0.0.1')}"

    @property
    def last(self) -> bool:
        """Whether the caller wants the connection closed afterwards."""
        return self.headers.get("connection", "").lower() == "close"

    @cached_property
    def args(self) -> dict[str, str]:
        """The query, each name once (the last value wins)."""
        return {k: v[-1] for k, v in parse_qs(self.query, keep_blank_values=True).items()}

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The body as an object, from JSON or from a form; {} when it is neither."""
        kind = self.headers.get("content-type", "")
        if "json" in kind:
            try:
                value = json.loads(self.body)
            except ValueError:
                return {}
            return value if isinstance(value, dict) else {}
        if "form" not in kind:
            return {}
        pairs = parse_qs(self.body.decode("latin-1"), keep_blank_values=True)
        return {k: v[-1] for k, v in pairs.items()}

    @property
    def refreshes(self) -> bool:
        """Whether it trades in a refresh token."""
        return self.fields.get("grant_type") == "refresh_token"

    @cached_property
    def basic(self) -> tuple[str, str] | None:
        """User and password of HTTP Basic, or None."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user, password

    @cached_property
    def bearer(self) -> str:
        """The token of `Authorization: Bearer` or `token`, or ""."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() in {"bearer", "token"} else ""

    @cached_property
    def cookies(self) -> dict[str, str]:
        pairs = (p.strip().partition("=") for p in self.headers.get("cookie", "").split(";"))
        return {name: unquote(value) for name, _, value in pairs if name}


@dataclass
class Answer:
    """One answer. With `stream` the body is sent in chunks as it comes and `body` is ignored."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: Generator[bytes, None, None] | None = None


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None, **named: str
) -> Answer:
    """`value` as JSON. Keyword names become header names: `retry_after` is `Retry-After`."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    made = _typed(body, "application/json; charset=utf-8", status, named)
    made.headers.update(headers or {})
    return made


def text_answer(text: str, status: int = 200, **headers: str) -> Answer:
    return _typed(text.encode(), "text/plain; charset=utf-8", status, headers)


def html_answer(text: str, status: int = 200, **headers: str) -> Answer:
    return _typed(text.encode(), "text/html; charset=utf-8", status, headers)


def redirect(location: str, status: int = 302, **headers: str) -> Answer:
    return html_answer("", status, location=location, **headers)


def empty(status: int = 204) -> Answer:
    return Answer(status)


def _typed(body: bytes, kind: str, status: int, headers: dict[str, str]) -> Answer:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return Answer(status, body, {"content-type": kind, **named})


def read_request(stream: BufferedIOBase, peer: str, go_on: Callable[[], None]) -> Request | None:
    """The next request of a connection, or None when the peer has gone.

    `go_on()` is called when the client waits for `100 Continue`. Raises BadRequest.
    """
    line = stream.readline(MAX_LINE)
    while line in {b"\r\n", b"\n"}:
        line = stream.readline(MAX_LINE)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3:
        raise BadRequest(400, "bad request line")
    path, _, query = parts[1].partition("?")
    headers = _read_headers(stream)
    if headers.get("expect", "").lower() == "100-continue":
        go_on()
    body = _read_body(stream, headers)
    return Request(parts[0].upper(), path, query, headers, body, peer)


def _read_headers(stream: BufferedIOBase) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        line = stream.readline(MAX_LINE).decode("latin-1").rstrip("\r\n")
        if not line:
            return headers
        name, _, value = line.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    raise BadRequest(431, "too many headers")


def _read_body(stream: BufferedIOBase, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunks(stream)
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequest(400, "bad content-length")
    if int(length) > MAX_BODY:
        raise BadRequest(413, "too large")
    return stream.read(int(length))


def _read_chunks(stream: BufferedIOBase) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while size := _chunk_size(stream.readline(MAX_LINE)):
        total += size
        if total > MAX_BODY:
            raise BadRequest(413, "too large")
        pieces.append(stream.read(size))
        stream.readline(MAX_LINE)
    while stream.readline(MAX_LINE) not in {b"\r\n", b"\n", b""}:
        continue
    return b"".join(pieces)


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise BadRequest(400, "bad chunk") from None


def head(answer: Answer, *, now: float, last: bool) -> bytes:
    """Status line and headers. `last`: the connection is closed afterwards."""
    reason = HTTPStatus(answer.status).phrase if answer.status in _KNOWN else "Unknown"
    lines = [f"HTTP/1.1 {answer.status:03d} {reason}", f"Date: {formatdate(now, usegmt=True)}"]
    lines += [f"{_title(name)}: {value}" for name, value in answer.headers.items()]
    if answer.stream is not None:
        lines.append("Transfer-Encoding: chunked")
    elif answer.status not in {204, 304} and "content-length" not in answer.headers:
        lines.append(f"Content-Length: {len(answer.body)}")
    if last:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


_KNOWN = {status.value for status in HTTPStatus}


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def write_answer(stream: BufferedIOBase, request: Request, answer: Answer, *, now: float) -> None:
    """Send it whole; a streamed body goes out in chunks and is closed in any case."""
    bare = request.method == "HEAD" or answer.status in {204, 304}
    top = head(answer, now=now, last=request.last)
    if answer.stream is None:
        stream.write(top + (b"" if bare else answer.body))
        return
    try:
        stream.write(top)
        for piece in () if bare else answer.stream:
            stream.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        stream.write(b"" if bare else b"0\r\n\r\n")
    finally:
        answer.stream.close()
