"""CodeArts: keys and IAM tokens, clocks apart, tokens for downloads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from providers import codearts_keys as keyring
from providers.answer import Answer
from providers.codearts import CodeArts
from providers.codearts_keys import Keys
from providers.errors import BadAnswer, MissingScope, RateLimited, TokenRejected, Unreachable
from providers.http import Door
from providers.types import Expiry, Method, Quality
from tests import hosts
from tests.providers.canned import Says, account_of
from tests.providers.stage import Stage, all_repositories

API = "/v4"
IAM = "GET /v3/auth/tokens"
STS = "GET /v5/caller-identity"
LIST = f"GET {API}/user/repositories"
ONE = f"GET {API}/repositories/7"
USER = {"id": "u1", "name": "robot", "domain": {"id": "d1", "name": "acme-cloud"}}
WHO = Says({"token": {"user": USER, "expires_at": "2026-11-22T06:58:01.123456Z"}})
SIGNER = Says({"account_id": "d1", "principal_id": "u1", "principal_urn": "iam::d1:user:robot"})
PAIR = {
    "token": keyring.pack(Keys("AKSANDBOX", "sandbox-test-secret")),
    "kind": Method.PLATFORM,
}
PLATFORM = {"kind": Method.PLATFORM}
REPOSITORY = {"id": 7, "http_url_to_repo": "https://code.example/demo/api.git"}


def _error(status, code, text):
    return Says({"error_code": code, "error_msg": text}, status)


# -- the credential ------------------------------------------------------------------------------


def test_an_iam_token_travels_in_its_own_header_and_is_its_own_subject():
    with account_of(CodeArts, {IAM: WHO}, **PLATFORM) as (account, host):
        assert account.identify().id == "d1/u1"
    headers = host.asked[0].headers
    assert headers["x-auth-token"] == headers["x-subject-token"] == account.credential.token
    assert "authorization" not in headers


def test_a_pair_of_keys_signs_and_its_secret_stays_here():
    with account_of(CodeArts, {STS: SIGNER, LIST: Says([])}, **PAIR) as (account, host):
        found = account.inspect()
    assert (found.identity.id, found.identity.login) == ("d1/u1", "robot")
    for asked in host.asked:
        assert asked.headers["authorization"].startswith("SDK-HMAC-SHA256 Access=AKSANDBOX, ")
        assert asked.headers["content-type"] == "application/json"
        assert "x-auth-token" not in asked.headers
        assert "sandbox-test-secret" not in f"{asked.headers}{asked.line}"


@pytest.mark.parametrize(
    ("security", "known", "expected"),
    [
        ("", Expiry(), Quality.NEVER),
        ("sandbox-test-security", Expiry(), Quality.UNKNOWN),
        ("sandbox-test-security", Expiry(datetime(2027, 1, 1, tzinfo=UTC), Quality.EXACT), "exact"),
    ],
)
def test_a_pair_of_keys_has_no_end_but_a_temporary_one(security, known, expected):
    token = keyring.pack(Keys("AK", "sandbox-test-secret", security))
    answers = {STS: SIGNER, LIST: Says([])}
    with account_of(CodeArts, answers, token=token, expiry=known, **PLATFORM) as (account, _):
        assert account.inspect().expiry.quality == expected


class Clocked(CodeArts):
    """Signs `apart` seconds after the canned host's own clock, which stands still."""

    apart = 0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 7, 0, tzinfo=UTC) + timedelta(seconds=self.apart)


NO_SIGNATURE = _error(401, "APIGW.0301", "Incorrect IAM authentication information")
NO_TOKEN = Says({"error": {"code": 401, "message": "The token is wrong", "title": "?"}}, 401)


@pytest.mark.parametrize("ahead", [-1, 1])
@pytest.mark.parametrize(
    ("apart", "says", "error", "reason"),
    [
        (300, NO_SIGNATURE, TokenRejected, "unknown"),
        (301, NO_SIGNATURE, BadAnswer, "clock"),
        (301, Says({}, 429), RateLimited, "limit"),
        (301, Says({}, 503), Unreachable, "http_5xx"),
    ],
)
def test_a_refused_signature_says_nothing_while_the_clocks_are_apart(
    ahead, apart, says, error, reason
):
    with account_of(Clocked, {STS: says}, **PAIR) as (account, _):
        account.apart = ahead * apart
        with pytest.raises(error, match=reason) as caught:
            account.identify()
    assert "sandbox-test-secret" not in f"{caught.value!r}{caught.value.facts}"


