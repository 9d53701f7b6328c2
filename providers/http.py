"""The only way out: a Door asks, a Line is one account's way to one origin."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol, Self
from urllib.parse import quote, urlencode

from providers import judge
from providers.address import Origin, require_port, split
from providers.answer import Answer, failure_of, settle
from providers.dial import Greeting, Network, Reply, Trust, Wire
from providers.errors import AddressRefused, BadAnswer, ProviderError, TokenRejected
from providers.types import Headers, Rules
from providers.watchdog import Alarm, Watchdog

__all__ = ["Answer", "Door", "Greeting", "Line", "Network", "Pace", "Stream", "settle"]

CAP = 2 * 1024 * 1024
Data = Mapping[str, Any]
"""Bytes of one answer."""

_VALUE = re.compile(r"[\t\x20-\x7e]*")
_CLIMBS = re.compile(r"/(?:\.|%2e){1,2}(?:[/?]|$)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9-]+")


class Pace(Protocol):
    """Who may go when. After every `wait` that returned, `learn` is called exactly once."""

    def wait(self, origin: str) -> None:
        """Return when a request may be sent to `origin`, or raise RateLimited or Unreachable."""

    def learn(self, origin: str, headers: Headers, status: int) -> None:
        """What came of it; status 0: no usable answer came."""


class Free:
    """No pace at all."""

    def wait(self, origin: str) -> None:
        pass

    def learn(self, origin: str, headers: Headers, status: int) -> None:
        pass


class Pool:
    """Kept connections to one origin under one set of rules."""

    def __init__(self, origin: Origin, rules: Rules, network: Network, trust: Trust, keep: int):
        self._made = (origin, rules, network, trust)
        self._keep = keep
        self._idle: deque[Wire] = deque()

    def fresh(self) -> Wire:
        return Wire(*self._made)

    @contextlib.contextmanager
    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, alarm: Alarm
    ) -> Iterator[Reply]:
        """One request. The connection is kept only after a whole answer. Raises ProviderError."""
        wire = self._take()
        reply = None
        try:
            reply = wire.ask(method, target, headers, body, alarm)
            yield reply
        finally:
            if reply is not None and reply.whole and len(self._idle) < self._keep:
                self._idle.append(wire)
            else:
                if reply is not None:
                    reply.close()
                wire.close()

    def tidy(self, *, everything: bool = False) -> None:
        """Close kept connections that may not serve again."""
        for _ in range(len(self._idle)):
            with contextlib.suppress(IndexError):
                wire = self._idle.popleft()
                if everything or not wire.usable:
                    wire.close()
                else:
                    self._idle.append(wire)

    def _take(self) -> Wire:
        with contextlib.suppress(IndexError):
            while True:
                wire = self._idle.pop()
                if wire.usable:
                    return wire
                wire.close()
        return self.fresh()


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still coming, in pieces of some 128 KiB or whatever is there; `over`
    tells once all of it is here."""

    status: int
    headers: Headers
    pieces: Iterator[bytes] = field(repr=False)
    over: Callable[[], bool] = field(repr=False)


