"""GitLab: what it sends is understood, and what it refuses is told apart."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import parse_qsl

import pytest

from providers.errors import (
    BadAnswer,
    NotFound,
    NotSupported,
    TokenRejected,
    Unreachable,
)
from providers.gitlab import GitLab
from providers.http import Door
from providers.types import Expiry, Method, Purpose, Quality, Rules
from tests.providers import goldens
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage, all_repositories

API = "/api/v4"
USER = Says({"id": 4711, "username": "alice", "state": "active"})
SELF = f"GET {API}/personal_access_tokens/self"
PROJECT = {
    "id": 77,
    "path_with_namespace": "platform/api",
    "http_url_to_repo": "https://gitlab.acme.example/platform/api.git",
    "web_url": "https://gitlab.acme.example/platform/api",
    "default_branch": "main",
}
LIST = f"GET {API}/projects/77/hooks"


@pytest.mark.parametrize("name", goldens.names("gitlab"))
def test_golden(name):
    goldens.check(GitLab, name)


# -- addresses -----------------------------------------------------------------------------------


def test_the_api_is_below_the_base_with_its_relative_root():
    assert GitLab.api_url("https://acme.example/gitlab") == "https://acme.example/gitlab/api/v4"


def test_pages_for_people():
    assert GitLab.token_page("https://gitlab.com", "mooring") == (
        "https://gitlab.com/-/user_settings/personal_access_tokens?name=mooring&scopes=api"
    )
    assert GitLab.hooks_page("https://gitlab.com/a/b") == "https://gitlab.com/a/b/-/hooks"


def test_a_deploy_token_is_named_before_it_is_sent():
    assert GitLab.foreign_token("gldt-sandboxtest") == "TOK-03"
    assert GitLab.foreign_token("glpat-sandboxtest") == ""


@pytest.mark.parametrize(
    ("says", "known"),
    [
        (Says({"message": "401 Unauthorized"}, 401), True),
        (Says({"version": "18.5.0", "revision": "f1a2b3c"}), True),
        (Says({"error": "please sign in"}, 401), False),
        (Says(b"", 401), False),
        (Says(b"<html>", 200, {"content-type": "text/html"}), False),
        (Says(b"<html>", 401, {"content-type": "text/html"}), False),
        (Says({"message": "Forbidden"}, 403), False),
        (Says({"message": "404"}, 404), False),
        (Says({"release": "1.2"}), False),
    ],
)
def test_gitlab_is_recognised_without_a_token(says, known):
    with canned({f"GET {API}/version": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        assert GitLab.recognise(door, f"{host.base_url}{API}", rules) is known
    assert "authorization" not in host.asked[0].headers


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says({}, 503), Unreachable),
        (Says(b"", 301, {"location": "https://acme.example/api/v4/version"}), BadAnswer),
    ],
)
def test_a_server_that_cannot_say_is_not_called_something_else(says, error):
    with canned({f"GET {API}/version": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        with pytest.raises(error):
            GitLab.recognise(door, f"{host.base_url}{API}", rules)


# -- the token -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "users", "login"),
    [
        ("", Says([]), "#42"),
        ("alice", Says([{"id": 42, "username": "alice"}]), "alice"),
        ("mallory", Says([{"id": 43, "username": "mallory"}]), "#42"),
        ("alice", Says({"message": "403 Forbidden"}, 403), "alice"),
    ],
)
def test_a_token_for_images_only_has_a_number_and_no_right(typed, users, login):
    """Every token may look at itself (GitLab's own source: any scope will do), and at no user."""
    said = {"id": 1, "user_id": 42, "scopes": ["read_registry"], "expires_at": "2026-12-01"}
    answers = {
        SELF: Says(said),
        f"GET {API}/user": Says({"error": "insufficient_scope", "scope": "api read_user"}, 403),
        f"GET {API}/users?username={typed}": users,
    }
    with account_of(GitLab, answers, kind=Method.TOKEN, username=typed) as (account, _):
        found = account.inspect()
    assert (found.identity.id, found.identity.login) == ("42", login)
    assert found.scopes == {"read_registry"}
    assert set(found.missing) == set(Purpose)


@pytest.mark.parametrize("state", ["blocked", "deactivated", "banned"])
def test_an_account_that_may_not_act_is_suspended(state):
    answers = {f"GET {API}/user": Says({"id": 1, "username": "alice", "state": state})}
    with account_of(GitLab, answers) as (account, _), pytest.raises(TokenRejected) as caught:
        account.identify()
    assert (caught.value.reason, caught.value.facts) == ("suspended", {"login": "alice"})


def test_an_old_server_that_refuses_the_list_lacks_api():
    refused = Says({"error": "insufficient_scope", "scope": "api read_api"}, 403)
    answers = {f"GET {API}/user": USER, f"GET {API}/projects": refused}
    with account_of(GitLab, answers, kind=Method.TOKEN) as (account, _):
        found = account.inspect()
    assert set(found.missing) == {Purpose.LIST, Purpose.REFS, Purpose.HOOKS}
    assert found.expiry.quality is Quality.UNKNOWN


def test_an_old_server_with_a_role_too_low_says_nothing_about_the_token():
    answers = {
        f"GET {API}/user": USER,
        f"GET {API}/projects": Says([{"id": 77}]),
        LIST: Says({"message": "403 Forbidden"}, 403),
    }
    with account_of(GitLab, answers, kind=Method.TOKEN) as (account, _):
        assert account.inspect().missing == {}


def test_nothing_of_gitlab_at_all_is_not_found():
    with account_of(GitLab, {}, kind=Method.TOKEN) as (account, _), pytest.raises(NotFound):
        account.inspect()


def test_the_end_of_an_oauth_token_is_what_was_said_when_it_was_issued():
    known = Expiry(datetime(2026, 11, 21, 8, 59, tzinfo=UTC), Quality.EXACT)
    info = Says({"scope": ["api"], "expires_in": 7100})
    answers = {"GET /oauth/token/info": info, f"GET {API}/user": USER}
    with account_of(GitLab, answers, expiry=known) as (account, _):
        assert account.inspect().expiry == known


@pytest.mark.parametrize("scopes", [None, 7, ["api", 7]])
def test_scopes_that_are_no_list_of_names_are_a_bad_answer(scopes):
    answers = {SELF: Says({"id": 1, "scopes": scopes, "expires_at": None})}
    with (
        account_of(GitLab, answers, kind=Method.TOKEN) as (account, _),
        pytest.raises(BadAnswer, match="scopes"),
    ):
        account.inspect()


@pytest.mark.parametrize("written", ["tomorrow", 20261201, "2026-13-01"])
def test_a_date_that_is_none_is_a_bad_answer(written):
    answers = {SELF: Says({"id": 1, "scopes": ["api"], "expires_at": written})}
    with (
        account_of(GitLab, answers, kind=Method.TOKEN) as (account, _),
        pytest.raises(BadAnswer, match="expires_at"),
    ):
        account.inspect()


def test_rotating_always_sends_the_date():
    path = f"POST {API}/personal_access_tokens/self/rotate"
    fresh = {"id": 2, "token": "glpat-sandboxnext", "expires_at": "2027-02-01", "scopes": ["api"]}
    with account_of(GitLab, {path: Says(fresh)}, kind=Method.TOKEN, username="alice") as (a, host):
        found = a.rotate(date(2027, 2, 1))
    assert host.asked[0].json() == {"expires_at": "2027-02-01"}
    assert (found.token, found.username) == ("glpat-sandboxnext", "alice")
    assert found.expiry == Expiry(datetime(2027, 2, 1, tzinfo=UTC), Quality.EXACT)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadAnswer),
        (401, TokenRejected),
        (403, NotSupported),
        (404, NotSupported),
        (405, NotSupported),
    ],
)
def test_each_refusal_to_rotate_has_its_class(status, error):
    answers = {f"POST {API}/personal_access_tokens/self/rotate": Says({"message": "no"}, status)}
    with account_of(GitLab, answers, kind=Method.TOKEN) as (account, _), pytest.raises(error):
        account.rotate(date(2027, 2, 1))


