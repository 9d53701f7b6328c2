"""One request of the command line: where it may go, when it is repeated, how it is refused."""

from __future__ import annotations

import socket

import pytest

from portal.cli.client import Client, Refused, Usage, piece, site_of
from portal.ground import bearer
from tests.portal.cli.strangers import stranger

TOKEN = bearer.make("mrg")
BUSY = {"code": "X-RATE-01", "detail": "Too many requests.", "status": 429}


@pytest.mark.parametrize(
    ("typed", "site"),
    [
        ("https://portal.example", "https://portal.example"),
        (" https://Portal.Example:8443/ ", "https://portal.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
    ids=["plain", "untidy", "loopback", "localhost", "loopback-6"],
)
def test_a_portal_is_an_origin(typed: str, site: str) -> None:
    assert site_of(typed) == site


@pytest.mark.parametrize(
    "typed",
    [
        "http://portal.example",
        "http://127.0.0.1.portal.example",
        "https://somebody@portal.example",
        "https://portal.example/t/acme/",
        "https://portal.example?x=1",
        "ftp://portal.example",
        "portal.example",
        "https://",
        'https://portal.example"; rm',
        "https://portal.example\n.evil.example",
    ],
    ids=[
        "no-tls",
        "looks-like-loopback",
        "user",
        "path",
        "query",
        "scheme",
        "bare",
        "empty",
        "quote",
        "line-break",
    ],
)
def test_a_token_goes_nowhere_else(typed: str) -> None:
    with pytest.raises(Usage):
        site_of(typed)


@pytest.mark.parametrize(
    "token",
    ["glpat-test", "mrg_short", f"{TOKEN}\r\nX: y"],
    ids=["another's", "short", "two-lines"],
)
def test_what_is_no_token_of_ours_is_not_sent(token: str) -> None:
    with pytest.raises(Usage) as wrong:
        Client("https://portal.example", token)
    assert token not in str(wrong.value)


def test_a_redirect_is_not_followed() -> None:
    with stranger((200, {}, {"data": []})) as other:
        away = (307, {"Location": f"{other.url}/api/v1/me"}, "")
        with stranger(away) as here, pytest.raises(Refused):
            Client(here.url, TOKEN).get("/me")
        assert (len(here.asked), other.asked) == (1, [])


def test_it_waits_as_long_as_it_is_told_and_keeps_its_key() -> None:
    busy = (429, {"Retry-After": "0"}, BUSY)
    with stranger(busy, (503, {"Retry-After": "0"}, ""), (201, {}, {"id": "x"})) as here:
        answer = Client(here.url, TOKEN).post("/bindings/x/leases", {"ttl": 60})
    assert (answer.status, answer.body) == (201, {"id": "x"})
    keys = {one.headers["idempotency-key"] for one in here.asked}
    assert (len(here.asked), len(keys)) == (3, 1)
    assert {one.headers["authorization"] for one in here.asked} == {f"Bearer {TOKEN}"}


def test_it_does_not_wait_for_hours() -> None:
    with stranger((429, {"Retry-After": "3600"}, BUSY)) as here, pytest.raises(Refused) as no:
        Client(here.url, TOKEN).get("/me")
    assert (no.value.code, no.value.status, len(here.asked)) == ("X-RATE-01", 429, 1)


@pytest.mark.parametrize(
    "answer",
    [(200, {}, "<html>Sign in</html>"), (502, {}, "<html>Bad gateway</html>"), (200, {}, [1])],
    ids=["page", "gateway", "list"],
)
def test_another_server_is_recognised(answer: tuple[int, dict[str, str], object]) -> None:
    with stranger(answer) as here, pytest.raises(Refused, match="not one of a Mooring portal"):
        Client(here.url, TOKEN).get("/me")


def test_a_portal_that_is_away_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        site = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Refused, match="cannot be reached") as away:
            Client(site, TOKEN).ask("DELETE", "/leases/x")
    assert TOKEN not in str(away.value)


def test_sentences_come_in_the_language_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    with stranger((200, {}, {})) as here:
        for spoken in ("zh_CN.UTF-8", "de_DE.UTF-8"):
            monkeypatch.setenv("LANG", spoken)
            Client(here.url, TOKEN).get("/me")
    assert [one.headers["accept-language"] for one in here.asked] == ["zh-hans", "en"]


def test_all_pages_are_read() -> None:
    first = (200, {}, {"data": [1, 2], "next_cursor": "c", "meta": {"stale": True}})
    with stranger(first, (200, {}, {"data": [3], "next_cursor": None})) as here:
        whole = Client(here.url, TOKEN).whole("/x", [("q", "a&b")])
    assert whole == {"data": [1, 2, 3], "next_cursor": None, "meta": {"stale": True}}
    assert [one.path for one in here.asked] == ["/api/v1/x?q=a%26b", "/api/v1/x?q=a%26b&cursor=c"]


def test_a_piece_of_a_path_stays_one() -> None:
    assert piece("platform/../api?x#y") == "platform%2F..%2Fapi%3Fx%23y"
