"""Gitea and Forgejo: what they send is understood, and what they refuse is told apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from providers import gitea_words as words
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    TokenRejected,
    Unreachable,
)
from providers.gitea import Gitea
from providers.http import Door
from providers.types import Expiry, Method, Purpose, Quality, Rules
from tests.providers import goldens
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage, all_repositories

API = "/api/v1"
USER = Says({"id": 7, "login": "build-bot"})
SILENT = {f"GET {API}/user": USER, f"GET {API}/user/repos": Says([])}
STRANGER = Says({"message": "Only signed in user is allowed to call APIs."}, 403)
REPOSITORY = {
    "id": 77,
    "full_name": "workshop/engine",
    "clone_url": "https://git.acme.example/workshop/engine.git",
    "html_url": "https://git.acme.example/workshop/engine",
    "default_branch": "main",
}
ENGINE = f"GET {API}/repos/workshop/engine"


@pytest.mark.parametrize("name", goldens.names("gitea"))
def test_golden(name):
    goldens.check(Gitea, name)


# -- addresses -----------------------------------------------------------------------------------


def test_the_api_is_below_the_base_with_its_relative_root():
    assert Gitea.api_url("https://acme.example/git") == "https://acme.example/git/api/v1"


def test_pages_for_people():
    base = "https://git.acme.example"
    assert Gitea.token_page(base, "mooring") == f"{base}/user/settings/applications"
    assert Gitea.hooks_page(f"{base}/a/b") == f"{base}/a/b/settings/hooks"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("0123456789abcdef0123456789abcdef01234567", ""),
        ("correct-horse-battery-test", "TOK-03"),
        ("0123456789abcdef", "TOK-03"),
    ],
)
def test_what_may_be_a_password_is_named_before_it_is_sent(token, code):
    assert Gitea.foreign_token(token) == code


@pytest.mark.parametrize(
    ("says", "known"),
    [
        (Says({"version": "1.25.2"}), True),
        (Says({"version": "9.0.3+gitea-1.22.0"}), True),
        (Says({"version": "v1.19.0-rc1"}), True),
        (STRANGER, True),
        (Says({"version": "newest"}), False),
        (Says({"release": "1.2"}), False),
        (Says({"message": "Forbidden"}, 403), False),
        (Says({"message": "token is required"}, 401), False),
        (Says(b"", 404), False),
        (Says(b"<html>", 200, {"content-type": "text/html"}), False),
    ],
)
def test_gitea_is_recognised_without_a_token(says, known):
    with canned({f"GET {API}/version": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        assert Gitea.recognise(door, f"{host.base_url}{API}", rules) is known
    assert "authorization" not in host.asked[0].headers


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says({}, 503), Unreachable),
        (Says(b"", 301, {"location": "https://acme.example/api/v1/version"}), BadAnswer),
    ],
)
def test_a_server_that_cannot_say_is_not_called_something_else(says, error):
    with canned({f"GET {API}/version": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        with pytest.raises(error):
            Gitea.recognise(door, f"{host.base_url}{API}", rules)


# -- the token -----------------------------------------------------------------------------------


def test_the_token_travels_in_gitea_s_own_words():
    with account_of(Gitea, {f"GET {API}/user": USER}) as (account, host):
        account.identify()
    assert host.asked[0].headers["authorization"] == f"token {account.credential.token}"


def test_the_end_of_an_oauth_token_is_what_was_said_when_it_was_issued():
    known = Expiry(datetime(2026, 11, 21, 8, 59, tzinfo=UTC), Quality.EXACT)
    with account_of(Gitea, SILENT, expiry=known) as (account, _):
        assert account.inspect().expiry == known


def test_a_typed_token_has_no_end_that_anybody_knows():
    with account_of(Gitea, SILENT, kind=Method.TOKEN) as (account, _):
        assert account.inspect().expiry == Expiry()


@pytest.mark.parametrize(
    "says",
    [
        Says({"message": "webhooks disabled by administrator"}, 403),
        Says({"message": "The target couldn't be found."}, 404),
        Says({"message": "[]: json: cannot unmarshal"}, 422),
        Says({"message": "user should be an owner or a collaborator"}, 403),
    ],
)
def test_a_hook_that_could_be_looked_for_lacks_no_scope(says):
    silent = {"message": "token does not have at least one of required scope(s): [read:admin]"}
    answers = {
        f"GET {API}/user": USER,
        f"GET {API}/admin/cron": Says(silent, 403),
        f"GET {API}/user/repos": Says([REPOSITORY]),
        f"PATCH {API}/repos/workshop/engine/hooks/{2**63 - 1}": says,
    }
    with account_of(Gitea, answers, kind=Method.TOKEN) as (account, host):
        assert account.inspect().missing == {}
    assert host.asked[-1].json() == {}


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("1.15.11", False),
        ("1.18.5", False),
        ("1.19.0", True),
        ("1.25.2+dev-12-g0a1b2c3", True),
        ("1.18.5-0+gitea-1.18.5", False),
        ("9.0.3+gitea-1.22.0", True),
        ("", True),
    ],
)
def test_tokens_can_be_limited_since_a_version(version, known):
    assert words.knows_scopes(version) is known


def test_a_refusal_that_is_not_gitea_s_own_tells_no_scopes():
    refused = Says({"message": "Forbidden by policy"}, 403)
    answers = {**SILENT, f"GET {API}/admin/cron": refused}
    with account_of(Gitea, answers, kind=Method.TOKEN) as (account, host):
        found = account.inspect()
    assert (found.scopes, found.missing, found.notices) == (None, {}, ())
    assert host.lines[-1] == f"GET {API}/user/repos?limit=1"


def test_trouble_while_asking_for_scopes_says_nothing_about_them():
    answers = {f"GET {API}/user": USER, f"GET {API}/admin/cron": Says({}, 502)}
    with account_of(Gitea, answers) as (account, _), pytest.raises(Unreachable):
        account.inspect()


# -- repositories and refs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permissions", "hookable", "name"),
    [
        ({"admin": True, "push": True, "pull": True}, True, "admin"),
        ({"admin": False, "push": True, "pull": True}, False, "write"),
        ({"admin": False, "push": False, "pull": True}, False, "read"),
        ({}, False, ""),
        (None, None, ""),
        ("odd", None, ""),
    ],
)
def test_who_may_add_hooks(permissions, hookable, name):
    with account_of(Gitea, {ENGINE: Says({**REPOSITORY, "permissions": permissions})}) as (a, _):
        found = a.repository("workshop/engine")
    assert (found.hookable, found.access_name) == (hookable, name)


@pytest.mark.parametrize("path", ["api", "a/../b", "", "a/", "/a", "a/b/c"])
def test_what_cannot_be_a_repository_is_not_asked_for(path):
    with account_of(Gitea, {}) as (account, host), pytest.raises(NotFound):
        account.repository(path)
    assert host.asked == []


@pytest.mark.parametrize(
    "away",
    [
        "https://evil.example/api/v1/repos/workshop/engine",
        "/other/api/v1/repos/workshop/engine",
        "/api/v1/repos/%2e%2e/%2e%2e",
        "/api/v1/user",
        "",
    ],
)
def test_a_rename_is_followed_below_our_own_address_only(away):
    answers = {f"GET {API}/repos/old/engine": Says(b"", 307, {"location": away})}
    with (
        account_of(Gitea, answers) as (account, host),
        pytest.raises(BadAnswer, match="redirect"),
    ):
        account.repository("old/engine")
    assert len(host.asked) == 1


def test_a_list_without_link_ends_when_all_that_was_counted_has_come():
    row = {"name": "v1", "commit": {"sha": "a" * 40}}
    answers = {
        f"{ENGINE}/tags": [
            Says([row] * 2, headers={"x-total-count": "3"}),
            Says([row], headers={"x-total-count": "3"}),
        ]
    }
    with account_of(Gitea, answers) as (account, host):
        first = account.tags("workshop/engine")
        last = account.tags("workshop/engine", cursor=first.next)
    assert (len(first.items), len(last.items), last.next) == (2, 1, "")
    assert [line.partition("?")[2] for line in host.lines] == ["limit=50", "page=2&limit=2"]


def test_where_a_link_leads_back_only_the_list_is_over_whatever_was_counted():
    headers = {"x-total-count": "90", "link": f'<{{base}}{API}/user/repos?page=1>; rel="prev"'}
    with account_of(Gitea, {f"GET {API}/user/repos": Says([REPOSITORY], headers=headers)}) as (
        a,
        _,
    ):
        assert a.repositories().next == ""


@pytest.mark.parametrize("headers", [{}, {"x-total-count": "many"}, {"x-total-count": "0"}])
def test_a_list_that_counts_nothing_is_over(headers):
    row = {"name": "v1", "commit": {"sha": "a" * 40}}
    with account_of(Gitea, {f"{ENGINE}/tags": Says([row], headers=headers)}) as (account, _):
        assert account.tags("workshop/engine").next == ""


def test_a_ref_that_is_no_ref_to_gitea_is_not_there():
    answers = {f"{ENGINE}/git/commits/ddddddd": Says({"message": "no valid ref"}, 422)}
    with (
        account_of(Gitea, {**answers, ENGINE: Says(REPOSITORY)}) as (account, _),
        pytest.raises(NotFound) as caught,
    ):
        account.resolve_ref("workshop/engine", "ddddddd")
    assert (caught.value.reason, caught.value.facts) == ("ref", {"ref": "ddddddd"})


def test_a_commit_is_asked_for_without_its_files():
    answers = {f"{ENGINE}/git/commits/{'d' * 40}": Says({"sha": "d" * 40})}
    with account_of(Gitea, answers) as (account, host):
        assert account.resolve_ref("workshop/engine", "d" * 40).kind == "commit"
    assert host.lines[-1].endswith("?stat=false&verification=false&files=false")


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("gitea", sandbox, door, door, tmp_path)


def test_a_token_for_public_repositories_is_noticed_and_sees_no_others(stage):
    account = stage.account("public")
    codes = [code for code, _ in account.inspect().notices]
    assert codes == ["SCOPE-04", "SCOPE-05"]
    assert {one.visibility for one in all_repositories(account)} == {"public"}
    with pytest.raises(NotFound, match="hidden"):
        account.repository("workshop/engine")


def test_far_too_much_is_noticed(stage):
    found = stage.account("everything").inspect()
    assert (found.scopes, found.notices) == ({"all"}, (("TOK-06", {}),))


def test_an_old_server_is_noticed_with_its_version(stage):
    stage.fault("old_server")
    found = stage.account("reduced").inspect()
    assert (found.version, found.missing) == ("1.15.11", {})
    assert found.notices == (("API-02", {"version": "1.15.11"}),)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("full", {}),
        ("reduced", {Purpose.HOOKS: ("write:repository",)}),
        ("user-only", dict(Gitea.spec.scopes)),
    ],
)
def test_a_server_that_tells_no_scopes_is_tried(stage, name, missing):
    stage.fault("old_version", value="9.0.3+gitea-1.22.0")
    found = stage.account(name).inspect()
    assert (found.scopes, found.missing) == (None, missing)


def test_trying_a_hook_changes_none(stage):
    account = stage.account()
    account.add_hook("workshop/engine", url="http://127.0.0.1:9/hooks/hok_1", secret="test-secret")
    stage.fault("old_version", value="9.0.3+gitea-1.22.0")
    before = stage.sandbox.hooks("gitea")
    account.inspect()
    assert stage.sandbox.hooks("gitea") == before


def test_a_server_closed_to_strangers_is_recognised_and_says_when_a_token_is_dead(stage):
    stage.fault("signin_required")
    api = Gitea.api_url(stage.sandbox.base("gitea"))
    assert Gitea.recognise(stage.door, api, stage.rules)
    assert stage.account().identify().login == "build-bot"
    with pytest.raises(TokenRejected, match="unknown"):
        stage.account("revoked").identify()


def test_an_oauth_token_tells_its_scopes_and_clones(stage):
    stage.sandbox.new_token(
        "gitea", "build-bot", "pair", ["read:user", "read:repository"], kind="oauth"
    )
    token = stage.sandbox.token("gitea", "build-bot", "pair")
    account = stage.account_with(token, kind=Method.OAUTH)
    found = account.inspect()
    assert (found.scopes, set(found.missing)) == ({"read:user", "read:repository"}, {Purpose.HOOKS})
    clone = account.clone("workshop/engine")
    assert stage.git(clone, "ls-remote", clone.url).returncode == 0


def test_without_any_scope_the_missing_one_is_named(stage):
    with pytest.raises(MissingScope) as caught:
        stage.account("nameless").identify()
    assert caught.value.facts["granted"] == "write:repository"