def test_an_oauth_token_is_refreshed_not_rotated():
    with account_of(GitLab, {}) as (account, host), pytest.raises(NotSupported):
        account.rotate(date(2027, 2, 1))
    assert host.asked == []


@pytest.mark.parametrize("status", [204, 401])
def test_a_typed_token_ends_itself_and_twice_is_no_error(status):
    path = f"DELETE {API}/personal_access_tokens/self"
    answers = {
        path: Says({"message": "401 Unauthorized"}, status) if status == 401 else Says(b"", 204)
    }
    with account_of(GitLab, answers, kind=Method.TOKEN) as (account, host):
        account.revoke()
    assert host.lines == [path]


def test_an_oauth_token_is_revoked_with_the_rights_of_the_app():
    with account_of(GitLab, {"POST /oauth/revoke": Says({})}) as (account, host):
        account.revoke()
    assert "authorization" not in host.asked[0].headers
    assert dict(parse_qsl(host.asked[0].body.decode())) == {
        "client_id": "sandbox-client",
        "client_secret": "sandbox-client-secret",
        "token": account.credential.token,
    }


def test_a_wrong_app_is_the_operators_trouble():
    refused = Says({"error": "invalid_client"}, 401)
    with (
        account_of(GitLab, {"POST /oauth/revoke": refused}) as (account, _),
        pytest.raises(BadAnswer, match="client_config"),
    ):
        account.revoke()


