"""GitHub: what it sends is understood, and what it refuses is told apart."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, date, datetime, timedelta

import pytest

from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    NotSupported,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.github import GitHub
from providers.http import Door
from providers.types import Expiry, Method, Purpose, Quality, Rules
from tests.providers import goldens
from tests.providers.canned import Says, account_of, canned
from tests.providers.stage import Stage, all_repositories

API = "/api/v3"
REPOSITORY = {
    "id": 7,
    "full_name": "acme-inc/api",
    "name": "api",
    "clone_url": "https://github.com/acme-inc/api.git",
    "html_url": "https://github.com/acme-inc/api",
    "owner": {"login": "acme-inc", "type": "Organization"},
    "permissions": {"admin": True},
}
LIST = f"GET {API}/repos/acme-inc/api/hooks"


@pytest.mark.parametrize("name", goldens.names("github"))
def test_golden(name):
    goldens.check(GitHub, name)


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://git.acme.example", "https://git.acme.example/api/v3"),
        ("https://github.com.evil.example", "https://github.com.evil.example/api/v3"),
    ],
)
def test_each_edition_has_its_api_address(base, api):
    assert GitHub.api_url(base) == api


def test_pages_for_people():
    assert GitHub.token_page("https://github.com", "mooring ci") == (
        "https://github.com/settings/tokens/new?description=mooring+ci&scopes=repo,admin:repo_hook"
    )
    assert GitHub.hooks_page("https://github.com/a/b") == "https://github.com/a/b/settings/hooks"


@pytest.mark.parametrize(
    ("says", "known"),
    [
        (Says({"installed_version": "3.19.1"}, headers={"x-github-request-id": "A:B"}), True),
        (Says({"message": "Must authenticate"}, 401, {"x-github-media-type": "github.v3"}), True),
        (Says({"message": "hello"}), False),
        (Says(b"<html>", 404, {"content-type": "text/html"}), False),
    ],
)
def test_github_is_recognised_without_a_token(says, known):
    with canned({f"GET {API}/meta": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        assert GitHub.recognise(door, f"{host.base_url}{API}", rules) is known
    assert "authorization" not in host.asked[0].headers


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (Says({}, 503), Unreachable),
        (Says({}, 429), RateLimited),
        (Says(b"", 301, {"location": "https://git.acme.example/api/v3/meta"}), BadAnswer),
    ],
)
def test_a_server_that_cannot_say_is_not_called_something_else(says, error):
    with canned({f"GET {API}/meta": says}) as host, Door() as door:
        rules = Rules(sandbox=("127.0.0.1", int(host.base_url.rpartition(":")[2])))
        with pytest.raises(error):
            GitHub.recognise(door, f"{host.base_url}{API}", rules)


def test_the_dated_version_goes_to_github_com_only():
    with account_of(GitHub, {}) as (server, _):
        assert "X-GitHub-Api-Version" not in server.manners()


# -- the token -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "kind", "headers", "quality"),
    [
        ("gho_sandboxtest", Method.OAUTH, {}, Quality.IDLE),
        ("0123456789abcdef0123456789abcdef01234567", Method.OAUTH, {}, Quality.IDLE),
        ("ghp_sandboxtest", Method.TOKEN, {}, Quality.NEVER),
        (
            "ghp_sandboxtest",
            Method.TOKEN,
            {"x-github-enterprise-version": "3.1.2"},
            Quality.UNKNOWN,
        ),
        ("ghu_sandboxtest", Method.OAUTH, {}, Quality.UNKNOWN),
    ],
)
def test_an_absent_end_date_means_what_the_kind_of_token_says(token, kind, headers, quality):
    answers = {f"GET {API}/user": Says({"id": 1, "login": "a"}, headers=headers)}
    with account_of(GitHub, answers, token=token, kind=kind) as (account, _):
        assert account.inspect().expiry.quality is quality


def test_the_end_of_an_app_token_is_known_since_it_was_issued():
    known = Expiry(datetime(2026, 11, 21, 15, tzinfo=UTC), Quality.EXACT)
    answers = {f"GET {API}/user": Says({"id": 1, "login": "a"})}
    with account_of(GitHub, answers, token="ghu_sandboxtest", expiry=known) as (account, _):
        assert account.inspect().expiry == known


def test_a_year_is_counted_on_the_clock_of_the_host():
    answers = {f"GET {API}/user": Says({"id": 1, "login": "a"})}
    with account_of(GitHub, answers) as (account, _):
        ends = account.inspect().expiry.at
    assert ends == datetime(2026, 11, 21, 7, tzinfo=UTC) + timedelta(days=365)


def test_fine_grained_permissions_are_tried():
    refused = Says(
        {"message": "Resource not accessible by personal access token"},
        403,
        {"x-accepted-github-permissions": "repository_hooks=write; administration=read"},
    )
    answers = {
        f"GET {API}/user": Says({"id": 1, "login": "a"}),
        f"GET {API}/user/repos": Says([REPOSITORY]),
        LIST: refused,
    }
    with account_of(GitHub, answers, token="github_pat_sandboxtest") as (account, _):
        found = account.inspect()
    assert found.scopes is None
    assert found.missing == {Purpose.HOOKS: ("repository_hooks=write",)}


def test_a_hook_scope_without_repo_is_named_missing():
    headers = {"x-oauth-scopes": "admin:repo_hook, read:org"}
    with account_of(
        GitHub, {f"GET {API}/user": Says({"id": 1, "login": "a"}, headers=headers)}
    ) as (account, _):
        missing = account.inspect().missing
    assert missing == dict.fromkeys((Purpose.LIST, Purpose.REFS, Purpose.CLONE), ("repo",))


def test_confirm_asks_with_the_rights_of_the_app():
    path = f"POST {API}/applications/sandbox-client/token"
    with account_of(GitHub, {path: [Says({"id": 1}), Says({}, 404)]}) as (account, host):
        account.confirm()
        with pytest.raises(TokenRejected, match="revoked"):
            account.confirm()
    basic = b64encode(b"sandbox-client:sandbox-client-secret").decode()
    assert host.asked[0].headers["authorization"] == f"Basic {basic}"
    assert host.asked[0].json() == {"access_token": account.credential.token}


@pytest.mark.parametrize(("client_id", "kind"), [("", Method.OAUTH), ("app", Method.TOKEN)])
def test_what_no_app_of_ours_issued_is_confirmed_as_the_account(client_id, kind):
    answers = {f"GET {API}/user": Says({"id": 1, "login": "a"})}
    with account_of(GitHub, answers, client_id=client_id, kind=kind) as (account, host):
        account.confirm()
    assert host.lines == [f"GET {API}/user"]


def test_without_an_app_nothing_is_rotated_or_revoked():
    with account_of(GitHub, {}, client_id="") as (account, _):
        with pytest.raises(NotSupported, match="rotate"):
            account.rotate(date(2026, 12, 31))
        with pytest.raises(NotSupported, match="revoke"):
            account.revoke()


def test_a_wrong_app_is_the_operators_trouble_not_the_tokens():
    answers = {f"POST {API}/applications/sandbox-client/token": Says({"message": "Bad"}, 401)}
    with (
        account_of(GitHub, answers) as (account, _),
        pytest.raises(BadAnswer, match="client_config"),
    ):
        account.confirm()


def test_rotate_returns_the_successor_and_keeps_the_rest():
    path = f"PATCH {API}/applications/sandbox-client/token"
    answers = {path: Says({"id": 1, "token": "gho_sandboxnext", "expires_at": None})}
    with account_of(GitHub, answers, username="alice") as (account, _):
        fresh = account.rotate(date(2026, 12, 31))
    assert (fresh.token, fresh.username) == ("gho_sandboxnext", "alice")


def test_a_token_made_by_hand_cannot_be_rotated():
    with account_of(GitHub, {}, kind=Method.TOKEN) as (account, host), pytest.raises(NotSupported):
        account.rotate(date(2026, 12, 31))
    assert host.asked == []


def test_revoking_ends_this_token_and_not_the_whole_grant():
    path = f"{API}/applications/sandbox-client/token"
    with account_of(GitHub, {f"DELETE {path}": Says(status=204)}) as (account, host):
        account.revoke()
    assert host.lines == [f"DELETE {path}"]


@pytest.mark.parametrize("status", [404, 422])
def test_revoking_a_dead_token_is_no_error(status):
    path = f"{API}/applications/sandbox-client/token"
    answers = {f"DELETE {path}": Says({}, status), f"POST {path}": Says({}, 404)}
    with account_of(GitHub, answers) as (account, host):
        account.revoke()
    assert f"DELETE {path}" in host.lines


def test_revoking_that_was_only_asked_to_slow_down_is_an_error():
    path = f"{API}/applications/sandbox-client/token"
    answers = {f"DELETE {path}": Says({}, 422), f"POST {path}": Says({"id": 1})}
    with account_of(GitHub, answers) as (account, _), pytest.raises(BadAnswer, match="refused"):
        account.revoke()


def test_a_typed_token_is_revoked_without_any_sign_in():
    answers = {f"POST {API}/credentials/revoke": Says(status=202)}
    with account_of(GitHub, answers, kind=Method.TOKEN) as (account, host):
        account.revoke()
    assert "authorization" not in host.asked[0].headers
    assert host.asked[0].json() == {"credentials": [account.credential.token]}


def test_an_enterprise_server_cannot_revoke_a_typed_token():
    with account_of(GitHub, {}, kind=Method.TOKEN) as (account, _), pytest.raises(NotSupported):
        account.revoke()


# -- repositories and refs -----------------------------------------------------------------------


def test_a_next_link_elsewhere_is_not_followed():
    away = {"link": '<https://evil.example/user/repos?page=2>; rel="next"'}
    answers = {f"GET {API}/user/repos": Says([REPOSITORY], headers=away)}
    with account_of(GitHub, answers) as (account, host):
        page = account.repositories()
        with pytest.raises(BadAnswer, match="foreign_link"):
            account.repositories(cursor=page.next)
    assert len(host.asked) == 1


def test_a_rename_is_followed_by_number_only():
    away = Says({}, 301, {"location": "https://evil.example/api/v3/repositories/7"})
    with (
        account_of(GitHub, {f"GET {API}/repos/acme-inc/old": away}) as (account, host),
        pytest.raises(BadAnswer, match="redirect"),
    ):
        account.repository("acme-inc/old")
    assert len(host.asked) == 1


@pytest.mark.parametrize("path", ["api", "a/b/c", "../user", "a/..", "", "a/", "./b"])
def test_what_cannot_be_a_repository_is_not_asked_for(path):
    with account_of(GitHub, {}) as (account, host), pytest.raises(NotFound):
        account.repository(path)
    assert host.asked == []


def test_a_search_goes_on_with_the_names_that_hold_it_elsewhere():
    sha = {"sha": "a" * 40}
    listed = [{"name": name, "commit": sha} for name in ("rel-1", "my-REL-1", "main")]
    answers = {
        f"GET {API}/repos/acme-inc/api": Says(REPOSITORY),
        f"GET {API}/repos/acme-inc/api/git/matching-refs/heads/rel": Says(
            [{"ref": "refs/heads/rel-1", "object": {**sha, "type": "commit"}}]
        ),
        f"GET {API}/repos/acme-inc/api/branches": Says(listed),
    }
    with account_of(GitHub, answers) as (account, _):
        first = account.branches("acme-inc/api", matching="rel")
        second = account.branches("acme-inc/api", matching="rel", cursor=first.next)
    assert [ref.name for ref in (*first.items, *second.items)] == ["rel-1", "my-REL-1"]


def test_a_search_that_no_branch_can_begin_with_is_a_walk():
    answers = {
        f"GET {API}/repos/acme-inc/api": Says(REPOSITORY),
        f"GET {API}/repos/acme-inc/api/branches": Says([]),
    }
    with account_of(GitHub, answers) as (account, host):
        account.branches("acme-inc/api", matching="../../user")
    assert not any("matching-refs" in line for line in host.lines)


def test_an_empty_repository_has_no_branches():
    empty = Says({"message": "Git Repository is empty."}, 409)
    answers = {
        f"GET {API}/repos/acme-inc/api": Says(REPOSITORY),
        f"GET {API}/repos/acme-inc/api/git/matching-refs/heads/m": empty,
        f"GET {API}/repos/acme-inc/api/branches": Says([]),
    }
    with account_of(GitHub, answers) as (account, _):
        assert account.branches("acme-inc/api").items == ()
        assert account.branches("acme-inc/api", matching="m").items == ()


def test_a_tag_of_something_else_than_a_commit_is_no_ref():
    tree = {"object": {"type": "tree", "sha": "a" * 40}}
    answers = {
        f"GET {API}/repos/acme-inc/api": Says(REPOSITORY),
        f"GET {API}/repos/acme-inc/api/git/ref/tags/odd": Says(tree),
    }
    with account_of(GitHub, answers) as (account, _), pytest.raises(NotFound, match="ref"):
        account.resolve_ref("acme-inc/api", "refs/tags/odd")


def test_a_commit_that_is_not_there_is_a_missing_ref():
    answers = {
        f"GET {API}/repos/acme-inc/api": Says(REPOSITORY),
        f"GET {API}/repos/acme-inc/api/commits/{'b' * 40}": Says({"message": "No commit"}, 422),
    }
    with account_of(GitHub, answers) as (account, _), pytest.raises(NotFound) as caught:
        account.resolve_ref("acme-inc/api", "B" * 40)
    assert caught.value.reason == "ref"


def test_a_ref_of_a_repository_that_is_hidden_says_so():
    with account_of(GitHub, {}) as (account, _), pytest.raises(NotFound) as caught:
        account.resolve_ref("acme-inc/secret", "main")
    assert caught.value.reason == "unknown"


# -- before the sandbox ----------------------------------------------------------------------------


@pytest.fixture
def stage(sandbox, tmp_path):
    with Door() as door:
        yield Stage("github", sandbox, door, door, tmp_path)


def test_single_sign_on_hides_and_says_whom(stage):
    everything = all_repositories(stage.account())
    stage.fault("sso_required")
    page = stage.account().repositories()
    assert {one.path for one in everything} - {one.path for one in page.items} == {
        "acme-inc/api",
        "acme-inc/web",
    }
    assert [(hidden.code, hidden.organization) for hidden in page.hidden] == [("ORG-03", "2001")]
    with pytest.raises(MissingScope, match="sso") as caught:
        stage.account().repository("acme-inc/api")
    assert caught.value.facts["fix_url"].startswith(f"{stage.host.base_url}/orgs/acme-inc/sso")


def test_an_organization_that_restricts_apps_is_named(stage):
    stage.fault("org_restricted")
    with pytest.raises(MissingScope, match="org_policy") as caught:
        stage.account().repository("acme-inc/api")
    assert caught.value.facts["organization"] == "acme-inc"


def test_an_app_token_ends_in_hours_and_is_revoked_like_one_of_the_other_app(stage):
    token = stage.sandbox.new_token("github", "octavia", "eight-hours", [], kind="app")
    found = stage.account_with(token).inspect()
    assert (found.identity.login, found.scopes, found.missing) == ("octavia", None, {})


def test_an_exhausted_budget_waits_for_the_reset(stage):
    stage.sandbox.set_budget("github", "octavia", 0)
    with pytest.raises(RateLimited, match="limit") as caught:
        stage.account().identify()
    assert 1 <= caught.value.retry_after <= 3600


def test_a_fine_grained_token_sees_one_owner(stage):
    owners = {one.owner for one in all_repositories(stage.account("fine"))}
    assert owners == {"octavia"}


def test_the_commit_of_a_repository_that_shrinks_to_nothing_is_not_taken_for_empty(stage):
    stage.fault("set_keys", "/api/v3/repos/octavia/harbor", value={"size": 0})
    assert not stage.account().repository("octavia/harbor").empty
