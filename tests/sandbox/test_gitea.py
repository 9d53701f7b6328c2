"""The Gitea dialect: tokens, scopes, roles, lists and refs behave as Gitea's do."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.hosts import Reply, Sandbox, ask

FORGEJO = "9.0.3+gitea-1.22.0"


class Caller:
    """Asks the API as the owner of one token."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.api = f"{sandbox.base('gitea')}/api/v1"
        self.headers = {"Authorization": f"token {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None) -> Reply:
        url = path if path.startswith("http") else f"{self.api}{path}"
        return ask(method, url, json_body=body, headers=self.headers)


@pytest.fixture
def bot(sandbox: Sandbox) -> Caller:
    return Caller(sandbox, sandbox.token("gitea", "build-bot"))


def owner_of(sandbox: Sandbox, name: str, account: str = "build-bot") -> Caller:
    return Caller(sandbox, sandbox.token("gitea", account, name))


# -- who and what may ------------------------------------------------------------------------------


def test_a_token_says_whose_it_is(bot: Caller) -> None:
    said = bot("GET", "/user").json()
    assert (said["id"], said["login"], said["full_name"]) == (7, "build-bot", "Build Bot")


def test_it_works_as_a_bearer_too(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token('gitea', 'build-bot')}"}
    user = f"{sandbox.base('gitea')}/api/v1/user"
    assert ask("GET", user, headers=headers).json()["id"] == 7


def test_a_dozen_repositories_of_every_kind_and_tokens_that_say_what_they_are(
    sandbox: Sandbox,
) -> None:
    site = sandbox.state()["providers"]["gitea"]
    assert len(site["repositories"]) >= 12
    assert {r["visibility"] for r in site["repositories"]} == {"private", "internal", "public"}
    assert any(r["archived"] for r in site["repositories"])
    assert any(r["default_branch"] is None for r in site["repositories"])
    texts = [t["token"] for a in site["accounts"] for t in a["tokens"]]
    assert len(texts) == len(set(texts)) > 8
    assert all("sandbox" in text for text in texts)
    typed = [t for a in site["accounts"] for t in a["tokens"] if t["kind"] == "pat"]
    assert all(len(t["token"]) == 40 and t["token"].isalnum() for t in typed)
    assert all(t["expires_at"] is None for t in typed)


def test_the_version_is_for_everybody_and_the_account_is_not(sandbox: Sandbox) -> None:
    anybody = Caller(sandbox, "")
    assert anybody("GET", "/version").json() == {"version": "1.25.5"}
    refused = anybody("GET", "/user")
    assert (refused.status, refused.json()["message"]) == (401, "token is required")
    bogus = Caller(sandbox, "test-bogus")("GET", "/user")
    assert (bogus.status, bogus.json()["message"]) == (401, "token is required")


def test_a_deleted_token_and_a_grant_taken_back_have_different_bodies(sandbox: Sandbox) -> None:
    deleted = owner_of(sandbox, "revoked")("GET", "/user")
    assert (deleted.status, deleted.json()["message"]) == (401, "token is required")
    back = owner_of(sandbox, "revoked-grant")("GET", "/user")
    assert (back.status, back.body) == (401, b"Missing CSRF token.\n")
    assert back.headers["content-type"].startswith("text/plain")


def test_a_closed_server_calls_a_dead_token_a_stranger(sandbox: Sandbox) -> None:
    sandbox.fault("gitea", "signin_required")
    for caller in (Caller(sandbox, ""), owner_of(sandbox, "revoked")):
        for path in ("/version", "/user"):
            reply = caller("GET", path)
            assert reply.status == 403
            assert reply.json()["message"].startswith("Only signed in user is allowed")
    assert owner_of(sandbox, "full")("GET", "/version").status == 200


def test_writing_is_reading_and_not_the_other_way_round(sandbox: Sandbox, bot: Caller) -> None:
    hooks = "/repos/workshop/engine/hooks"
    assert bot("GET", hooks).status == 200
    reduced = owner_of(sandbox, "reduced")
    assert reduced("GET", hooks).status == 200
    refused = reduced("POST", hooks, {})
    assert (refused.status, "[write:repository]" in refused.json()["message"]) == (403, True)


def test_the_scope_is_judged_before_the_repository_and_the_role(sandbox: Sandbox) -> None:
    caller = owner_of(sandbox, "reduced")
    for path in ("/repos/no/where/hooks/1", "/repos/museum/archive/hooks/1"):
        assert "required scope(s)" in caller("PATCH", path, {}).json()["message"]


def test_the_list_of_repositories_needs_two_scopes(sandbox: Sandbox) -> None:
    for name, missing in (("user-only", "read:repository"), ("nameless", "read:user")):
        said = owner_of(sandbox, name)("GET", "/user/repos").json()["message"]
        assert f"required=[{missing}]" in said


def test_what_a_token_has_is_told_by_newer_gitea_only(sandbox: Sandbox, bot: Caller) -> None:
    said = bot("GET", "/admin/cron").json()["message"]
    assert said.endswith(
        "required=[read:admin], token scope=read:user,write:repository,read:organization"
    )
    sandbox.fault("gitea", "old_version", value=FORGEJO)
    assert bot("GET", "/admin/cron").json()["message"].endswith("scope(s): [read:admin]")


def test_with_all_scopes_only_the_role_is_missing(sandbox: Sandbox) -> None:
    reply = owner_of(sandbox, "everything")("GET", "/admin/cron")
    assert (reply.status, reply.json()["message"]) == (403, "user should be the site admin")


def test_an_old_server_knows_no_scopes(sandbox: Sandbox) -> None:
    sandbox.fault("gitea", "old_server")
    caller = owner_of(sandbox, "user-only")
    assert caller("GET", "/version").json() == {"version": "1.15.11"}
    assert caller("GET", "/user/repos").status == 200
    assert caller("GET", "/admin/cron").json()["message"] == "user should be the site admin"


def test_public_only_hides_without_an_error(sandbox: Sandbox) -> None:
    caller = owner_of(sandbox, "public")
    assert [r["full_name"] for r in caller("GET", "/user/repos").json()] == ["build-bot/notes"]
    refused = caller("GET", "/repos/workshop/engine")
    assert refused.json()["message"] == "token scope is limited to public repos"
    assert caller("GET", "/repositories/2001").status == 403


def test_a_blocked_account_may_nothing(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.change_account("gitea", "build-bot", state="blocked")
    reply = bot("GET", "/user")
    assert (reply.status, "prohibited from signing in" in reply.json()["message"]) == (403, True)


# -- repositories ----------------------------------------------------------------------------------


def test_roles_come_with_each_repository(bot: Caller) -> None:
    mine = {r["full_name"]: r["permissions"] for r in bot("GET", "/user/repos").json()}
    assert mine["workshop/engine"] == {"admin": True, "push": True, "pull": True}
    assert mine["workshop/manual"] == {"admin": False, "push": True, "pull": True}
    assert mine["museum/archive"] == {"admin": False, "push": False, "pull": True}
    assert "ann/vault" not in mine
    assert "ann/toolbox" not in mine


def test_the_limit_is_capped_at_fifty_without_a_word(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.add_repositories("gitea", "build-bot", count=60)
    whole = int(bot("GET", "/user/repos").headers["x-total-count"])
    assert len(bot("GET", "/user/repos").json()) == 30
    assert len(bot("GET", "/user/repos?per_page=100").json()) == 30
    first = bot("GET", "/user/repos?limit=100")
    assert len(first.json()) == 50
    url = first.headers["link"].split(">")[0].lstrip("<")
    assert 'rel="next"' in first.headers["link"]
    second = bot("GET", url)
    assert len(second.json()) == whole - 50
    assert 'rel="next"' not in second.headers["link"]


def test_hidden_is_not_there(bot: Caller) -> None:
    for path in ("/repos/ann/vault", "/repositories/2013", "/repos/no/where", "/repositories/x"):
        assert bot("GET", path).status == 404


def test_internal_is_for_whoever_signed_in(sandbox: Sandbox, bot: Caller) -> None:
    assert bot("GET", "/repos/museum/brochure").json()["internal"] is True
    assert owner_of(sandbox, "full", "ann")("GET", "/repos/ann/toolbox").json()["private"] is False


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_renamed_repository_sends_every_method_on(
    sandbox: Sandbox, bot: Caller, method: str
) -> None:
    sandbox.change_repository("gitea", "workshop/engine", path="workshop/motor")
    reply = bot(method, "/repos/workshop/engine/hooks/1?page=2")
    assert reply.status == 307
    assert reply.headers["location"] == "/gitea/api/v1/repos/workshop/motor/hooks/1?page=2"


def test_below_a_number_there_is_the_repository_only(bot: Caller) -> None:
    assert bot("GET", "/repositories/2001").json()["full_name"] == "workshop/engine"
    assert bot("GET", "/repositories/2001/branches").status == 404


# -- refs ------------------------------------------------------------------------------------------


def test_branches_have_an_id_and_tags_a_sha(bot: Caller) -> None:
    branch = bot("GET", "/repos/workshop/engine/branches/release/1.0").json()
    tag = bot("GET", "/repos/workshop/engine/tags/v1.0.0").json()
    assert len(branch["commit"]["id"]) == len(tag["commit"]["sha"]) == 40
    assert tag["id"] != tag["commit"]["sha"]
    assert bot("GET", "/repos/workshop/engine/branches/nope").status == 404


@pytest.mark.parametrize("name", ["fix/50%-off#1", "feature/登录-页", "dependabot/pip/x+y"])
def test_odd_names_are_found_with_slashes_as_they_are(bot: Caller, name: str) -> None:
    found = bot("GET", f"/repos/workshop/engine/branches/{quote(name)}").json()
    assert found["name"] == name
    whole = bot("GET", f"/repos/workshop/engine/git/commits/{quote(name, safe='')}").json()
    assert whole["sha"] == found["commit"]["id"]


def test_tags_are_counted_but_not_linked(bot: Caller) -> None:
    tags = bot("GET", "/repos/build-bot/busy/tags?limit=50")
    assert (len(tags.json()), tags.headers["x-total-count"]) == (50, "120")
    assert "link" not in tags.headers
    assert "link" in bot("GET", "/repos/build-bot/busy/branches?limit=50").headers


def test_an_empty_repository_answers_with_nothing_and_null(bot: Caller) -> None:
    found = bot("GET", "/repos/build-bot/blank").json()
    assert (found["empty"], found["default_branch"]) == (True, "main")
    assert bot("GET", "/repos/build-bot/blank/branches").json() == []
    assert bot("GET", "/repos/build-bot/blank/tags").json() is None
    assert bot("GET", "/repos/build-bot/blank/git/commits/main").status == 404


def test_a_commit_is_what_git_understands(bot: Caller) -> None:
    commits = "/repos/workshop/engine/git/commits"
    sha = bot("GET", f"{commits}/main").json()["sha"]
    assert bot("GET", f"{commits}/{sha[:7]}").json()["sha"] == sha
    assert bot("GET", f"{commits}/a..b").status == 422
    assert bot("GET", f"{commits}/{'f' * 40}").status == 404


def test_pages_and_nothing_else_are_below_the_root(sandbox: Sandbox) -> None:
    base = sandbox.base("gitea")
    assert ask("GET", base).headers["location"] == f"{base}/user/login"
    assert ask("GET", f"{base}/user/settings/applications").status == 200
    assert ask("GET", f"{base}/nowhere").headers["content-type"].startswith("text/html")
    assert ask("GET", f"{base}/api/v4/version").status == 404
    told = ask("GET", f"{base}/.well-known/openid-configuration").json()
    assert told["token_endpoint"] == f"{base}/login/oauth/access_token"
