"""The faults a far end can show: each name does on the wire what it says."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.hosts import Sandbox, ask

USER = "/api/v4/user"
PROJECTS = "/api/v4/projects"


def bearer(
    sandbox: Sandbox, provider: str = "gitlab", account: str = "build-bot"
) -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.token(provider, account)}"}


def raw(sandbox: Sandbox, path: str = USER, most: int = 1 << 30, wait: float = 10.0) -> bytes:
    """Every byte the sandbox sends for one request, up to `most`, or until `wait` seconds of
    silence."""
    request = f"GET /gitlab{path} HTTP/1.1\r\nHost: 127.0.0.1:{sandbox.port}\r\n"
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", sandbox.port), wait) as link:
        link.sendall(f"{request}Connection: close\r\n\r\n".encode())
        try:
            while len(heard) < most and (piece := link.recv(65536)):
                heard += piece
        except TimeoutError:
            pass
    return bytes(heard)


def test_a_fault_strikes_its_paths_so_many_times_and_no_more(sandbox: Sandbox) -> None:
    headers = bearer(sandbox)
    sandbox.fault("gitlab", "status:503", "/api/*/user", times=2, value=7)
    user = f"{sandbox.base('gitlab')}{USER}"
    first = ask("GET", user, headers=headers)
    assert (first.status, first.headers["retry-after"]) == (503, "7")
    assert ask("GET", f"{sandbox.base('gitlab')}{PROJECTS}", headers=headers).status == 200
    assert ask("GET", user, headers=headers).status == 503
    assert ask("GET", user, headers=headers).status == 200
    assert sandbox.state()["faults"][0]["struck"] == 2


def test_a_fault_may_wait_and_may_want_a_method(sandbox: Sandbox) -> None:
    headers = bearer(sandbox)
    sandbox.fault("gitlab", "status:500", PROJECTS, times=1, after=2)
    url = f"{sandbox.base('gitlab')}{PROJECTS}"
    assert [ask("GET", url, headers=headers).status for _ in range(4)] == [200, 200, 500, 200]
    sandbox.fault("gitlab", "status:500", "**/hooks", method="POST")
    hooks = f"{url}/1077/hooks"
    assert ask("GET", hooks, headers=headers).status == 200
    assert ask("POST", hooks, json_body={}, headers=headers).status == 500


def test_clearing_wakes_whoever_hangs(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "timeout")
    with socket.create_connection(("127.0.0.1", sandbox.port), 20) as link:
        link.sendall(b"GET /gitlab/api/v4/user HTTP/1.1\r\nHost: x\r\n\r\n")
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):
            link.recv(1)
        sandbox.clear_faults()
        link.settimeout(20)
        assert link.recv(1) == b""


@pytest.mark.parametrize("fault", ["refuse", "reset"])
def test_a_reset_is_a_reset(sandbox: Sandbox, fault: str) -> None:
    sandbox.fault("gitlab", fault)
    with pytest.raises(ConnectionResetError):
        raw(sandbox)


def test_a_hang_after_the_headers(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "hang_headers")
    heard = raw(sandbox, wait=0.5)
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heard.endswith(b"\r\n\r\n")


def test_a_drip_is_a_byte_at_a_time(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "drip_headers", value=3600)
    assert raw(sandbox, wait=0.5) == b"H"
    sandbox.fault("gitlab", "drip_body", value=3600)
    assert raw(sandbox, wait=0.5).partition(b"\r\n\r\n")[2] == b"{"
    sandbox.fault("gitlab", "drip_headers", value=0.001)
    assert json.loads(raw(sandbox).partition(b"\r\n\r\n")[2])["id"] == 1


def test_interim_answers_never_end(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "continue_forever")
    heard = raw(sandbox, most=500)
    assert heard.count(b"HTTP/1.1 100 Continue\r\n\r\n") >= 20
    assert b"200" not in heard


def test_early_hints_come_before_the_answer(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "early_hints")
    heard = raw(sandbox)
    assert heard.startswith(b"HTTP/1.1 103 ")
    assert b"HTTP/1.1 401 " in heard


def test_lengths_that_lie(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "truncated", times=1)
    heard = raw(sandbox)
    assert b"Content-Length: 4096" in heard
    assert heard.endswith(b'"al')
    sandbox.fault("gitlab", "content_length", times=1, value="10, 20")
    assert b"Content-Length: 10, 20\r\n" in raw(sandbox)
    sandbox.fault("gitlab", "te_cl", times=1)
    both = raw(sandbox)
    assert b"Content-Length: 4\r\n" in both
    assert b"Transfer-Encoding: chunked\r\n" in both


def test_tls_on_a_plain_port(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "tls")
    assert raw(sandbox)[:1] == b"\x15"


def test_floods(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "huge_body", times=1)
    assert len(raw(sandbox, most=60 << 20)) > 50 << 20
    sandbox.fault("gitlab", "many_headers", times=1)
    assert raw(sandbox).count(b"\r\n") > 10_000
    sandbox.fault("gitlab", "huge_header", times=1)
    assert len(raw(sandbox).partition(b"\r\n\r\n")[0]) > 1 << 20


def test_bombs(sandbox: Sandbox) -> None:
    user = f"{sandbox.base('gitlab')}{USER}"
    sandbox.fault("gitlab", "gzip_bomb", times=1, value=64 << 20)
    reply = ask("GET", user)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) * 500 < len(gzip.decompress(reply.body)) == 64 << 20
    sandbox.fault("gitlab", "gzip_bomb", times=1, value="deflate")
    assert len(zlib.decompress(ask("GET", user).body)) == 256 << 20
    for encoding in ("br", "zstd", "gzip, gzip"):
        sandbox.fault("gitlab", "gzip_bomb", times=1, value=encoding)
        assert ask("GET", user).headers["content-encoding"] == encoding


@pytest.mark.parametrize(
    ("fault", "value", "body"),
    [
        ("bad_json", None, b'{"id": 1, "username": "al'),
        ("null_json", None, b"null"),
        ("null_json", "[]", b"[]"),
        ("deep_json", 3, b"[[[]]]"),
        ("big_number", 7, b'{"id":9999999}'),
    ],
)
def test_strange_json(sandbox: Sandbox, fault: str, value: Any, body: bytes) -> None:
    sandbox.fault("gitlab", fault, value=value)
    reply = ask("GET", f"{sandbox.base('gitlab')}{USER}")
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["content-type"] == "application/json"


def test_pages_and_bodies_of_ones_own(sandbox: Sandbox) -> None:
    user = f"{sandbox.base('gitlab')}{USER}"
    sandbox.fault("gitlab", "html", times=1)
    assert ask("GET", user).headers["content-type"].startswith("text/html")
    sandbox.fault("gitlab", "html", times=1, value=502)
    assert ask("GET", user).status == 502
    own = {"status": 410, "headers": {"sunset": "now"}, "body": '{"gone": true}'}
    sandbox.fault("gitlab", "body", times=1, value=own)
    reply = ask("GET", user)
    assert (reply.status, reply.headers["sunset"], reply.json()) == (410, "now", {"gone": True})


def test_statuses_nobody_knows(sandbox: Sandbox) -> None:
    for status in (418, 451, 499, 999):
        sandbox.fault("gitlab", f"status:{status}", times=1)
        assert raw(sandbox).startswith(f"HTTP/1.1 {status} ".encode())


def test_redirects(sandbox: Sandbox) -> None:
    user = f"{sandbox.base('gitlab')}{USER}"
    sandbox.fault("gitlab", "redirect", times=1)
    reply = ask("GET", user)
    assert (reply.status, reply.headers["location"]) == (
        302,
        "http://169.254.169.254/latest/meta-data/",
    )
    target = {"status": 307, "location": "https://evil.example.net/"}
    sandbox.fault("gitlab", "redirect", times=1, value=target)
    assert ask("GET", user).status == 307
    sandbox.fault("gitlab", "redirect_loop", times=2)
    hop = ask("GET", user).headers["location"]
    assert ask("GET", hop).headers["location"].endswith("hop=2")


def test_an_echo_repeats_the_token(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "echo")
    reply = ask("GET", f"{sandbox.base('gitlab')}{USER}", headers=bearer(sandbox))
    assert reply.status == 400
    assert sandbox.token("gitlab", "build-bot") in reply.json()["message"]


@pytest.mark.parametrize(
    ("provider", "fault", "status", "text"),
    [
        ("gitlab", "unauthorized", 401, "401 Unauthorized"),
        ("github", "unauthorized", 401, "Bad credentials"),
        ("gitlab", "unauthorized_html", 401, "<html>"),
        ("gitlab", "unauthorized_text", 401, "Missing CSRF token."),
        ("gitlab", "unauthorized_empty", 401, ""),
        ("gitlab", "blocked_user", 403, "has been blocked"),
        ("github", "blocked_user", 403, "suspended"),
        ("gitlab", "insufficient_scope", 403, '"scope":"api"'),
        ("github", "login_lockout", 403, "Maximum number of login attempts"),
        ("github", "secondary_limit", 403, "secondary rate limit"),
    ],
)
def test_refusals_in_the_words_of_each_platform(
    sandbox: Sandbox, provider: str, fault: str, status: int, text: str
) -> None:
    account = {"gitlab": "build-bot", "github": "octavia"}[provider]
    sandbox.fault(provider, fault)
    reply = ask("GET", f"{sandbox.base(provider)}/x", headers=bearer(sandbox, provider, account))
    assert reply.status == status
    assert text in reply.body.decode()


def test_rate_limits_in_the_words_of_each_platform(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "rate_limit", value="17")
    reply = ask("GET", f"{sandbox.base('gitlab')}{USER}")
    assert (reply.status, reply.body) == (429, b"Retry later\n")
    assert reply.headers["content-type"].startswith("text/plain")
    assert (reply.headers["retry-after"], reply.headers["ratelimit-remaining"]) == ("17", "0")
    sandbox.fault("github", "rate_limit", value="17")
    limited = ask("GET", f"{sandbox.base('github')}/api/v3/user")
    assert limited.status == 429
    assert limited.headers["x-ratelimit-remaining"] == "0"
    wait = int(limited.headers["x-ratelimit-reset"]) - sandbox.state()["now"]
    assert 0 < wait <= 17


@pytest.mark.parametrize("value", ["0", "-5", "abc", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_may_be_anything(sandbox: Sandbox, value: str) -> None:
    sandbox.fault("gitlab", "rate_limit", value=value)
    reply = ask("GET", f"{sandbox.base('gitlab')}{USER}")
    assert reply.headers["retry-after"] == value


def test_an_answer_that_is_lost_was_acted_upon(sandbox: Sandbox) -> None:
    hooks = f"{sandbox.base('gitlab')}{PROJECTS}/1077/hooks"
    sandbox.fault("gitlab", "lost_answer", "**/hooks", times=1, method="POST")
    body = {"url": "http://127.0.0.1:9/"}
    with pytest.raises(OSError, match="reset"):
        ask("POST", hooks, json_body=body, headers=bearer(sandbox))
    assert len(ask("GET", hooks, headers=bearer(sandbox)).json()) == 1


def test_a_lost_refresh_answer_loses_only_refreshes(sandbox: Sandbox) -> None:
    token = sandbox.new_token("gitlab", "ann", "pair", ["api"], kind="oauth")
    refresh = sandbox.token_facts("gitlab", "ann", "pair")["refresh_token"]
    sandbox.fault("gitlab", "lost_refresh_answer", times=1)
    user = f"{sandbox.base('gitlab')}{USER}"
    headers = {"Authorization": f"Bearer {token}"}
    assert ask("GET", user, headers=headers).status == 200
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        "client_id": "mooring-sandbox",
        "client_secret": "sandbox-client-secret",
    }
    with pytest.raises(OSError, match="reset"):
        ask("POST", f"{sandbox.base('gitlab')}/oauth/token", form=form)
    assert ask("GET", user, headers=headers).status == 401
    assert sandbox.token_facts("gitlab", "ann", "pair")["generation"] == 2


def test_token_answers_can_be_bent(sandbox: Sandbox) -> None:
    form = {"client_id": "mooring-sandbox", "client_secret": "sandbox-client-secret"}
    endpoint = f"{sandbox.base('gitlab')}/oauth/token"

    def refreshed(name: str) -> dict[str, str]:
        sandbox.new_token("gitlab", "ann", name, ["api"], kind="oauth")
        refresh = sandbox.token_facts("gitlab", "ann", name)["refresh_token"]
        return {**form, "grant_type": "refresh_token", "refresh_token": refresh}

    sandbox.fault(
        "gitlab", "token_answer", times=1, value={"expires_in": None, "token_type": "mac"}
    )
    said = ask("POST", endpoint, form=refreshed("one")).json()
    assert (said["expires_in"], said["token_type"]) == (None, "mac")
    assert said["access_token"]
    sandbox.fault("gitlab", "form_answer", times=1)
    reply = ask("POST", endpoint, form=refreshed("two"))
    assert reply.headers["content-type"].startswith("application/x-www-form-urlencoded")
    for error, status in (("unauthorized_client", 400), ("invalid_client", 401)):
        sandbox.fault("gitlab", "token_error", "/oauth/token", times=1, value=error)
        refused = ask("POST", endpoint, form=refreshed("three"))
        assert (refused.status, refused.json()["error"]) == (status, error)
    sandbox.fault("github", "token_error", times=1, value="bad_refresh_token")
    odd = ask("POST", f"{sandbox.base('github')}/login/oauth/access_token", form=form)
    assert (odd.status, odd.json()["error"]) == (200, "bad_refresh_token")


def test_lists_that_lead_astray(sandbox: Sandbox) -> None:
    headers = bearer(sandbox)
    url = f"{sandbox.base('gitlab')}{PROJECTS}?per_page=5"

    def once(fault: str, value: Any = None, at: str = url) -> Any:
        sandbox.fault("gitlab", fault, times=1, value=value)
        return ask("GET", at, headers=headers)

    foreign = once("foreign_next", "http://evil.example.net/x")
    assert foreign.headers["link"] == '<http://evil.example.net/x>; rel="next"'
    endless = once("endless_next", None, f"{url}&page=90")
    assert endless.headers["x-next-page"] == "91"
    odd = once("next_page", "-1")
    assert odd.headers["x-next-page"] == "-1"
    assert "link" not in odd.headers
    empty = once("empty_next")
    assert empty.json() == []
    following = empty.headers["link"][1:].partition(">")[0]
    assert len(ask("GET", following, headers=headers).json()) == 5


def test_a_page_that_repeats_the_end_of_the_one_before(sandbox: Sandbox) -> None:
    headers = bearer(sandbox)
    sandbox.fault("gitlab", "repeat_items", PROJECTS)
    pages = []
    for number in (1, 2):
        query = urlencode({"per_page": 4, "page": number})
        reply = ask("GET", f"{sandbox.base('gitlab')}{PROJECTS}?{query}", headers=headers)
        pages.append([p["id"] for p in reply.json()])
    assert len(pages[0]) == 4
    assert len(pages[1]) == 5
    assert pages[1][0] == pages[0][-1]


def test_answers_that_changed_their_shape(sandbox: Sandbox) -> None:
    user = f"{sandbox.base('gitlab')}{USER}"
    headers = bearer(sandbox)
    sandbox.fault("gitlab", "set_keys", times=1, value={"id": "42", "new": {"a": 1}})
    assert ask("GET", user, headers=headers).json()["new"] == {"a": 1}
    sandbox.fault("gitlab", "drop_keys", times=1, value=["username"])
    assert "username" not in ask("GET", user, headers=headers).json()
    sandbox.fault("gitlab", "content_type", times=1)
    plain = ask("GET", user, headers=headers)
    assert (plain.headers["content-type"], plain.json()["id"]) == ("text/plain", 42)
    sandbox.fault("gitlab", "set_cookie", times=1)
    assert "set-cookie" in ask("GET", user, headers=headers).headers
    sandbox.fault("gitlab", "gzip", times=1)
    packed = ask("GET", user, headers=headers)
    assert json.loads(gzip.decompress(packed.body))["id"] == 42


def test_a_slow_answer_is_right_in_the_end(sandbox: Sandbox) -> None:
    sandbox.fault("gitlab", "slow", value=3600)
    with socket.create_connection(("127.0.0.1", sandbox.port), 0.3) as link:
        link.sendall(b"GET /gitlab/api/v4/user HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            link.recv(1)
        sandbox.clear_faults()
        link.settimeout(20)
        assert link.recv(12) == b"HTTP/1.1 401"


def test_a_throttled_answer_is_whole_in_the_end(sandbox: Sandbox) -> None:
    url = f"{sandbox.base('gitlab')}{PROJECTS}?per_page=100"
    whole = ask("GET", url, headers=bearer(sandbox)).json()
    sandbox.fault("gitlab", "throttle", value=100_000)
    assert ask("GET", url, headers=bearer(sandbox)).json() == whole


def test_control_is_never_struck(sandbox: Sandbox) -> None:
    sandbox.fault("*", "reset")
    assert sandbox.state()["faults"][0]["provider"] == "*"
    with pytest.raises(OSError, match="reset"):
        ask("GET", f"{sandbox.base('github')}/api/v3/user")