class Door:
    """One per process, made after the fork, shared by all threads.

    `trusted`: PEM of authorities that the operator adds to the system's. `threads`: how many
    connections to one origin are kept.
    """

    def __init__(
        self,
        *,
        network: Network | None = None,
        pace: Pace | None = None,
        threads: int = 100,
        user_agent: str = "Mooring/1.0",
        trusted: str = "",
    ) -> None:
        self._network = network or Network()
        self._pace = pace or Free()
        self._threads = threads
        self._agent = user_agent
        self._trust = Trust(trusted)
        self._pools: dict[tuple[Origin, Rules], Pool] = {}
        self._watchdog = Watchdog(self.tidy)
        self._ends: Alarm | None = None

    def paced(self, pace: Pace) -> Door:
        """This door for the calls of one errand, which go at this pace."""
        errand = copy.copy(self)
        errand._pace = pace
        return errand

    def within(self, seconds: float) -> Door:
        """This door for one errand of several calls: together they take no longer than that."""
        errand = copy.copy(self)
        errand._ends = Alarm(seconds)
        return errand

    def ask(
        self,
        method: str,
        url: str,
        *,
        rules: Rules,
        headers: Mapping[str, str],
        body: bytes | None = None,
        seconds: float = 15.0,
        cap: int = CAP,
    ) -> Answer:
        """One request, one whole answer of any status, redirects included.

        `seconds` is the total, from the name to the last byte. Raises AddressRefused, Unreachable
        and BadAnswer("encoded", "too_big", "short", "protocol", "header").
        """
        with self._exchange(method, url, rules, headers, body, seconds) as (reply, _):
            if reply.headers.get("content-encoding", "identity").lower() != "identity":
                raise BadAnswer("encoded", status=str(reply.status))
            announced = reply.headers.get("content-length", "0")
            held = bytearray()
            if method != "HEAD" and int(announced) > cap:
                raise BadAnswer("too_big", status=str(reply.status))
            for piece in reply.pieces():
                held += piece
                if len(held) > cap:
                    raise BadAnswer("too_big", status=str(reply.status))
            return Answer(reply.status, reply.headers, bytes(held))

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        rules: Rules,
        headers: Mapping[str, str],
        body: bytes | None = None,
        seconds: float = 30.0,
    ) -> Iterator[Stream]:
        """One request whose body is handed on as it comes; a host may pause for `seconds`.
        Leaving early hangs up. Raises what `ask` raises, from the iterator too."""
        with self._exchange(method, url, rules, headers, body, seconds) as (reply, alarm):

            def pieces() -> Iterator[bytes]:
                for piece in reply.pieces(at_once=True):
                    alarm.extend(inf)  # now it is the caller who takes time
                    yield piece
                    alarm.extend(seconds)

            yield Stream(reply.status, reply.headers, pieces(), lambda: reply.flow.over)

    def greet(self, url: str, *, rules: Rules, seconds: float = 5.0) -> Greeting:
        """Resolve, judge, dial and shake hands once, send nothing, hang up.

        The first two steps of the connection test. Raises AddressRefused and Unreachable.
        """
        origin, _ = split(url)
        pool = self._pool(origin, rules)
        with self._watch(seconds) as alarm, contextlib.closing(pool.fresh()) as wire:
            return wire.dial(alarm)

    def judge(self, url: str, *, rules: Rules, seconds: float = 5.0) -> None:
        """Resolve and judge, dial nobody. Raises AddressRefused and Unreachable("dns")."""
        origin, _ = split(url)
        judge.resolve(self._network, origin.host, origin.port, rules, seconds)

    def close(self) -> None:
        """Hang up everywhere and end the watchdog; for the end of a process, and for tests."""
        self._watchdog.close()
        for pool in self._pools.values():
            pool.tidy(everything=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _exchange(
        self,
        method: str,
        url: str,
        rules: Rules,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
    ) -> Iterator[tuple[Reply, Alarm]]:
        origin, target = split(url)
        require_port(origin, rules)
        sent = self._headers(origin, headers)
        pool, name = self._pool(origin, rules), str(origin)
        status, seen = 0, dict[str, str]()
        self._pace.wait(name)
        try:
            with (
                self._watch(seconds) as alarm,
                pool.exchange(method, target, sent, body, alarm) as reply,
            ):
                yield reply, alarm
                status, seen = reply.status, reply.headers
        finally:
            self._pace.learn(name, seen, status)

    def _watch(self, seconds: float) -> contextlib.AbstractContextManager[Alarm]:
        return self._watchdog.watch(seconds if self._ends is None else self._ends.left(seconds))

    def _headers(self, origin: Origin, given: Mapping[str, str]) -> dict[str, str]:
        """What is sent. A value the library would refuse is refused here: it would quote it."""
        for name, value in given.items():
            if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
                raise BadAnswer("header", "a header holds characters that cannot be sent")
        ours = {"host": origin.authority, "user-agent": self._agent, "accept-encoding": "identity"}
        return {name.lower(): value for name, value in given.items()} | ours

    def _pool(self, origin: Origin, rules: Rules) -> Pool:
        pool = self._pools.get((origin, rules))
        if pool is None:
            made = Pool(origin, rules, self._network, self._trust, self._threads)
            pool = self._pools.setdefault((origin, rules), made)
        return pool

    def tidy(self) -> None:
        """Hang up what has been kept too long; the watchdog does it every half minute."""
        for pool in tuple(self._pools.values()):
            pool.tidy()


def _unexplained(answer: Answer) -> ProviderError | None:
    return None


def _unsigned(method: str, url: str, body: bytes) -> Mapping[str, str]:
    return {}


class Line:
    """One account's way to one origin: the token is added here and can go nowhere else.

    `auth` are the headers that carry the token, `headers` those of every request. `explain` reads
    an answer other than 2xx as the provider means it; None leaves it to the common table. `sign`
    adds the headers that prove one request: its method, its address, its body.
    """

    def __init__(
        self,
        door: Door,
        api_url: str,
        *,
        auth: Mapping[str, str],
        rules: Rules,
        explain: Callable[[Answer], ProviderError | None] = _unexplained,
        headers: Mapping[str, str] | None = None,
        sign: Callable[[str, str, bytes], Mapping[str, str]] = _unsigned,
    ) -> None:
        self._door, self._rules, self._explain, self._sign = door, rules, explain, sign
        self._origin, path = split(api_url)
        self._base = path.rstrip("/")
        self._auth = dict(auth)
        self._common = {"Accept": "application/json", **(headers or {})}

    def get(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = 15.0,
        **query: str,
    ) -> Answer:
        """GET below the API's address; query values are quoted, empty ones left out.

        A 304 is returned like a 2xx when the request was conditional. Raises ProviderError.
        """
        asked = {name: value for name, value in query.items() if value}
        mark = "&" if "?" in path else "?"
        target = path + (mark + urlencode(asked, quote_via=quote) if asked else "")
        return self._settled(self.bare("GET", target, headers=headers, seconds=seconds), headers)

    def follow(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """A "next" link of this API, as `get`. Raises BadAnswer("foreign_link") for any other."""
        try:
            origin, target = split(f"{self._origin}{url}" if url.startswith("/") else _lower(url))
        except AddressRefused:
            raise BadAnswer("foreign_link") from None
        inside = target.startswith(self._base + "/") and not _CLIMBS.search(target)
        if origin != self._origin or not inside:
            raise BadAnswer("foreign_link")
        below = target.removeprefix(self._base)
        return self._settled(self.bare("GET", below, headers=headers), headers)

    def post(self, path: str, data: Data | None = None, *, seconds: float = 15.0) -> Answer:
        return self._settled(self.bare("POST", path, data, seconds=seconds))

    def put(self, path: str, data: Mapping[str, Any], *, seconds: float = 15.0) -> Answer:
        return self._settled(self.bare("PUT", path, data, seconds=seconds))

    def patch(self, path: str, data: Mapping[str, Any], *, seconds: float = 15.0) -> Answer:
        return self._settled(self.bare("PATCH", path, data, seconds=seconds))

    def delete(self, path: str, data: Mapping[str, Any] | None = None) -> Answer:
        return self._settled(self.bare("DELETE", path, data))

    def bare(
        self,
        method: str,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = 15.0,
    ) -> Answer:
        """The answer of any status, unjudged. `data` is sent as JSON.
        Raises TokenRejected("characters") for a token that cannot travel in a header.
        """
        if not all(map(_VALUE.fullmatch, self._auth.values())):
            raise TokenRejected("characters")
        sent = {**self._common, **(headers or {}), **self._auth}
        body = None if data is None else json.dumps(data).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        url = f"{self._origin}{self._base}{path}"
        sent |= self._sign(method, url, body or b"")
        return self._door.ask(
            method, url, rules=self._rules, headers=sent, body=body, seconds=seconds
        )

    def _settled(self, answer: Answer, asked: Mapping[str, str] | None = None) -> Answer:
        conditional = any(name.lower() == "if-none-match" for name in asked or ())
        if 200 <= answer.status < 300 or (conditional and answer.status == 304):
            return answer
        raise self._clean(self._explain(answer) or failure_of(answer))

    def _clean(self, error: ProviderError) -> ProviderError:
        """A host that echoes the request would put the token into our sentence."""
        secrets = [word for value in self._auth.values() for word in value.split() if len(word) > 7]
        for name, fact in error.facts.items():
            if any(secret in fact for secret in secrets):
                error.facts[name] = ""
        if any(secret in error.detail for secret in secrets):
            error.detail, error.args = "", (error.reason,)
        return error


def _lower(url: str) -> str:
    """Scheme and host in lower case; the path as it is."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}{mark}{host.lower()}{slash}{path}"
