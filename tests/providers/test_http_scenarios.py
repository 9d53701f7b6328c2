"""Every behaviour of a far end in the corpus ends as one success or one class of error.

What a row means for a binding is shown where bindings are; here it is shown that no byte of a
token goes astray, that nobody is dialled who must not be, and how the provider's call ends.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers import oauth
from providers.errors import BadAnswer, ProviderError
from providers.github import GitHub
from providers.gitlab import GitLab
from providers.http import Door, Line
from providers.reading import MAX_PAGES
from providers.types import Credential, Host, Method, Repository, Rules
from tests.providers.certificates import Authority
from tests.providers.farend import Caller, FarEnd
from tests.providers.network import ADDRESS, NAME, FakeNetwork
from tests.providers.scenes import joined, no_tls, script_of, tls_of, variants

ROWS = {
    row["id"]: row
    for row in map(
        json.loads,
        (Path(__file__).parent / "corpora" / "http_scenarios.jsonl").read_text().splitlines(),
    )
}
TOKEN = "glpat-test-0123456789abcdef"
SECRETS = (TOKEN, "test-refresh-token-1", "test-client-secret")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OURS = Authority()
OK = ("ok", "")
REDIRECT, DEAF = ("BadAnswer", "redirect"), ("Unreachable", "timeout")
PROTOCOL, SHAPE = ("BadAnswer", "protocol"), ("BadAnswer", "shape")
NOT_JSON, ENCODED = ("BadAnswer", "not_json"), ("BadAnswer", "encoded")
LIMIT, TLS = ("RateLimited", "limit"), ("Unreachable", "tls")
UNKNOWN, PRIVATE = ("Unreachable", "tls_authority"), ("AddressRefused", "address_not_public")

ENDS: dict[str, tuple[str, str] | set[tuple[str, str]]] = {
    **dict.fromkeys(
        [f"http-0{n:02}" for n in (1, 3, 6, 7, 8, 9, 10, 15, 16, 18, 21, 22, 24, 25, 28)], REDIRECT
    ),
    **dict.fromkeys(["http-030", "http-032", "http-033", "http-174"], PRIVATE),
    **dict.fromkeys(["http-035", "http-037"], ("Unreachable", "dns")),
    **dict.fromkeys(["http-043", "http-044", "http-074", "http-093", "http-127"], OK),
    "http-046": ("BadAnswer", "too_big"),
    **dict.fromkeys(["http-049", "http-089", "http-090", "http-095", "http-170"], PROTOCOL),
    **dict.fromkeys(["http-050", "http-051", "http-052"], ENCODED),
    **dict.fromkeys(["http-055", "http-056", "http-057", "http-169"], DEAF),
    "http-062": ("Unreachable", "reset"),
    **dict.fromkeys(["http-063", "http-071"], NOT_JSON),
    "http-064": ("BadAnswer", "not_the_platform"),
    **dict.fromkeys(["http-067", "http-068", "http-161", "http-163"], SHAPE),
    "http-077": ("TokenRejected", "suspended"),
    "http-081": ("BadAnswer", "gateway"),
    "http-082": ("MissingScope", "scope"),
    "http-088": {("BadAnswer", "refused"), PROTOCOL},
    "http-094": ("BadAnswer", "not_the_platform"),
    **dict.fromkeys(["http-097", "http-102", "http-103"], UNKNOWN),
    **dict.fromkeys(["http-101", "http-111", "http-166"], ("Unreachable", "tls_name")),
    "http-106": TLS,
    "http-115": TLS,
    # Some servers say it in an alert, some just hang up.
    "http-114": {TLS, ("Unreachable", "reset")},
    "http-116": {TLS, ("Unreachable", "reset")},
    "http-118": ("BadAnswer", "truncated"),
    "http-120": ("BadAnswer", "foreign_link"),
    "http-125": ("Unreachable", "http_5xx"),
    "http-126": ("TokenRejected", "unknown"),
    **dict.fromkeys(["http-124", "http-129"], OK),
    **dict.fromkeys([f"http-{n}" for n in (131, 132, 134, 135, 136, 138, 139, 145, 148)], LIMIT),
    "http-147": {LIMIT, ("RateLimited", "secondary")},
    "http-152": ("BadAnswer", "client_config"),
    "http-153": ("Unreachable", "http_5xx"),
    **dict.fromkeys(["http-157", "http-159", "http-162", "http-164", "http-165", "http-173"], OK),
    "http-171": ("TokenRejected", "characters"),
}

NOT_RUN = {
    # Revocation lists and staples are not asked for: a host whose certificate was revoked is the
    # business of its owner, and an unreachable responder would take every binding with it.
    "http-105",
    # Nothing here signs with SHA-1 any more, so there is no such certificate to show; OpenSSL's
    # security level refuses it.
    "http-109",
}

WAITS = {"http-131": 1.0, "http-132": 60.0, "http-134": 3600.0, "http-135": 60.0, "http-136": 60.0}
WAITS |= {"http-138": 1.0, "http-139": 1.0, "http-148": 60.0}


class World:
    """One far end, one network, one door, and the account that is asked for."""

    def __init__(self, row: Mapping[str, Any], server: Mapping[str, Any], stack: ExitStack) -> None:
        setup = row["setup"]
        self.row, self.server = row, server
        word = setup.get("tls", "good")
        plain = word == "TLS answered on an http:// port" or row["id"] == "http-024"
        self.port = 80 if plain else 443
        self.base = f"{'http' if plain else 'https'}://{NAME}"
        dns = setup.get("dns", [[ADDRESS]])
        script = script_of(server, self.base, close=len(dns) > 1 and row["id"] != "http-174")
        script = no_tls if word == "plain HTTP answered on 443" else script
        tls = None if server.get("tls") or row["id"] == "http-024" else tls_of(word, OURS)
        self.far = stack.enter_context(FarEnd(script, tls=tls))
        self.evil = stack.enter_context(FarEnd(_refuse))
        self.network = FakeNetwork(
            {
                NAME: [] if dns == "servfail" else dns,
                "evil.example.net": ["93.184.216.66"],
                f"{NAME}.evil.net": ["93.184.216.66"],
                "proxy.corp.example": ["10.0.0.9"],
            },
            {(ADDRESS, self.port): self.far.place},
        )
        for port in (80, 443):
            self.network.routes["93.184.216.66", port] = self.evil.place
        self.door = stack.enter_context(Door(network=self.network))
        host = setup.get("host", {})
        self.rules = Rules(
            ca_bundle=OURS.pem if word != "untrusted root" else "",
            proxy=host.get("egress_proxy", ""),
        )
        self.credential = Credential(
            joined(setup.get("credential", TOKEN)), "test-refresh-token-1", kind=Method.TOKEN
        )
        self.host = Host(self.base, f"{self.base}/api/v4", "client", "test-client-secret")

    @property
    def account(self) -> GitLab:
        return GitLab(self.host, self.credential, self.door, self.rules)


def _refuse(caller: Caller) -> None:
    caller.request()


def bind_gitlab(world: World) -> object:
    if not GitLab.recognise(world.door, world.host.api_url, world.rules):
        raise BadAnswer("not_the_platform")
    return world.account.inspect()


def revalidate(world: World) -> object:
    if "secondary" in str(world.server.get("body")):
        return GitHub(world.host, world.credential, world.door, world.rules).inspect()
    return world.account.inspect()


def list_repos(world: World) -> list[Repository]:
    """A whole listing, as the cache reads it: all pages or an error, each repository once."""
    if len(world.row["setup"].get("dns", [])) == 3:
        world.account.inspect()
    found: dict[str, Repository] = {}
    cursor = ""
    for _ in range(MAX_PAGES):
        page = world.account.repositories(cursor=cursor)
        found |= {one.id: one for one in page.items}
        cursor = page.next
        if not cursor and world.row["id"] != "http-174":
            return list(found.values())
        world.network.later = 600.0
    raise BadAnswer("truncated")


def oauth_refresh(world: World) -> Credential:
    dialect = replace(GitLab.spec.oauth, refresh_needs_redirect=False)
    return oauth.refresh(
        world.host, dialect, world.credential, door=world.door, rules=world.rules, now=NOW
    )


def in_short(world: World) -> object:
    """One request of the account with little patience, for far ends that never come to an end."""
    token = {"Authorization": f"Bearer {TOKEN}"}
    line = Line(world.door, world.host.api_url, auth=token, rules=world.rules)
    return line.get("/user", seconds=0.4)


CALLS: dict[str, Callable[[World], object]] = {
    "bind_gitlab": bind_gitlab,
    "revalidate": revalidate,
    "sweep": revalidate,
    "list_repos": list_repos,
    "oauth_refresh": oauth_refresh,
}
RUNS = [
    pytest.param(row_id, server, id=f"{row_id}-{n}")
    for row_id, row in ROWS.items()
    if row_id not in NOT_RUN
    for n, server in enumerate(variants(row["setup"].get("server", {})))
]


def call_of(world: World) -> object:
    call = in_short if ENDS[world.row["id"]] == DEAF else CALLS[world.row["call"]]
    return call(world)


def end_of(world: World) -> tuple[tuple[str, str], object]:
    try:
        return OK, call_of(world)
    except ProviderError as failure:
        return (type(failure).__name__, failure.reason), failure


def tunnel(world: World, stack: ExitStack) -> FarEnd:
    """The proxy of row 173 in front of the far end."""

    def script(caller: Caller) -> None:
        caller.request()
        caller.say(b"HTTP/1.1 200 Go\r\n\r\n")
        caller.pass_on(world.far.place)

    proxy = stack.enter_context(FarEnd(script))
    world.network.routes["10.0.0.9", 3128] = proxy.place
    return proxy


@pytest.mark.parametrize(("row_id", "server"), RUNS)
def test_a_far_end_ends_as_it_must(
    row_id: str, server: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    row = ROWS[row_id]
    caplog.set_level(logging.DEBUG)
    with ExitStack() as stack:
        world = World(row, server, stack)
        proxy = tunnel(world, stack)
        end, result = end_of(world)

    wanted = ENDS[row_id]
    assert end in (wanted if isinstance(wanted, set) else {wanted}), result
    may_be_dialled = {(ADDRESS, world.port), ("10.0.0.9", 3128)}
    assert set(world.network.dialled) <= may_be_dialled
    assert stray(world.evil.heard + proxy.heard) == []
    if row["group"] == "tls" and end != OK:
        assert stray(world.far.heard) == []
    told = repr(result) + str(getattr(result, "facts", "")) + str(getattr(result, "args", ""))
    assert stray(told.encode() + caplog.text.encode()) == []
    assert len(world.far.requests) <= row["expect"].get("max_requests", MAX_PAGES)
    if row_id in WAITS:
        assert result.retry_after == pytest.approx(WAITS[row_id], abs=1)


def stray(heard: bytes) -> list[str]:
    return [secret for secret in SECRETS if secret.encode() in heard]


def test_every_row_has_its_end_and_what_is_left_out_may_be() -> None:
    assert set(ROWS) == set(ENDS) | NOT_RUN
    assert {ROWS[row_id]["level"] for row_id in NOT_RUN} == {"should"}
    assert len(ROWS) == 89


def test_a_missing_scope_is_named() -> None:
    """Row 082."""
    with ExitStack() as stack:
        row = ROWS["http-082"]
        _, failure = end_of(World(row, row["setup"]["server"], stack))
    assert failure.missing == ("api",)


def test_the_host_hears_the_name_that_was_typed() -> None:
    """Row 044: Host, SNI and certificate are all the typed name, though an address was dialled."""
    with ExitStack() as stack:
        world = World(ROWS["http-044"], {}, stack)
        end_of(world)
    assert set(world.far.names) == {NAME}
    hosts = [re.findall(rb"host: ([^\r]*)", asked)[0] for asked in world.far.requests]
    assert set(hosts) == {NAME.encode()}


def test_a_proxy_is_asked_for_an_address_and_learns_nothing() -> None:
    """Row 173."""
    with ExitStack() as stack:
        world = World(ROWS["http-173"], {}, stack)
        proxy = tunnel(world, stack)
        assert end_of(world)[0] == OK
    assert proxy.heard.startswith(f"CONNECT {ADDRESS}:443 HTTP/1.1\r\n".encode())
    assert world.network.dialled == [("10.0.0.9", 3128)]


def test_a_big_body_is_read_no_further_than_the_cap() -> None:
    """Row 046: 50 MB are offered, and the far end gets rid of little more than 2 MB of them."""
    gone: list[int] = []

    def script(caller: Caller) -> None:
        caller.request()
        caller.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(800):
            caller.say(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            gone.append(65_536)

    with ExitStack() as stack:
        world = World(ROWS["http-044"], {}, stack)
        world.far.script = script
        assert end_of(world)[0] == ("BadAnswer", "not_the_platform")
    # What lies in the buffers of both sockets was sent, but never read.
    assert sum(gone) < 16 * 1024 * 1024


def test_a_kept_refresh_token_and_its_successors() -> None:
    """Rows 157 and 159: an empty refresh token keeps the old one, an odd life is unknown."""
    for row_id in ("http-157", "http-159"):
        for server in variants(ROWS[row_id]["setup"]["server"]):
            with ExitStack() as stack:
                new = oauth_refresh(World(ROWS[row_id], server, stack))
            assert (new.token, new.refresh_token) == ("a2", "test-refresh-token-1")
            life = server["body"].get("expires_in")
            assert (new.expiry.at is not None) is (life == "7200")


def test_each_repository_is_listed_once() -> None:
    """Row 127."""
    with ExitStack() as stack:
        row = ROWS["http-127"]
        found = list_repos(World(row, row["setup"]["server"], stack))
    assert [one.id for one in found] == ["1", "2", "3", "4"]


def test_bad_answers_leave_no_socket_open() -> None:
    def open_files() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    for row_id in ("http-046", "http-049", "http-051", "http-089", "http-095", "http-101"):
        row = ROWS[row_id]
        for server in variants(row["setup"].get("server", {})):
            with ExitStack() as stack:
                assert end_of(World(row, server, stack))[0] != OK
    assert open_files() <= before