def test_a_host_that_does_not_tell_the_time_is_believed():
    with account_of(CodeArts, {}, **PAIR) as (account, _):
        assert isinstance(account.explained(Answer(401, {}, b"{}")), TokenRejected)


def test_an_iam_token_asks_nothing_of_the_clock():
    with account_of(Clocked, {IAM: NO_TOKEN}, **PLATFORM) as (account, _):
        account.apart = 9999
        with pytest.raises(TokenRejected, match="unknown"):
            account.identify()


@pytest.mark.parametrize("token", ["a b c d", "AK ", "AK s\n", "钥 匙"])
def test_a_credential_that_no_header_can_hold_is_not_sent(token):
    with (
        account_of(CodeArts, {STS: SIGNER}, token=token, **PLATFORM) as (account, host),
        pytest.raises(TokenRejected, match="characters"),
    ):
        account.identify()
    assert host.asked == []


@pytest.mark.parametrize(
    ("shape", "of"),
    [
        ({**USER, "id": ""}, "id"),
        ({**USER, "name": None}, "name"),
        ({**USER, "domain": "d1"}, "domain"),
        ({**USER, "domain": {}}, "id"),
    ],
)
def test_a_user_without_what_identifies_it_is_a_bad_answer(shape, of):
    with (
        account_of(CodeArts, {IAM: Says({"token": {"user": shape}})}, **PLATFORM) as (account, _),
        pytest.raises(BadAnswer, match=f"without '{of}'"),
    ):
        account.identify()


@pytest.mark.parametrize("raw", [{}, {"account_id": "d1"}, {"principal_id": "u1"}])
def test_a_signer_without_what_identifies_it_is_a_bad_answer(raw):
    with (
        account_of(CodeArts, {STS: Says(raw)}, **PAIR) as (account, _),
        pytest.raises(BadAnswer, match="shape"),
    ):
        account.identify()


# -- tokens for downloads ------------------------------------------------------------------------

BEARERS = f"POST {API}/users/impersonation-bearer-tokens"
BEARER = {"id": 5, "token": "sandbox-bearer", "expires_at": "2026-11-21T07:15:00.000000Z"}


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(0, 900), (15, 900), (16, 960), (1440, 86_400), (9999, 86_400)]
)
def test_a_token_for_downloads_lives_as_long_as_asked_within_bounds(minutes, seconds):
    answers = {ONE: Says(REPOSITORY), BEARERS: Says(BEARER, 201)}
    with account_of(CodeArts, answers, **PLATFORM) as (account, host):
        made = account.mint("7", minutes)
    sent = host.asked[-1].json()
    assert sent == {"name": "Mooring", "duration": seconds, "scopes": ["download"]}
    assert (made.username, made.password, made.number) == ("private-token", "sandbox-bearer", "5")
    assert made.expires_at == datetime(2026, 11, 21, 7, 15, tzinfo=UTC)
    assert "sandbox-bearer" not in repr(made)


def test_an_end_that_is_not_told_is_reckoned_from_the_hosts_clock():
    told = {"id": 5, "token": "sandbox-bearer"}
    answers = {ONE: Says(REPOSITORY), BEARERS: Says(told, 201)}
    with account_of(CodeArts, answers, **PLATFORM) as (account, _):
        assert account.clone("7").expires_at == datetime(2026, 11, 21, 7, 15, tzinfo=UTC)


def test_without_the_right_to_download_there_is_no_token():
    answers = {ONE: Says(REPOSITORY), BEARERS: _error(403, "PAP5.0056", "没有权限")}
    with account_of(CodeArts, answers, **PLATFORM) as (account, _):
        for ask in (account.clone, lambda path: account.mint(path, 20)):
            with pytest.raises(MissingScope) as caught:
                ask("7")
            assert caught.value.missing == ("download",)


@pytest.mark.parametrize("said", [{}, {"id": 5}, {"id": 5, "token": None}, []])
def test_an_answer_without_a_token_is_a_bad_one(said):
    answers = {ONE: Says(REPOSITORY), BEARERS: Says(said, 201)}
    with (
        account_of(CodeArts, answers, **PLATFORM) as (account, _),
        pytest.raises(BadAnswer, match="shape"),
    ):
        account.mint("7", 20)


