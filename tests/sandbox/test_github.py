"""The GitHub dialect: identity, scopes, limits, lists and refs behave as GitHub's do."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.hosts import Reply, Sandbox, ask


class Caller:
    """Asks the API as the owner of one token."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.api = f"{sandbox.base('github')}/api/v3"
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        url = path if path.startswith("http") else f"{self.api}{path}"
        return ask(method, url, json_body=body, headers={**self.headers, **more})


@pytest.fixture
def octavia(sandbox: Sandbox) -> Caller:
    return Caller(sandbox, sandbox.token("github", "octavia"))


def test_a_token_says_whose_it_is_and_what_it_may(octavia: Caller) -> None:
    reply = octavia("GET", "/user")
    assert reply.json()["id"] == 1001
    assert reply.json()["type"] == "User"
    assert reply.headers["x-oauth-scopes"] == "read:org, repo"
    assert reply.headers["x-github-request-id"]
    assert "github-authentication-token-expiration" not in reply.headers


@pytest.mark.parametrize("name", ["revoked", "ended"])
def test_a_dead_token_gets_bad_credentials(sandbox: Sandbox, name: str) -> None:
    reply = Caller(sandbox, sandbox.token("github", "octavia", name))("GET", "/user")
    assert reply.status == 401
    assert reply.json()["message"] == "Bad credentials"


def test_an_unknown_token_is_refused(sandbox: Sandbox) -> None:
    assert Caller(sandbox, "gho_" + "x" * 36)("GET", "/user").status == 401
    assert Caller(sandbox, "")("GET", "/user").json()["message"] == "Requires authentication"


def test_without_a_user_agent_nothing_is_answered(octavia: Caller) -> None:
    assert octavia("GET", "/user", User_Agent="").status == 403


def test_a_dated_token_carries_its_end_in_a_header(sandbox: Sandbox) -> None:
    caller = Caller(sandbox, sandbox.token("github", "octavia", "dated"))
    end = sandbox.token_facts("github", "octavia", "dated")["expires_on"]
    header = caller("GET", "/user").headers["github-authentication-token-expiration"]
    assert header == f"{end} 00:00:00 UTC"


def test_a_fine_grained_token_shows_no_scopes_and_one_owner_only(sandbox: Sandbox) -> None:
    caller = Caller(sandbox, sandbox.token("github", "octavia", "fine"))
    reply = caller("GET", "/user/repos?per_page=100")
    assert "x-oauth-scopes" not in reply.headers
    assert reply.headers["x-accepted-github-permissions"]
    assert {r["owner"]["login"] for r in reply.json()} == {"octavia"}


