"""The far ends that `http_scenarios.jsonl` describes, as scripts of `farend`."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from time import time
from typing import Any

from tests.providers.certificates import DAY, Authority, self_signed
from tests.providers.farend import Caller, Script, by_path, drip, hang, in_turn, mute, reply
from tests.providers.network import NAME

HIDDEN = reply({"message": "401 Unauthorized"}, status=401)
SELF = {"id": 7, "name": "registry", "active": True, "revoked": False, "scopes": ["api"]}
USER = {"id": 4711, "username": "alice", "name": "Alice", "state": "active"}
PROJECT = {
    "id": 1,
    "path_with_namespace": "acme/api",
    "http_url_to_repo": f"https://{NAME}/acme/api.git",
    "web_url": f"https://{NAME}/acme/api",
    "default_branch": "main",
}
PAGES = re.compile(r"[?&]page=(\d+)")


def good(path: str) -> bytes:
    """A GitLab that behaves."""
    if path.endswith("/version"):
        return HIDDEN
    if "/personal_access_tokens/self" in path:
        return reply({**SELF, "expires_at": "2027-05-01"})
    return reply([PROJECT] if "/projects" in path else USER)


def joined(value: Any) -> Any:
    """Long texts are packed in the corpus: [text, times], to be joined."""
    if isinstance(value, dict) and set(value) == {"rle"}:
        return "".join(text * times for text, times in value["rle"])
    if isinstance(value, dict):
        return {name: joined(inner) for name, inner in value.items()}
    return value


def variants(server: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row names several values where a list stands: each is a run of its own."""
    several = ("status", "body", "content_length", "content_encoding", "x_next_page")
    for name in several:
        if isinstance(server.get(name), list):
            yield from ({**server, name: one} for one in server[name])
            return
    body = server.get("body")
    if isinstance(body, dict) and isinstance(body.get("expires_in"), list):
        yield from ({**server, "body": {**body, "expires_in": one}} for one in body["expires_in"])
        return
    yield dict(server)


def script_of(server: Mapping[str, Any], base: str, *, close: bool = False) -> Script:
    """What one server of the corpus does."""
    for name, make in MAKERS.items():
        if name in server:
            return make(server, base)
    routes = good
    if "x_next_page" in server:
        routes = _pages(lambda page: {"X-Next-Page": server["x_next_page"]})
    return _hanging_up(routes) if close else by_path(routes)


def no_tls(caller: Caller) -> None:
    """A plain HTTP server that is greeted in TLS."""
    caller.sock.recv(65536)
    caller.say(reply("Bad Request", status=400, kind="text/plain"))


def tls_of(word: str, ours: Authority) -> ssl.SSLContext | None:
    """A server whose TLS is as the word says; None speaks no TLS."""
    return TLS[word](ours)


# -- one maker per key of `setup.server`; the first that fits makes the script ---------------------


def _fixed(server: Mapping[str, Any], _: str) -> Script:
    headers = {"Location": server.get("location")}
    headers |= {"Retry-After": server.get("retry_after")}
    headers |= {"WWW-Authenticate": server.get("www_authenticate")}
    if "ratelimit_reset" in server:
        there = time() - 3600
        headers |= {"Date": formatdate(there, usegmt=True), "RateLimit-Reset": str(int(there) + 60)}
    said = reply(
        joined(server.get("body", "")),
        status=server.get("status", 200),
        headers=headers,
        kind=server.get("ctype", "application/json"),
    )
    return by_path(lambda _: said)


def _body(server: Mapping[str, Any], base: str) -> Script:
    body = joined(server["body"])
    if isinstance(body, str) and body.startswith('[{"id"'):
        projects = [{**PROJECT, **one} for one in json.loads(body)]
        return by_path(lambda path: reply(projects))
    return _fixed(server, base)


def _loop(server: Mapping[str, Any], base: str) -> Script:
    turns = itertools.cycle([f"{base}/a", f"{base}/b"])
    return in_turn(reply(status=302, headers={"Location": next(turns)}) for _ in itertools.count())


def _echo(server: Mapping[str, Any], _: str) -> Script:
    def script(caller: Caller) -> None:
        while asked := caller.request():
            caller.say(reply(asked, status=server["status"], kind="text/plain"))

    return script