def test_a_number_cannot_climb_in_the_address():
    with account_of(CodeArts, {}, **PLATFORM) as (account, host):
        account.unmint("../../x")
    assert host.lines == [f"DELETE {API}/users/impersonation-bearer-tokens/..%2F..%2Fx"]


# -- before the sandbox --------------------------------------------------------------------------

RICH = "foundry00228/api"


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("codearts", sandbox, door, door, tmp_path)


def _pair(stage, name: str = "cloud-account", **other: str) -> Keys:
    known = stage.sandbox.token_facts("codearts", "acme-robot", name)
    security = f"sandbox-security-{known['token'][::-1]}" if name == "temporary" else ""
    return replace(Keys(known["client_id"], known["token"], security), **other)


def _signing(stage, keys: Keys) -> CodeArts:
    return stage.account_with(keyring.pack(keys))


@pytest.mark.parametrize("name", ["cloud-account", "temporary"])
def test_a_pair_of_keys_does_all_that_a_token_does(stage, name):
    account = _signing(stage, _pair(stage, name))
    assert account.inspect().identity == stage.account().identify()
    assert RICH in {one.path for one in all_repositories(account)}
    assert account.resolve_ref(RICH, "main").kind == "branch"
    hook = account.add_hook(RICH, url="http://127.0.0.1:9/hooks/测 试?a=b+c", secret="日本 ~*")
    assert [one.id for one in account.hooks(RICH)] == [hook.id]
    account.remove_hook(RICH, hook.id)
    clone = account.mint(RICH, 20)
    assert stage.git(clone, "ls-remote", clone.url).returncode == 0
    account.unmint(clone.number)
    assert stage.git(clone, "ls-remote", clone.url).returncode != 0
    account.unmint(clone.number)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "sandbox-wrong-secret"},
        {"access": "AKSANDBOXNOBODY"},
        {"security": "sandbox-test-security"},
        {"name": "revoked-keys"},
    ],
)
def test_a_wrong_pair_is_refused(stage, wrong):
    account = _signing(stage, _pair(stage, **wrong))
    for ask in (account.identify, account.repositories):
        with pytest.raises(TokenRejected, match="unknown"):
            ask()


@pytest.mark.parametrize("seconds", [-1000, 1000])
def test_apart_from_the_hosts_clock_a_pair_is_not_called_dead(stage, seconds):
    account = _signing(stage, _pair(stage))
    stage.sandbox.skew(seconds)
    for ask in (account.identify, account.repositories):
        with pytest.raises(BadAnswer, match="clock"):
            ask()
    stage.sandbox.skew(0)
    assert account.identify().login == "acme-robot"


def test_a_token_that_is_for_no_project_sees_nothing(stage):
    auth = {
        "identity": {
            "methods": ["password"],
            "password": {
                "user": {
                    "name": "acme-robot",
                    "password": "sandbox-password",
                    "domain": {"name": "acme-cloud"},
                }
            },
        }
    }
    asked = hosts.ask(
        "POST", f"{stage.sandbox.base('codearts')}/v3/auth/tokens", json_body={"auth": auth}
    )
    account = stage.account_with(asked.headers["x-subject-token"])
    assert account.identify() == stage.account().identify()
    with pytest.raises(MissingScope):
        account.repositories()


def test_the_user_name_for_git_can_be_set_by_the_operator(stage):
    at = replace(stage.host, options={"git_username": "acme-cloud/acme-robot"})
    known = stage.account().credential
    clone = CodeArts(at, known, stage.door, stage.rules).clone(RICH)
    assert clone.username == "acme-cloud/acme-robot"


def test_a_token_for_downloads_ends_with_the_keys_that_made_it(stage):
    clone = _signing(stage, _pair(stage)).mint(RICH, 20)
    assert stage.git(clone, "ls-remote", clone.url).returncode == 0
    stage.sandbox.revoke("cloud-account", "codearts", "acme-robot")
    assert stage.git(clone, "ls-remote", clone.url).returncode != 0


def test_archived_repositories_are_not_listed_but_answer_by_number(stage):
    account = stage.account()
    assert "foundry00228/old-site" not in {one.path for one in all_repositories(account)}
    assert account.repository("83007").archived
