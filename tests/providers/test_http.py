"""The door: what is sent, what is refused, and how every bad answer ends."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from providers.answer import Answer
from providers.errors import AddressRefused, BadAnswer, ProviderError, Unreachable
from providers.http import Door
from providers.types import Rules
from tests.providers.farend import Caller, FarEnd, always, drip, hang, mute, once, reply
from tests.providers.network import ADDRESS, NAME, FakeNetwork, towards

BASE = f"http://{NAME}"
TOKEN = "glpat-test-0123456789abcdef"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


def asked(script: Callable[[Caller], None], *, seconds: float = 5.0, cap: int = 4096) -> Answer:
    with FarEnd(script) as far, Door(network=towards(far.place)) as door:
        return door.ask("GET", f"{BASE}/x", rules=Rules(), headers={}, seconds=seconds, cap=cap)


def refusal(script: Callable[[Caller], None], *, seconds: float = 5.0) -> tuple[type, str]:
    with pytest.raises(ProviderError) as failure:
        asked(script, seconds=seconds)
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__ or failure.value.__context__ is None
    return type(failure.value), failure.value.reason


def test_an_answer_of_any_status_comes_back_whole() -> None:
    answer = asked(once(reply({"a": 1}, status=418, headers={"X-One": "1", "x-one": "2"})))
    assert answer.status == 418
    assert answer.object() == {"a": 1}
    assert answer.headers["x-one"] == "1, 2"


def test_a_header_over_several_lines_is_one_line() -> None:
    answer = asked(once(b"HTTP/1.1 204 No\r\nX-Long: a\r\n  b\r\nContent-Length: 0\r\n\r\n"))
    assert answer.headers["x-long"] == "a b"


# -- what is sent --------------------------------------------------------------------------------


def test_a_request_is_plain_and_carries_no_more_than_it_must() -> None:
    with FarEnd(always(reply({}))) as far, Door(network=towards(far.place)) as door:
        door.ask("POST", f"{BASE}/x?y=1", rules=Rules(), headers=AUTH, body=b"{}")
        door.ask("GET", f"{BASE}/z", rules=Rules(), headers={"Accept-Encoding": "gzip"})
    first, second = far.requests
    assert first.split(b"\r\n")[0] == b"POST /x?y=1 HTTP/1.1"
    sent = {line.split(b": ")[0].lower() for line in first.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]}
    wanted = {b"host", b"user-agent", b"accept-encoding", b"authorization", b"content-length"}
    assert sent == wanted
    assert b"host: gitlab.example.com\r\n" in first
    assert b"Mooring/1.0" in first
    assert second.count(b"accept-encoding: identity") == 1
    assert b"gzip" not in second
    assert far.calls == 1


@pytest.mark.parametrize("value", [f"{TOKEN}\r\nX: y", f"{TOKEN}\n", f"{TOKEN}\0", f"{TOKEN}é"])
def test_a_header_that_cannot_travel_is_refused_without_its_value(value: str) -> None:
    with FarEnd(hang) as far, Door(network=towards(far.place)) as door:
        with pytest.raises(BadAnswer, match="header") as failure:
            door.ask("GET", BASE, rules=Rules(), headers={"PRIVATE-TOKEN": value})
        assert TOKEN not in repr(failure.value) + str(failure.value.facts)
        assert failure.value.__context__ is None
    assert far.calls == 0


def test_cookies_are_neither_kept_nor_sent() -> None:
    cookie = reply({}, headers={"Set-Cookie": "_gitlab_session=x"})
    with FarEnd(always(cookie)) as far, Door(network=towards(far.place)) as door:
        for _ in range(2):
            door.ask("GET", BASE, rules=Rules(), headers={})
    assert b"cookie" not in far.heard.lower()


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with FarEnd(always(reply({}))) as far, FarEnd(hang) as proxy:
        place = f"http://127.0.0.1:{proxy.place[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, place)
        with Door(network=towards(far.place)) as door:
            assert door.ask("GET", BASE, rules=Rules(), headers={}).status == 200
    assert proxy.calls == 0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://gitlab.example.com/",
        "http://user@gitlab.example.com/",
        "http://gitlab.example.com/\r\nX: y",
        "http://gitlab.example.com/a b",
        "http://gitlab.example.com/#x",
        "http://gitlab.example.com\\@127.0.0.1/",
        "gitlab.example.com",
        "http://gitlab.example.com:80:80/",
    ],
)
def test_the_door_reads_addresses_strictly(url: str) -> None:
    network = FakeNetwork({NAME: [ADDRESS]})
    with Door(network=network) as door, pytest.raises(AddressRefused):
        door.ask("GET", url, rules=Rules(), headers={})
    assert network.dialled == []


def test_the_profile_decides_about_ports() -> None:
    network = FakeNetwork({NAME: [ADDRESS]})
    with Door(network=network) as door, pytest.raises(AddressRefused, match="port_not_allowed"):
        door.ask("GET", f"{BASE}:1024", rules=Rules(), headers={})
    assert network.dialled == []


# -- how bad answers end -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "end"),
    [
        (lambda caller: caller.reset(), (Unreachable, "reset")),
        (lambda caller: None, (Unreachable, "reset")),
        (lambda caller: caller.request() and caller.reset(), (Unreachable, "reset")),
        (once(b"garbage\r\n\r\n"), (BadAnswer, "protocol")),
        (once(b"HTTP/2.0 200 OK\r\n\r\n"), (BadAnswer, "protocol")),
        (once(b"HTTP/1.1 099 No\r\n\r\n"), (BadAnswer, "protocol")),
        (once(b"HTTP/1.1 abc No\r\n\r\n"), (BadAnswer, "protocol")),
        (once(b"HTTP/1.1 103 Early\r\n\r\n" + reply({})), (BadAnswer, "protocol")),
        (once(b"\x15\x03\x01\x00\x02\x02\x46"), (Unreachable, "tls")),
        (once(reply({}, headers={"X": "a" * 1_048_576})), (BadAnswer, "protocol")),
        (
            once(reply({}, headers={f"X-{n}": "a" for n in range(10_000)})),
            (BadAnswer, "protocol"),
        ),
        (once(reply(b"x" * 4097)), (BadAnswer, "too_big")),
        (
            once(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b"1000\r\n"
                + b"x" * 4096
                + b"\r\n1\r\nx\r\n0\r\n\r\n"
            ),
            (BadAnswer, "too_big"),
        ),
        (once(reply(b"short", headers={"Content-Length": "50"})), (BadAnswer, "short")),
        (
            once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
            (BadAnswer, "short"),
        ),
        (
            once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
            (BadAnswer, "short"),
        ),
        (once(reply({}, headers={"Content-Length": "-1"})), (BadAnswer, "protocol")),
        (once(reply({}, headers={"Content-Length": "10, 20"})), (BadAnswer, "protocol")),
        (once(reply({}, headers={"content-length": "7"})), (BadAnswer, "protocol")),
        (once(reply({}, headers={"Content-Length": "1e3"})), (BadAnswer, "protocol")),
        (once(reply({}, headers={"Transfer-Encoding": "chunked"})), (BadAnswer, "protocol")),
        (once(reply({}, headers={"Transfer-Encoding": "gzip"})), (BadAnswer, "protocol")),
        (once(reply(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})), (BadAnswer, "encoded")),
        (once(reply(b"x", headers={"Content-Encoding": "br"})), (BadAnswer, "encoded")),
    ],
)
def test_a_bad_answer_ends_as_one(script: Callable[[Caller], None], end: tuple[type, str]) -> None:
    assert refusal(script) == end


@pytest.mark.parametrize(
    "script",
    [
        mute,
        hang,
        drip(b"HTTP/1.1 200 OK\r\n", then=b"X-A: b\r\n"),
        drip(b"", then=b"HTTP/1.1 100 Continue\r\n\r\n", seconds=0.001),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", then=b"x"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", then=b"1\r\nx\r\n"),
        drip(b"HTTP/1.1 200 OK\r\n\r\n", then=b"x"),
    ],
)
def test_the_deadline_covers_heads_and_bodies_alike(script: Callable[[Caller], None]) -> None:
    assert refusal(script, seconds=0.4) == (Unreachable, "timeout")


def test_a_name_without_an_answer_is_unreachable_and_dials_nobody() -> None:
    network = FakeNetwork()
    with Door(network=network) as door, pytest.raises(Unreachable, match="dns"):
        door.ask("GET", BASE, rules=Rules(), headers={})
    assert network.dialled == []


def test_a_refused_connection_is_unreachable() -> None:
    network = FakeNetwork({NAME: [ADDRESS]})
    with Door(network=network) as door, pytest.raises(Unreachable, match="refused"):
        door.ask("GET", BASE, rules=Rules(), headers={})


def test_redirects_are_answers_and_are_never_followed() -> None:
    other = "93.184.216.99"
    with FarEnd(always(reply(status=302, headers={"Location": f"http://{other}/"}))) as far:
        network = towards(far.place)
        network.routes[other, 80] = far.place
        with Door(network=network) as door:
            assert door.ask("GET", BASE, rules=Rules(), headers=AUTH).status == 302
    assert network.dialled == [(ADDRESS, 80)]
    assert len(far.requests) == 1


def test_no_failure_and_no_log_line_holds_the_token(caplog: pytest.LogCaptureFixture) -> None:
    def echo(caller: Caller) -> None:
        caller.say(b"HTTP/1.1 200 OK\r\nbad header " + caller.request() + b"\r\n\r\n")

    caplog.set_level(logging.DEBUG)
    with (
        FarEnd(echo) as far,
        Door(network=towards(far.place)) as door,
        pytest.raises(BadAnswer, match="protocol") as failure,
    ):
        door.ask("GET", BASE, rules=Rules(), headers=AUTH)
    assert TOKEN not in repr(failure.value)
    assert TOKEN.encode() in far.heard
    assert TOKEN not in caplog.text