# -- projects and refs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permissions", "hookable"),
    [
        ({"project_access": {"access_level": 40}}, True),
        ({"project_access": {"access_level": "40"}}, True),
        ({"project_access": {"access_level": 30}, "group_access": {"access_level": 50}}, True),
        ({"project_access": {"access_level": 30}, "group_access": None}, False),
        ({"project_access": None, "group_access": None}, None),
        ({"project_access": {"access_level": None}}, None),
        (None, None),
        ("odd", None),
    ],
)
def test_who_may_add_hooks(permissions, hookable):
    answers = {f"GET {API}/projects/77": Says({**PROJECT, "permissions": permissions})}
    with account_of(GitLab, answers) as (account, _):
        assert account.repository("77").hookable is hookable


@pytest.mark.parametrize("path", ["api", "a/../b", "", "a/", "/a", "a/./b"])
def test_what_cannot_be_a_project_is_not_asked_for(path):
    with account_of(GitLab, {}) as (account, host), pytest.raises(NotFound):
        account.repository(path)
    assert host.asked == []


def test_a_move_is_followed_by_number_only():
    away = Says({}, 301, {"location": "https://evil.example/api/v4/projects/77"})
    with (
        account_of(GitLab, {f"GET {API}/projects/old%2Fapi": away}) as (account, host),
        pytest.raises(BadAnswer, match="redirect"),
    ):
        account.repository("old/api")
    assert len(host.asked) == 1


def test_a_next_link_elsewhere_is_not_followed():
    away = {"link": '<https://evil.example/api/v4/projects?page=2>; rel="next"'}
    with account_of(GitLab, {f"GET {API}/projects": Says([PROJECT], headers=away)}) as (a, host):
        page = a.repositories()
        with pytest.raises(BadAnswer, match="foreign_link"):
            a.repositories(cursor=page.next)
    assert len(host.asked) == 1


def test_a_ref_of_an_empty_project_is_empty():
    empty = {**PROJECT, "default_branch": None, "empty_repo": True}
    with (
        account_of(GitLab, {f"GET {API}/projects/77": Says(empty)}) as (account, _),
        pytest.raises(NotFound) as caught,
    ):
        account.resolve_ref("77", "main")
    assert caught.value.reason == "empty"


@pytest.mark.parametrize("ref", ["nope", "refs/notes/x", "../../user", "", "a..b", "refs/heads/"])
def test_a_ref_that_is_not_there_is_named(ref):
    with (
        account_of(GitLab, {f"GET {API}/projects/77": Says(PROJECT)}) as (account, host),
        pytest.raises(NotFound) as caught,
    ):
        account.resolve_ref("77", ref)
    assert (caught.value.reason, caught.value.facts) == ("ref", {"ref": ref})
    assert not any(".." in line for line in host.lines)