def _big(server: Mapping[str, Any], _: str) -> Script:
    def script(caller: Caller) -> None:
        caller.request()
        caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(server["bytes"] // 65_536):
            caller.say(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    return script


def _bomb(server: Mapping[str, Any], _: str) -> Script:
    member = gzip.compress(b"0" * (server["bytes"] * server["gzip_ratio"] // 64))
    body = member * (server["bytes"] // len(member))
    return by_path(lambda _: reply(body, headers={"Content-Encoding": "gzip"}))


def _encoded(server: Mapping[str, Any], _: str) -> Script:
    said = reply(b"\x1f\x8b" * 99, headers={"Content-Encoding": server["content_encoding"]})
    return by_path(lambda _: said)


def _length(server: Mapping[str, Any], _: str) -> Script:
    return by_path(lambda _: reply(USER, headers={"Content-Length": server["content_length"]}))


def _headers(server: Mapping[str, Any], _: str) -> Script:
    more = server["headers"]
    if isinstance(more, int):
        return by_path(lambda _: reply(USER, headers={f"X-{n}": "a" for n in range(more)}))
    return by_path(lambda path: good(path).replace(b"\r\n", _lines(more), 1))


def _lines(more: Mapping[str, str]) -> bytes:
    return b"\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in more.items())


def _both_framings(server: Mapping[str, Any], _: str) -> Script:
    return by_path(lambda _: reply(USER, headers={"Transfer-Encoding": "chunked"}))


def _lost(server: Mapping[str, Any], _: str) -> Script:
    def script(caller: Caller) -> None:
        caller.request()
        caller.reset()

    return script


def _sequence(server: Mapping[str, Any], base: str) -> Script:
    """Pages by their status, or an OAuth error by its word."""
    seq = server["seq"]
    if isinstance(seq[0], str):
        return in_turn(reply({"error": word}, status=400) for word in seq)

    def routes(path: str) -> bytes:
        page = _page(path)
        if seq[page - 1] == 401:
            return HIDDEN
        headers = {"Link": f'<{base}/api/v4/projects?page={page + 1}>; rel="next"'}
        return reply([{**PROJECT, "id": page}], status=seq[page - 1], headers=headers)

    return by_path(routes)


def _linked(server: Mapping[str, Any], base: str) -> Script:
    if not server.get("forever"):
        link = f'<{server["link_next"]}>; rel="next"'
        return by_path(lambda _: reply([PROJECT], headers={"Link": link}))
    return by_path(_pages(lambda page: _next(base, page)))


def _doubled(server: Mapping[str, Any], base: str) -> Script:
    """Three pages; the last project of one is the first of the next."""

    def routes(path: str) -> bytes:
        page = _page(path)
        found = [{**PROJECT, "id": page}, {**PROJECT, "id": page + 1}]
        return reply(found, headers=_next(base, page) if page < 3 else {})

    return by_path(routes)


def _hollow(server: Mapping[str, Any], base: str) -> Script:
    def routes(path: str) -> bytes:
        page = _page(path)
        return reply([] if page == 1 else [PROJECT], headers=_next(base, page) if page < 2 else {})

    return by_path(routes)


def _pages(more: Callable[[int], Mapping[str, str]]) -> Callable[[str], bytes]:
    def routes(path: str) -> bytes:
        page = _page(path)
        return reply([{**PROJECT, "id": page}], headers=more(page))

    return routes


def _page(path: str) -> int:
    found = PAGES.search(path)
    return int(found[1]) if found else 1


def _next(base: str, page: int) -> dict[str, str]:
    return {"Link": f'<{base}/api/v4/projects?page={page + 1}>; rel="next"'}


def _hanging_up(routes: Callable[[str], bytes]) -> Script:
    """Every answer on a connection of its own, so that every request dials."""

    def script(caller: Caller) -> None:
        path = caller.request().split(b" ", 2)[1].decode()
        caller.say(routes(path).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    return script


MAKERS: dict[str, Callable[[Mapping[str, Any], str], Script]] = {
    "loop": _loop,
    "echo_request": _echo,
    "chunked": _big,
    "gzip_ratio": _bomb,
    "content_encoding": _encoded,
    "content_length": _length,
    "header_bytes": lambda server, _: by_path(
        lambda _: reply(USER, headers={"X-Long": "a" * server["header_bytes"]})
    ),
    "headers": _headers,
    "te_cl": _both_framings,
    "process_then_reset": _lost,
    "seq": _sequence,
    "link_next": _linked,
    "dup": _doubled,
    "empty_next": _hollow,
    "raw": lambda server, _: by_path(lambda _: reply(server["raw"], kind=server["ctype"])),
    "drip_headers": lambda *_: drip(b"HTTP/1.1 200 OK\r\n", then=b"X-A: b\r\n"),
    "interim_forever": lambda *_: drip(b"", then=b"HTTP/1.1 100 Continue\r\n\r\n", seconds=0.001),
    "early_hints": lambda *_: by_path(
        lambda path: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + good(path)
    ),
    "hang": lambda *_: hang,
    "tls": lambda *_: mute,
    "body": _body,
    "status": _fixed,
}


def _null_cipher(ours: Authority) -> ssl.SSLContext:
    made = ours.server(NAME)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("aNULL:eNULL:@SECLEVEL=0")
    return made


def _asking(ours: Authority) -> ssl.SSLContext:
    made = ours.server(NAME)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


TLS: dict[str, Callable[[Authority], ssl.SSLContext | None]] = {
    "good": lambda ours: ours.server(NAME),
    "private CA": lambda ours: ours.server(NAME),
    "self-signed": lambda ours: self_signed(NAME),
    "wrong host": lambda ours: ours.server("git.example.org"),
    "untrusted root": lambda ours: Authority("Nobody's Authority").server(NAME, ends=DAY * 9),
    "null cipher": _null_cipher,
    "CN only, no SAN": lambda ours: ours.server(common=NAME),
    "client certificate required": _asking,
    "plain HTTP answered on 443": lambda ours: None,
    "TLS answered on an http:// port": lambda ours: ours.server(NAME),
}
