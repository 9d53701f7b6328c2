"""Gitee: what it sends is understood, and what it refuses is told apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from providers import oauth
from providers.errors import (
    BadAnswer,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.gitee import Gitee
from providers.http import Door
from providers.types import Credential, Expiry, Host, Method, Quality, Rules
from tests.providers import goldens
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage, all_repositories

API = "/api/v5"
USER = f"GET {API}/user"
REPOSITORY = {
    "id": 77,
    "full_name": "alice/web",
    "default_branch": "master",
    "permission": {"admin": True},
}
ONE = f"GET {API}/repos/alice/web"
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
PAIR = {
    "access_token": "sandboxtestaccess",
    "token_type": "bearer",
    "expires_in": 86400,
    "refresh_token": "sandboxtestrefresh",
    "scope": "user_info projects hook",
    "created_at": 1795244400 - 60,
}


@pytest.mark.parametrize("name", goldens.names("gitee"))
def test_golden(name):
    goldens.check(Gitee, name)


# -- addresses -----------------------------------------------------------------------------------


def test_the_api_is_below_the_base():
    assert Gitee.api_url("https://gitee.com") == "https://gitee.com/api/v5"
    assert Gitee.hooks_page("https://gitee.com/a/b") == "https://gitee.com/a/b/hooks"


SPENT = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0"}


@pytest.mark.parametrize(
    ("says", "known"),
    [
        (Says({"message": "401 Unauthorized: Access token is required"}, 401), True),
        (Says({"message": "Rate Limit Exceeded"}, 403, SPENT), True),
        (Says({"message": "too many"}, 429, SPENT), True),
        (Says({"message": "401 Unauthorized"}, 401), False),
        (Says({"message": "Forbidden"}, 403), False),
        (Says(b"<html>", 401, {"content-type": "text/html"}), False),
        (Says(b"<html>", 200, {"content-type": "text/html"}), False),
        (Says({"message": "404"}, 404), False),
        (Says({"login": "alice"}), False),
    ],
)
def test_gitee_is_recognised_without_a_token(says, known):
    with canned({USER: says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        assert Gitee.recognise(door, f"{host.base_url}{API}", rules) is known
    assert "authorization" not in host.asked[0].headers


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says({}, 503), Unreachable),
        (Says({}, 429), RateLimited),
        (Says(b"", 301, {"location": "https://gitee.com/api/v5/user"}), BadAnswer),
    ],
)
def test_a_server_that_cannot_say_is_not_called_something_else(says, error):
    with canned({USER: says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        with pytest.raises(error):
            Gitee.recognise(door, f"{host.base_url}{API}", rules)


# -- the token -----------------------------------------------------------------------------------


def test_the_token_travels_in_a_header_and_the_client_says_who_it_is():
    with account_of(Gitee, {USER: Says({"id": 1, "login": "alice"})}) as (account, host):
        account.identify()
    asked = host.asked[0]
    assert asked.headers["authorization"] == f"Bearer {account.credential.token}"
    assert asked.headers["user-agent"].startswith("Mooring/")
    assert asked.line == USER


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        (None, set()),
        (frozenset(), {"list", "refs", "clone", "hooks"}),
        (frozenset({"user_info", "projects", "hook"}), set()),
        (frozenset({"user_info", "projects"}), {"hooks"}),
        (frozenset({"user_info", "hook"}), {"list", "refs", "clone"}),
    ],
)
def test_what_was_granted_is_compared_with_what_is_needed(scopes, missing):
    answers = {USER: Says({"id": 1, "login": "alice"})}
    with account_of(Gitee, answers, scopes=scopes) as (account, _):
        found = account.inspect()
    assert set(found.missing) == missing
    assert found.scopes == scopes


def test_an_end_is_only_what_was_told_with_the_token():
    answers = {USER: Says({"id": 1, "login": "alice"})}
    known = Expiry(NOW, Quality.EXACT)
    with account_of(Gitee, answers, expiry=known) as (account, _):
        assert account.inspect().expiry == known
    with account_of(Gitee, answers, expiry=known, kind=Method.TOKEN) as (account, _):
        assert account.inspect().expiry == Expiry()


# -- the pair ------------------------------------------------------------------------------------


def _traded(says, *, refresh):
    with canned({"POST /oauth/token": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        at = Host(host.base_url, f"{host.base_url}{API}", "client", "sandbox-client-secret")
        dialect = Gitee.spec.oauth
        if refresh:
            old = Credential("old", "sandboxtestold", kind=Method.OAUTH)
            got = oauth.refresh(at, dialect, old, "https://p", door=door, rules=rules, now=NOW)
        else:
            got = oauth.exchange(
                at, dialect, "c", "https://p", "v" * 43, door=door, rules=rules, now=NOW
            )
    return got, host.asked[0], dict(parse_qsl(host.asked[0].body.decode()))


def test_the_life_of_a_day_counts_from_its_creation():
    got, asked, sent = _traded(Says(PAIR), refresh=False)
    assert got.expiry == Expiry(datetime(2026, 11, 22, 6, 59, tzinfo=UTC), Quality.EXACT)
    assert got.scopes == {"user_info", "projects", "hook"}
    assert asked.headers["user-agent"].startswith("Mooring/")
    assert sent == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "https://p",
        "client_id": "client",
        "client_secret": "sandbox-client-secret",
    }


def test_without_a_creation_time_it_counts_from_the_request():
    got, _, _ = _traded(Says({**PAIR, "created_at": None}), refresh=False)
    assert got.expiry.at == datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def test_a_refresh_takes_no_client_and_leaves_nothing_in_the_address():
    got, asked, sent = _traded(Says({**PAIR, "refresh_token": None}), refresh=True)
    assert sent == {"grant_type": "refresh_token", "refresh_token": "sandboxtestold"}
    assert asked.line == "POST /oauth/token"
    assert got.refresh_token == "sandboxtestold"


@pytest.mark.parametrize(
    ("word", "error", "reason"),
    [
        ("invalid_grant", TokenRejected, "grant"),
        ("invalid_client", BadAnswer, "client_config"),
        ("invalid_scope", BadAnswer, "client_config"),
    ],
)
@pytest.mark.parametrize("status", [400, 401])
def test_the_error_word_decides_whatever_the_status_and_the_language(word, error, reason, status):
    says = Says({"error": word, "error_description": "授权方式无效"}, status)
    with pytest.raises(ProviderError) as caught:
        _traded(says, refresh=True)
    assert (type(caught.value), caught.value.reason) == (error, reason)


def test_a_403_of_the_token_endpoint_is_nothing_about_the_token():
    with pytest.raises(BadAnswer, match="refused"):
        _traded(Says(b"Forbidden", 403, {"content-type": "text/plain"}), refresh=True)


# -- repositories and refs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permission", "hookable"),
    [
        ({"admin": True}, True),
        ({"admin": False, "push": True}, False),
        ({"pull": True}, False),
        ({}, False),
        (None, None),
        ("odd", None),
    ],
)
def test_who_may_add_hooks(permission, hookable):
    answers = {ONE: Says({**REPOSITORY, "permission": permission})}
    with account_of(Gitee, answers) as (account, _):
        assert account.repository("alice/web").hookable is hookable


@pytest.mark.parametrize("path", ["web", "a/../b", "", "a/", "/a", "a/b/c", "a/."])
def test_what_cannot_be_a_repository_is_not_asked_for(path):
    with account_of(Gitee, {}) as (account, host), pytest.raises(NotFound):
        account.repository(path)
    assert host.asked == []


def test_a_number_nobody_has_is_not_found_after_the_last_page():
    pages = [
        Says([REPOSITORY], headers={"total_page": "2"}),
        Says([], headers={"total_page": "2"}),
    ]
    with (
        account_of(Gitee, {f"GET {API}/user/repos": pages}) as (account, host),
        pytest.raises(NotFound) as caught,
    ):
        account.repository("78")
    assert (caught.value.reason, len(host.asked)) == ("unknown", 2)


def test_a_list_that_never_ends_is_a_bad_answer():
    endless = Says([REPOSITORY], headers={"total_page": "999999"})
    with (
        account_of(Gitee, {f"GET {API}/user/repos": endless}) as (account, host),
        pytest.raises(BadAnswer, match="truncated"),
    ):
        account.repository("78")
    assert len(host.asked) == 200


@pytest.mark.parametrize(
    ("count", "header", "following"),
    [
        (100, {}, "2"),
        (99, {}, ""),
        (130, {}, ""),  # a host that does not know pages
        (20, {"total_page": "3"}, "2"),  # one that gives less than was asked for
        (100, {"total_page": "1"}, ""),
        (100, {"total_page": "many"}, "2"),
    ],
)
def test_the_end_of_a_list(count, header, following):
    rows = [{"name": f"b{n}", "commit": {"sha": "a" * 40}} for n in range(count)]
    answers = {f"{ONE}/tags": Says(rows, headers=header)}
    with account_of(Gitee, answers) as (account, _):
        page = account.tags("alice/web")
    assert (len(page.items), page.next) == (count, following)


@pytest.mark.parametrize("cursor", ["0", "-1", "x", "1.5", "https://evil.example/", "²"])
def test_a_cursor_that_is_no_page_is_refused(cursor):
    with (
        account_of(Gitee, {}) as (account, host),
        pytest.raises(BadAnswer, match="foreign_link"),
    ):
        account.repositories(cursor=cursor)
    assert host.asked == []


def test_refs_are_resolved_by_git_itself():
    def packet(text):
        return f"{len(text) + 5:04x}{text}\n"

    tip, peeled = "a" * 40, "c" * 40
    lines = [f"{tip} HEAD\0symref=HEAD:refs/heads/master", f"{tip} refs/heads/master"]
    lines += [f"{'b' * 40} refs/tags/v1", f"{peeled} refs/tags/v1^{{}}"]
    body = packet("# service=git-upload-pack") + "0000" + "".join(map(packet, lines)) + "0000"
    git = "GET /alice/web.git/info/refs"
    kind = {"content-type": "application/x-git-upload-pack-advertisement"}
    with account_of(Gitee, {ONE: Says(REPOSITORY), git: Says(body.encode(), 200, kind)}) as (a, h):
        assert a.resolve_ref("alice/web", "v1").commit == peeled
        assert a.resolve_ref("alice/web", "master").full == "refs/heads/master"
        with pytest.raises(NotFound) as caught:
            a.resolve_ref("alice/web", "refs/heads/v1")
    assert caught.value.facts == {"ref": "refs/heads/v1"}
    assert h.asked[-1].headers["authorization"].startswith("Basic ")


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("gitee", sandbox, door, door, tmp_path)


def test_without_groups_repositories_of_organizations_are_missing_and_that_is_told(stage):
    own = stage.account("own")
    assert own.inspect().notices == (("SCOPE-03", {}),)
    assert {one.owner for one in all_repositories(own)} == {"octavia", "otto"}
    everything = stage.account()
    assert everything.inspect().notices == ()
    assert "acme-inc" in {one.owner for one in all_repositories(everything)}


def test_a_spent_hour_is_a_limit_and_no_permission(stage):
    account = stage.account()
    stage.sandbox.set_budget("gitee", "octavia", 1)
    assert account.identify().login == "octavia"
    with pytest.raises(RateLimited):
        account.identify()


def test_strangers_who_asked_too_often_still_find_gitee(stage):
    api = Gitee.api_url(stage.sandbox.base("gitee"))
    known = [Gitee.recognise(stage.door, api, stage.rules) for _ in range(62)]
    assert all(known)
    assert stage.sandbox.requests("gitee")[-1]["status"] == 403


def test_a_whole_day_passes_and_the_pair_goes_on(stage):
    stage.sandbox.new_token("gitee", "octavia", "pair", ["user_info", "projects"], kind="oauth")
    facts = stage.sandbox.token_facts("gitee", "octavia", "pair")
    stage.sandbox.skew(86_500)
    with pytest.raises(TokenRejected, match="expired"):
        stage.account_with(facts["token"]).identify()
    pair = Credential(facts["token"], facts["refresh_token"], kind=Method.OAUTH)
    nobody = replace(stage.host, client_id="", client_secret="")
    fresh = oauth.refresh(
        nobody, Gitee.spec.oauth, pair, door=stage.door, rules=stage.rules, now=datetime.now(UTC)
    )
    assert fresh.scopes == {"user_info", "projects"}
    assert stage.account_with(fresh.token).identify().login == "octavia"