def test_a_tag_is_a_tag_only_when_no_branch_has_its_name():
    tag = Says({"name": "v1", "commit": {"id": "a" * 40}, "target": "b" * 40})
    branch = Says({"name": "v1", "commit": {"id": "c" * 40}})
    path = f"GET {API}/projects/77/repository"
    with account_of(GitLab, {f"{path}/tags/v1": tag}) as (account, _):
        assert account.resolve_ref("77", "v1").full == "refs/tags/v1"
    with account_of(GitLab, {f"{path}/tags/v1": tag, f"{path}/branches/v1": branch}) as (
        account,
        _,
    ):
        assert account.resolve_ref("77", "v1").full == "refs/heads/v1"
        assert account.resolve_ref("77", "refs/tags/v1").commit == "a" * 40


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("gitlab", sandbox, door, door, tmp_path)


def test_a_project_token_acts_as_a_bot_and_sees_one_project(stage):
    token = stage.sandbox.token("gitlab", "project_1077_bot_sandbox", "project")
    account = stage.account_with(token)
    found = account.inspect()
    assert found.identity.bot
    assert found.notices == (("USER-03", {"kind": "project", "login": "project_1077_bot_sandbox"}),)
    assert [one.path for one in all_repositories(account)] == ["platform/api"]


def test_far_too_much_is_noticed(stage):
    assert stage.account("sudo").inspect().notices == (("TOK-06", {"scope": "sudo"}),)


def test_a_deploy_token_is_no_token_for_the_api(stage):
    with pytest.raises(TokenRejected):
        stage.account("deploy").identify()


@pytest.mark.parametrize("version", ["15.4.6", "13.12.15"])
def test_an_old_server_is_noticed_with_its_version(stage, version):
    stage.fault("old_version", value=version)
    found = stage.account().inspect()
    assert (found.version, found.notices) == (version, (("API-02", {"version": version}),))


def test_a_group_behind_an_allow_list_is_not_found(stage):
    stage.fault("ip_allow_list", value="platform")
    with pytest.raises(NotFound):
        stage.account().repository("platform/api")


@pytest.mark.parametrize("state", ["blocked", "deactivated"])
def test_an_account_that_is_out_is_suspended(stage, state):
    stage.sandbox.change_account("gitlab", "build-bot", state=state)
    with pytest.raises(TokenRejected, match="suspended"):
        stage.account().inspect()


def test_an_old_server_does_not_rotate(stage):
    stage.fault("old_version", value="16.9.0")
    with pytest.raises(NotSupported, match="rotate"):
        stage.account().rotate(date(2027, 2, 1))


@pytest.mark.parametrize(("name", "error"), [("reduced", NotSupported), ("ended", TokenRejected)])
def test_a_token_that_may_not_rotate_itself_says_why(stage, name, error):
    with pytest.raises(error):
        stage.account(name).rotate(date(2027, 2, 1))


def test_a_date_too_far_away_is_refused(stage):
    with pytest.raises(BadAnswer, match="refused"):
        stage.account().rotate(date(2099, 1, 1))


def test_an_oauth_token_tells_scopes_and_end_clones_and_is_revoked(stage):
    token = stage.sandbox.new_token("gitlab", "build-bot", "pair", ["api"], kind="oauth")
    account = stage.account_with(token, kind=Method.OAUTH)
    found = account.inspect()
    assert (found.scopes, found.missing) == ({"api"}, {})
    assert found.expiry.quality is Quality.EXACT
    clone = account.clone("platform/api")
    assert stage.git(clone, "ls-remote", clone.url).returncode == 0
    account.revoke()
    with pytest.raises(TokenRejected):
        account.identify()
    account.revoke()


def test_a_short_search_finds_parts_of_words(stage):
    found = {one.path for one in all_repositories(stage.account(), "al")}
    assert "platform/images/base/alpine" in found
