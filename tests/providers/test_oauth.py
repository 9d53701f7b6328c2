"""The token endpoint in all its dialects: what is sent, what is read, what is nobody's fault."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from providers.errors import (
    BadAnswer,
    NotSupported,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.http import Door
from providers.oauth import exchange, refresh, revoke
from providers.types import Credential, Expiry, Host, Method, OAuthDialect, Quality, Rules
from tests.providers.farend import FarEnd, Script, always, once, reply
from tests.providers.network import NAME, FakeNetwork, towards

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOST = Host(f"http://{NAME}", f"http://{NAME}/api/v4", "client", "test-client-secret")
PLAIN = OAuthDialect("/oauth/authorize", "/oauth/token", revoke="/oauth/revoke")
BACK = "https://portal.example/oauth/callback/gitlab/"
OLD = Credential(
    "test-access-1",
    "test-refresh-1",
    scopes=frozenset({"api"}),
    expiry=Expiry(NOW, Quality.EXACT),
    refresh_expires_at=NOW + timedelta(days=9),
    kind=Method.OAUTH,
)


@contextmanager
def token_endpoint(script: Script) -> Iterator[tuple[FarEnd, Door]]:
    with FarEnd(script) as far, Door(network=towards(far.place)) as door:
        yield far, door


def refreshed(
    answer: Any, *, status: int = 200, kind: str = "application/json", old: Credential = OLD
) -> Credential:
    with token_endpoint(always(reply(answer, status=status, kind=kind))) as (_, door):
        return refresh(HOST, PLAIN, old, door=door, rules=Rules(), now=NOW)


def refused(answer: Any, *, status: int = 400, kind: str = "application/json") -> ProviderError:
    with pytest.raises(ProviderError) as failure:
        refreshed(answer, status=status, kind=kind)
    secrets = ("test-access-1", "test-refresh-1", "test-client-secret")
    told = repr(failure.value) + str(failure.value.facts)
    assert not any(secret in told for secret in secrets)
    return failure.value


def sent(far: FarEnd) -> dict[str, list[str]]:
    return parse_qs(far.requests[0].partition(b"\r\n\r\n")[2].decode(), keep_blank_values=True)


# -- what is sent --------------------------------------------------------------------------------


def test_a_code_is_exchanged_with_everything_that_was_promised() -> None:
    dialect = replace(PLAIN, pkce=True)
    with token_endpoint(always(reply({"access_token": "test-a"}))) as (far, door):
        exchange(HOST, dialect, "c1", BACK, "v" * 43, door=door, rules=Rules(), now=NOW)
    assert sent(far) == {
        "grant_type": ["authorization_code"],
        "code": ["c1"],
        "redirect_uri": [BACK],
        "code_verifier": ["v" * 43],
        "client_id": ["client"],
        "client_secret": ["test-client-secret"],
    }
    head = far.requests[0].partition(b"\r\n\r\n")[0]
    assert head.startswith(b"POST /oauth/token HTTP/1.1\r\n")
    assert b"accept: application/json" in head
    assert b"authorization" not in head


def test_no_verifier_goes_where_none_was_announced() -> None:
    with token_endpoint(always(reply({"access_token": "test-a"}))) as (far, door):
        exchange(HOST, PLAIN, "c1", BACK, "v" * 43, door=door, rules=Rules(), now=NOW)
    assert "code_verifier" not in sent(far)


def test_basic_authentication_keeps_the_secret_out_of_the_body() -> None:
    dialect = replace(PLAIN, basic_auth=True)
    with token_endpoint(always(reply({"access_token": "test-a"}))) as (far, door):
        refresh(HOST, dialect, OLD, door=door, rules=Rules(), now=NOW)
    assert sent(far) == {"grant_type": ["refresh_token"], "refresh_token": ["test-refresh-1"]}
    assert b"Basic " + b64encode(b"client:test-client-secret") in far.requests[0]


def test_a_refresh_repeats_the_redirect_where_it_must() -> None:
    dialect = replace(PLAIN, refresh_needs_redirect=True)
    with token_endpoint(always(reply({"access_token": "test-a"}))) as (far, door):
        refresh(HOST, dialect, OLD, BACK, door=door, rules=Rules(), now=NOW)
    assert sent(far)["redirect_uri"] == [BACK]


def test_a_refresh_without_client_sends_none() -> None:
    dialect = replace(PLAIN, refresh_needs_client=False)
    with token_endpoint(always(reply({"access_token": "test-a"}))) as (far, door):
        refresh(HOST, dialect, OLD, door=door, rules=Rules(), now=NOW)
    assert sent(far) == {"grant_type": ["refresh_token"], "refresh_token": ["test-refresh-1"]}


def test_without_a_refresh_token_nobody_is_asked() -> None:
    network = FakeNetwork()
    with Door(network=network) as door, pytest.raises(NotSupported, match="refresh"):
        refresh(HOST, PLAIN, Credential("test-a"), door=door, rules=Rules(), now=NOW)
    assert network.asked == []


def test_a_lost_answer_is_not_asked_for_again() -> None:
    def process_then_reset(caller: Any) -> None:
        caller.request()
        caller.reset()

    with (
        token_endpoint(process_then_reset) as (far, door),
        pytest.raises(Unreachable, match="reset"),
    ):
        refresh(HOST, PLAIN, OLD, door=door, rules=Rules(), now=NOW)
    assert len(far.requests) == 1


# -- what is read --------------------------------------------------------------------------------


def test_a_whole_answer_is_read_whole() -> None:
    new = refreshed(
        {
            "access_token": "test-a2",
            "refresh_token": "test-r2",
            "token_type": "Bearer",
            "expires_in": 7200,
            "refresh_token_expires_in": 86_400,
            "scope": "api read_user",
        }
    )
    assert new == Credential(
        "test-a2",
        "test-r2",
        scopes=frozenset({"api", "read_user"}),
        expiry=Expiry(NOW + timedelta(hours=2), Quality.EXACT),
        refresh_expires_at=NOW + timedelta(days=1),
        kind=Method.OAUTH,
    )


@pytest.mark.parametrize("empty", ["", None])
def test_an_answer_without_a_refresh_token_keeps_the_old_one(empty: str | None) -> None:
    new = refreshed({"access_token": "test-a2", "refresh_token": empty})
    assert (new.token, new.refresh_token) == ("test-a2", "test-refresh-1")
    assert new.refresh_expires_at == OLD.refresh_expires_at


def test_a_new_refresh_token_does_not_inherit_the_old_ones_end() -> None:
    new = refreshed({"access_token": "test-a2", "refresh_token": "test-r2"})
    assert new.refresh_expires_at is None


@pytest.mark.parametrize("odd", [None, 0, -1, 1e12, "soon", "", [], {}, True, "-5", "9" * 5000])
def test_an_odd_life_is_unknown_and_not_over(odd: object) -> None:
    assert refreshed({"access_token": "test-a2", "expires_in": odd}).expiry == Expiry()


@pytest.mark.parametrize("life", [7200, 7200.0, "7200"])
def test_a_life_is_counted_from_the_request(life: object) -> None:
    new = refreshed({"access_token": "test-a2", "expires_in": life})
    assert new.expiry == Expiry(NOW + timedelta(hours=2), Quality.EXACT)


@pytest.mark.parametrize(
    ("made", "ends"),
    [
        (NOW - timedelta(hours=1), NOW + timedelta(hours=1)),
        (NOW + timedelta(hours=1), NOW + timedelta(hours=2)),
        (NOW - timedelta(days=9), NOW + timedelta(hours=2)),
    ],
)
def test_a_token_handed_out_once_more_ends_when_it_did(made: datetime, ends: datetime) -> None:
    raw = {"access_token": "test-a2", "expires_in": 7200, "created_at": int(made.timestamp())}
    assert refreshed(raw).expiry.at == ends


@pytest.mark.parametrize(
    ("told", "scopes"),
    [
        ({"scope": "repo,read:org"}, {"repo", "read:org"}),
        ({"scope": "repo read:org"}, {"repo", "read:org"}),
        ({"scopes": "repository, webhook"}, {"repository", "webhook"}),
        ({"scope": ["a", "b"]}, {"a", "b"}),
        ({"scope": ""}, set()),
        ({}, {"api"}),
        ({"scope": None}, {"api"}),
    ],
)
def test_granted_scopes_are_read_in_every_spelling(told: dict[str, Any], scopes: set[str]) -> None:
    assert refreshed({"access_token": "test-a2", **told}).scopes == scopes


def test_githubs_form_is_an_answer_too() -> None:
    form = "access_token=test-a2&scope=repo%2Cread%3Aorg&token_type=bearer"
    new = refreshed(form, kind="application/x-www-form-urlencoded; charset=utf-8")
    assert (new.token, new.scopes) == ("test-a2", {"repo", "read:org"})


def test_a_long_token_is_a_token() -> None:
    assert refreshed({"access_token": "a" * 65_536}).token == "a" * 65_536


@pytest.mark.parametrize(
    "raw",
    [
        {"access_token": "a\r\nX: y"},
        {"access_token": "a b"},
        {"access_token": "é"},
        {"access_token": 7},
        {"access_token": ["a"]},
        {"access_token": "test-a2", "refresh_token": "r\n"},
        {"access_token": "test-a2", "token_type": "mac"},
        {"access_token": ""},
        {"token": "test-a2"},
        {},
    ],
)
def test_what_is_no_usable_token_is_a_bad_answer(raw: dict[str, Any]) -> None:
    failure = refused(raw, status=200)
    assert (type(failure), failure.reason) == (BadAnswer, "shape")


# -- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    ("word", "kind", "reason"),
    [
        ("invalid_grant", TokenRejected, "grant"),
        ("bad_refresh_token", TokenRejected, "grant"),
        ("bad_verification_code", TokenRejected, "grant"),
        ("invalid_client", BadAnswer, "client_config"),
        ("incorrect_client_credentials", BadAnswer, "client_config"),
        ("redirect_uri_mismatch", BadAnswer, "client_config"),
        ("invalid_scope", BadAnswer, "client_config"),
        ("unauthorized_client", BadAnswer, "client_config"),
        ("unsupported_grant_type", BadAnswer, "client_config"),
        ("temporarily_unavailable", Unreachable, "http_5xx"),
        ("server_error", Unreachable, "http_5xx"),
    ],
)
def test_an_error_is_an_error_whatever_its_status(
    word: str, kind: type[ProviderError], reason: str, status: int
) -> None:
    failure = refused({"error": word, "error_description": "words"}, status=status)
    assert (type(failure), failure.reason) == (kind, reason)


def test_gitea_says_in_its_sentence_which_trouble_it_is() -> None:
    for sentence in ("token was already used", "unable to parse refresh token"):
        spent = {"error": "unauthorized_client", "error_description": sentence}
        assert refused(spent).reason == "grant"
    for sentence in ("invalid client secret", "client is not authorized", ""):
        wrong = {"error": "unauthorized_client", "error_description": sentence}
        assert refused(wrong).reason == "client_config"


@pytest.mark.parametrize(
    ("status", "kind", "body", "error", "reason"),
    [
        (401, "application/json", b"", BadAnswer, "client_config"),
        (401, "text/html", b"<html>", BadAnswer, "gateway"),
        (403, "text/html", b"<html>", BadAnswer, "refused"),
        (404, "text/html", b"<html>", BadAnswer, "refused"),
        (400, "text/plain", b"no", BadAnswer, "refused"),
        (400, "application/json", b'{"error": "<script>"}', BadAnswer, "refused"),
        (429, "text/plain", b"Retry later", RateLimited, "limit"),
        (500, "application/json", b'{"error": "invalid_grant"}', Unreachable, "http_5xx"),
        (502, "text/html", b"<html>", Unreachable, "http_5xx"),
        (307, "text/html", b"", BadAnswer, "redirect"),
        (200, "text/html", b"<html>", BadAnswer, "not_json"),
        (200, "application/json", b"[]", BadAnswer, "shape"),
        (200, "application/x-www-form-urlencoded", b"\xff", BadAnswer, "shape"),
        (200, "application/x-www-form-urlencoded", b"a=1&" * 999, BadAnswer, "shape"),
    ],
)
def test_no_other_answer_says_anything_about_the_grant(
    status: int, kind: str, body: bytes, error: type[ProviderError], reason: str
) -> None:
    failure = refused(body, status=status, kind=kind)
    assert (type(failure), failure.reason) == (error, reason)


def test_an_unknown_word_is_not_repeated_unless_it_is_one() -> None:
    assert refused({"error": "slow_food"}).facts == {"error": "slow_food"}
    assert refused({"error": "test-refresh-1"}).facts == {"error": ""}


def test_secrets_do_not_follow_a_redirect() -> None:
    away = reply(status=307, headers={"Location": "http://evil.example.net/"})
    with FarEnd(always(away)) as far, FarEnd(once(reply({}))) as evil:
        network = towards(far.place)
        network.names["evil.example.net"] = ["93.184.216.66"]
        network.routes["93.184.216.66", 80] = evil.place
        with Door(network=network) as door, pytest.raises(BadAnswer, match="redirect"):
            refresh(HOST, PLAIN, OLD, door=door, rules=Rules(), now=NOW)
    assert evil.calls == 0


# -- revoking ------------------------------------------------------------------------------------


def test_one_token_is_revoked_with_the_apps_name() -> None:
    with token_endpoint(always(reply({}))) as (far, door):
        revoke(HOST, PLAIN, "test-access-1", door=door, rules=Rules())
    assert far.requests[0].startswith(b"POST /oauth/revoke ")
    assert sent(far)["token"] == ["test-access-1"]
    assert sent(far)["client_id"] == ["client"]


def test_a_host_that_cannot_revoke_is_not_asked() -> None:
    network = FakeNetwork()
    dialect = replace(PLAIN, revoke="")
    with Door(network=network) as door, pytest.raises(NotSupported, match="revoke"):
        revoke(HOST, dialect, "test-access-1", door=door, rules=Rules())
    assert network.asked == []


def test_a_wrong_app_is_the_operators_trouble() -> None:
    script = always(reply({"error": "invalid_client"}, status=401))
    with token_endpoint(script) as (_, door), pytest.raises(BadAnswer, match="client_config"):
        revoke(HOST, PLAIN, "test-access-1", door=door, rules=Rules())


def test_no_secret_is_in_a_repr() -> None:
    assert "test-" not in repr(HOST) + repr(OLD)