def test_an_unchanged_answer_is_304_and_free(octavia: Caller) -> None:
    first = octavia("GET", "/user")
    again = octavia("GET", "/user", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["x-ratelimit-remaining"] == first.headers["x-ratelimit-remaining"]


def test_the_hour_has_a_budget_that_all_tokens_of_a_user_share(
    sandbox: Sandbox, octavia: Caller
) -> None:
    sandbox.set_budget("github", "octavia", 2)
    assert octavia("GET", "/user").headers["x-ratelimit-remaining"] == "1"
    classic = Caller(sandbox, sandbox.token("github", "octavia", "classic"))
    assert classic("GET", "/user").headers["x-ratelimit-remaining"] == "0"
    refused = octavia("GET", "/user")
    assert refused.status == 403
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert Caller(sandbox, sandbox.token("github", "otto"))("GET", "/user").status == 200


def test_an_unknown_api_version_is_refused(octavia: Caller) -> None:
    assert octavia("GET", "/user", X_GitHub_Api_Version="2022-11-28").status == 200
    assert octavia("GET", "/user", X_GitHub_Api_Version="1999-01-01").status == 400


def test_the_list_holds_what_the_account_may_read(octavia: Caller) -> None:
    listed = {r["full_name"]: r for r in octavia("GET", "/user/repos?per_page=100").json()}
    assert listed["octavia/harbor"]["permissions"]["admin"]
    assert listed["otto/workshop"]["permissions"]["push"]
    assert not listed["otto/workshop"]["permissions"]["admin"]
    assert listed["acme-inc/web"]["owner"]["type"] == "Organization"
    assert listed["octavia/lighthouse"]["archived"]
    assert "otto/vault" not in listed
    assert "acme-inc/payroll" not in listed


def test_without_the_repo_scope_private_repositories_do_not_exist(sandbox: Sandbox) -> None:
    caller = Caller(sandbox, sandbox.token("github", "octavia", "public-only"))
    assert not any(r["private"] for r in caller("GET", "/user/repos").json())
    assert caller("GET", "/repos/octavia/harbor").status == 404


def test_foreign_private_repositories_are_not_found(octavia: Caller) -> None:
    assert octavia("GET", "/repos/otto/vault").status == 404
    assert octavia("GET", "/repos/otto/notes").status == 200


def test_250_repositories_come_in_pages_whose_size_is_capped(
    sandbox: Sandbox, octavia: Caller
) -> None:
    sandbox.add_repositories("github", "octavia", count=250, prefix="bulk")
    seen: list[str] = []
    url = "/user/repos?per_page=500&sort=full_name"
    while url:
        reply = octavia("GET", url)
        page = [r["full_name"] for r in reply.json()]
        assert len(page) <= 100
        seen += page
        url = _next(reply)
    assert seen == sorted(seen)
    assert sum(name.startswith("octavia/bulk-") for name in seen) == 250


def _next(reply: Reply) -> str:
    for part in reply.headers.get("link", "").split(", "):
        if part.endswith('rel="next"'):
            return part[1 : part.index(">")]
    return ""


def test_next_links_of_a_repository_move_to_its_number(octavia: Caller) -> None:
    names: list[str] = []
    url = "/repos/octavia/busy/branches?per_page=100"
    while url:
        reply = octavia("GET", url)
        names += [b["name"] for b in reply.json()]
        url = _next(reply)
        assert not url or "/repositories/70006/branches?" in url
    assert len(names) == len(set(names)) == 130


def test_a_renamed_repository_answers_301_to_its_number(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.change_repository("github", "octavia/harbor", path="octavia/haven")
    reply = octavia("GET", "/repos/octavia/harbor/branches?per_page=5")
    assert reply.status == 301
    assert reply.headers["location"].endswith("/repositories/70001/branches?per_page=5")
    assert octavia("POST", "/repos/octavia/harbor/hooks", {}).status == 307
    assert octavia("GET", "/repositories/70001").json()["full_name"] == "octavia/haven"


def test_branches_with_slashes_signs_and_chinese(octavia: Caller) -> None:
    names = [b["name"] for b in octavia("GET", "/repos/octavia/harbor/branches").json()]
    assert {"release/1.0", "feature/登录-页", "fix/50%-off#1"} <= set(names)
    for name in names:
        reply = octavia("GET", f"/repos/octavia/harbor/branches/{quote(name, safe='')}")
        assert reply.json()["name"] == name
    assert octavia("GET", "/repos/octavia/harbor/branches/nothing").status == 404
    protected = octavia("GET", "/repos/octavia/harbor/branches?protected=true").json()
    assert [b["name"] for b in protected] == ["main"]


def test_a_renamed_branch_answers_301(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.change_repository("github", "octavia/harbor", rename_branch=["release/1.0", "stable"])
    reply = octavia("GET", "/repos/octavia/harbor/branches/release%2F1.0")
    assert reply.status == 301
    assert octavia("GET", reply.headers["location"]).json()["name"] == "stable"


def test_an_annotated_tag_is_an_object_of_its_own(octavia: Caller) -> None:
    path = "/repos/octavia/harbor"
    ref = octavia("GET", f"{path}/git/ref/tags/v1.0.0").json()
    assert ref["object"]["type"] == "tag"
    peeled = octavia("GET", f"{path}/git/tags/{ref['object']['sha']}").json()["object"]["sha"]
    assert octavia("GET", f"{path}/commits/v1.0.0").json()["sha"] == peeled
    light = octavia("GET", f"{path}/git/ref/tags/v1.0.1").json()
    assert (light["object"]["type"], light["object"]["sha"]) == ("commit", peeled)
    tags = {t["name"]: t["commit"]["sha"] for t in octavia("GET", f"{path}/tags").json()}
    assert tags["v1.0.0"] == tags["v1.0.1"] == peeled


def test_refs_are_searched_by_prefix(octavia: Caller) -> None:
    found = octavia("GET", "/repos/octavia/harbor/git/matching-refs/tags/v1.0").json()
    assert [r["ref"] for r in found] == ["refs/tags/v1.0.0", "refs/tags/v1.0.1"]
    assert octavia("GET", "/repos/octavia/harbor/git/matching-refs/heads/none").json() == []


def test_commits_are_found_by_any_name(octavia: Caller) -> None:
    path = "/repos/octavia/harbor/commits"
    head = octavia("GET", f"{path}/main").json()["sha"]
    for name in ("heads/main", "refs/heads/main", head, head[:8]):
        assert octavia("GET", f"{path}/{name}").json()["sha"] == head
    bare = octavia("GET", f"{path}/main", Accept="application/vnd.github.sha")
    assert bare.body.decode() == head
    assert octavia("GET", f"{path}/nothing").status == 422
    assert octavia("GET", f"{path}/{'0' * 39}1").status == 422


def test_a_branch_and_a_tag_of_one_name_differ(octavia: Caller) -> None:
    path = "/repos/octavia/twins/commits"
    branch = octavia("GET", f"{path}/heads/stable").json()["sha"]
    tag = octavia("GET", f"{path}/tags/stable").json()["sha"]
    assert branch != tag
    assert octavia("GET", f"{path}/stable").json()["sha"] == tag


def test_an_empty_repository_has_no_commits_but_is_no_error(octavia: Caller) -> None:
    assert octavia("GET", "/repos/octavia/blank").status == 200
    assert octavia("GET", "/repos/octavia/blank/branches").json() == []
    assert octavia("GET", "/repos/octavia/blank/commits/main").status == 409


def test_single_sign_on_hides_an_organization_and_says_so(
    sandbox: Sandbox, octavia: Caller
) -> None:
    sandbox.fault("github", "sso_required", value="acme-inc")
    reply = octavia("GET", "/user/repos?per_page=100")
    assert reply.headers["x-github-sso"] == "partial-results; organizations=2001"
    assert "acme-inc/web" not in {r["full_name"] for r in reply.json()}
    refused = octavia("GET", "/repos/acme-inc/web")
    assert refused.status == 403
    assert refused.headers["x-github-sso"].startswith("required; url=http")


def test_an_organization_that_restricts_apps_hides_without_a_word(
    sandbox: Sandbox, octavia: Caller
) -> None:
    sandbox.fault("github", "org_restricted", value="acme-inc")
    reply = octavia("GET", "/user/repos?per_page=100")
    assert "x-github-sso" not in reply.headers
    assert "acme-inc/web" not in {r["full_name"] for r in reply.json()}
    refused = octavia("GET", "/repos/acme-inc/web")
    assert refused.status == 403
    assert "OAuth App access restrictions" in refused.json()["message"]
    classic = Caller(sandbox, sandbox.token("github", "octavia", "classic"))
    assert classic("GET", "/repos/acme-inc/web").status == 200


def test_organizations_want_their_scope(sandbox: Sandbox, octavia: Caller) -> None:
    assert [o["login"] for o in octavia("GET", "/user/orgs").json()] == ["acme-inc"]
    dated = Caller(sandbox, sandbox.token("github", "octavia", "dated"))
    assert dated("GET", "/user/orgs").status == 403


def test_search_finds_by_name_and_owner(octavia: Caller) -> None:
    found = octavia("GET", "/search/repositories?q=a+in:name+user:octavia").json()
    names = {r["full_name"] for r in found["items"]}
    assert found["total_count"] == len(names) > 0
    assert all(n.startswith("octavia/") and "a" in n.partition("/")[2] for n in names)


def test_a_blocked_account_is_refused(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.change_account("github", "octavia", state="blocked")
    assert octavia("GET", "/user").status == 403


def test_the_meta_page_needs_no_token(sandbox: Sandbox) -> None:
    reply = Caller(sandbox, "")("GET", "/meta")
    assert reply.json()["installed_version"]
    assert reply.headers["x-github-enterprise-version"]
