"""The GitLab dialect: tokens, scopes, roles, lists and refs behave as GitLab's do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.hosts import Reply, Sandbox, ask


class Caller:
    """Asks the API as the owner of one token."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.api = f"{sandbox.base('gitlab')}/api/v4"
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        url = path if path.startswith("http") else f"{self.api}{path}"
        return ask(method, url, json_body=body, headers={**self.headers, **headers})


@pytest.fixture
def bot(sandbox: Sandbox) -> Caller:
    return Caller(sandbox, sandbox.token("gitlab", "build-bot"))


def owner_of(sandbox: Sandbox, name: str, account: str = "build-bot") -> Caller:
    return Caller(sandbox, sandbox.token("gitlab", account, name))


def days(number: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=number)).isoformat()


SELF = "/personal_access_tokens/self"


def test_a_token_says_whose_it_is(bot: Caller) -> None:
    said = bot("GET", "/user").json()
    assert (said["id"], said["username"], said["name"]) == (42, "build-bot", "Build Bot")
    assert said["state"] == "active"
    assert said["bot"] is False


def test_the_old_header_works_too(sandbox: Sandbox) -> None:
    token = sandbox.token("gitlab", "build-bot")
    user = f"{sandbox.base('gitlab')}/api/v4/user"
    assert ask("GET", user, headers={"PRIVATE-TOKEN": token}).json()["id"] == 42


def test_without_a_token_the_version_is_a_json_401(sandbox: Sandbox) -> None:
    reply = Caller(sandbox, "")("GET", "/version")
    assert reply.status == 401
    assert reply.json() == {"message": "401 Unauthorized"}
    assert Caller(sandbox, "glpat-" + "x" * 20)("GET", "/user").json() == reply.json()


@pytest.mark.parametrize(("name", "word"), [("ended", "expired"), ("revoked", "revoked")])
def test_a_dead_token_says_how_it_died(sandbox: Sandbox, name: str, word: str) -> None:
    reply = owner_of(sandbox, name)("GET", "/user")
    assert reply.status == 401
    assert reply.json()["error"] == "invalid_token"
    assert f"Token is {word}" in reply.json()["error_description"] or (
        f"Token was {word}" in reply.json()["error_description"]
    )


def test_a_token_tells_its_scopes_and_its_date(sandbox: Sandbox) -> None:
    said = owner_of(sandbox, "ending")("GET", SELF).json()
    assert said["scopes"] == ["api"]
    assert said["expires_at"] == days(6)
    assert (said["active"], said["revoked"], said["user_id"]) == (True, False, 42)


@pytest.mark.parametrize(
    ("name", "scopes"),
    [
        ("reduced", ["read_api", "read_repository"]),
        ("registry", ["read_registry"]),
        ("sudo", ["api", "sudo"]),
    ],
)
def test_any_scope_may_look_at_itself(sandbox: Sandbox, name: str, scopes: list[str]) -> None:
    assert owner_of(sandbox, name)("GET", SELF).json()["scopes"] == scopes


def test_a_token_dies_at_midnight_utc_of_its_date(sandbox: Sandbox) -> None:
    sandbox.new_token("gitlab", "ann", "tomorrow", ["api"], days(1))
    caller = owner_of(sandbox, "tomorrow", "ann")
    midnight = datetime.fromisoformat(f"{days(1)}T00:00:00+00:00").timestamp()
    left = midnight - datetime.now(UTC).timestamp()
    sandbox.skew(left - 30)
    assert caller("GET", "/user").status == 200
    sandbox.skew(left + 30)
    assert caller("GET", "/user").status == 401


def test_missing_scopes_are_named(sandbox: Sandbox) -> None:
    registry = owner_of(sandbox, "registry")("GET", "/projects")
    assert registry.status == 403
    assert registry.json()["error"] == "insufficient_scope"
    hooks = owner_of(sandbox, "reduced")("GET", "/projects/1077/hooks")
    assert (hooks.status, hooks.json()["scope"]) == (403, "api")
    assert owner_of(sandbox, "reduced")("GET", "/projects/1077").status == 200


def test_a_project_token_is_a_bot_that_sees_its_project(sandbox: Sandbox) -> None:
    caller = owner_of(sandbox, "project", "project_1077_bot_sandbox")
    assert caller("GET", "/user").json()["bot"] is True
    listed = caller("GET", "/projects?membership=true").json()
    assert [p["path_with_namespace"] for p in listed] == ["platform/api"]
    assert caller("GET", SELF).json()["scopes"] == ["api"]


def test_a_deploy_token_cannot_use_the_api(sandbox: Sandbox) -> None:
    assert owner_of(sandbox, "deploy")("GET", "/user").status == 401


def test_an_old_server_cannot_tell(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.fault("gitlab", "old_server")
    assert bot("GET", SELF).status == 404
    assert bot("GET", "/user").status == 200
    assert bot("GET", "/version").json()["version"].startswith("15.2")
    sandbox.clear_faults()
    sandbox.fault("gitlab", "old_version", value="16.9.2")
    assert bot("GET", SELF).status == 200
    assert bot("POST", f"{SELF}/rotate").status == 404


@pytest.mark.parametrize("state", ["blocked", "deactivated"])
def test_blocked_accounts_are_told_so(sandbox: Sandbox, bot: Caller, state: str) -> None:
    sandbox.change_account("gitlab", "build-bot", state=state)
    reply = bot("GET", "/user")
    assert reply.status == 403
    assert state in reply.json()["message"]


# -- rotate and revoke -----------------------------------------------------------------------------


def test_rotating_gives_a_successor_and_ends_the_token(sandbox: Sandbox, bot: Caller) -> None:
    reply = bot("POST", f"{SELF}/rotate", {"expires_at": days(100)})
    assert reply.status == 200
    assert reply.json()["expires_at"] == days(100)
    assert bot("GET", "/user").status == 401
    assert Caller(sandbox, reply.json()["token"])("GET", "/user").json()["id"] == 42


def test_without_a_date_the_successor_lives_one_week(bot: Caller) -> None:
    assert bot("POST", f"{SELF}/rotate").json()["expires_at"] == days(7)


def test_rotation_has_limits(sandbox: Sandbox, bot: Caller) -> None:
    assert bot("POST", f"{SELF}/rotate", {"expires_at": days(400)}).status == 400
    assert bot("POST", f"{SELF}/rotate", {"expires_at": "soon"}).status == 400
    assert owner_of(sandbox, "reduced")("POST", f"{SELF}/rotate").status == 403
    assert owner_of(sandbox, "rotating")("POST", f"{SELF}/rotate").status == 200


def test_rotating_a_rotated_token_ends_its_whole_family(sandbox: Sandbox, bot: Caller) -> None:
    fresh = Caller(sandbox, bot("POST", f"{SELF}/rotate").json()["token"])
    assert fresh("GET", "/user").status == 200
    assert bot("POST", f"{SELF}/rotate").status == 401
    assert fresh("GET", "/user").status == 401
    assert owner_of(sandbox, "sudo")("GET", "/user").status == 200


def test_any_token_may_end_itself(sandbox: Sandbox) -> None:
    caller = owner_of(sandbox, "registry")
    assert caller("DELETE", SELF).status == 204
    assert caller("DELETE", SELF).status == 401


# -- projects --------------------------------------------------------------------------------------


def test_membership_and_roles(bot: Caller) -> None:
    listed = bot("GET", "/projects?membership=true&per_page=100").json()
    mine = {p["path_with_namespace"]: p for p in listed}
    assert mine["platform/api"]["permissions"]["project_access"]["access_level"] == 40
    assert mine["platform/reports"]["permissions"]["project_access"] is None
    assert mine["platform/reports"]["permissions"]["group_access"]["access_level"] == 30
    assert mine["platform/images/base/debian"]["permissions"]["group_access"]["access_level"] == 40
    assert mine["research/model"]["permissions"]["project_access"]["access_level"] == 20
    assert "ann/diary" not in mine
    assert "research/secret" not in mine


def test_the_level_filter_says_where_hooks_are_allowed(bot: Caller) -> None:
    listed = bot("GET", "/projects?membership=true&min_access_level=40&per_page=100").json()
    paths = {p["path_with_namespace"] for p in listed}
    assert {"platform/api", "platform/images/base/alpine", "build-bot/scratch"} <= paths
    assert not {"platform/reports", "research/model", "ann/toolbox"} & paths


def test_a_project_is_found_by_number_and_by_path_and_says_where_to_clone(
    sandbox: Sandbox, bot: Caller
) -> None:
    path = "platform/images/base/debian"
    by_path = bot("GET", f"/projects/{quote(path, safe='')}").json()
    assert by_path == bot("GET", "/projects/1083").json()
    assert by_path["http_url_to_repo"] == f"{sandbox.base('gitlab')}/{path}.git"
    assert by_path["default_branch"] == "master"
    assert bot("GET", f"/projects/{path}").status == 404


def test_what_one_may_not_see_is_not_found(sandbox: Sandbox, bot: Caller) -> None:
    reply = bot("GET", "/projects/ann%2Fdiary")
    assert (reply.status, reply.json()) == (404, {"message": "404 Project Not Found"})
    anonymous = Caller(sandbox, "")
    assert anonymous("GET", "/projects/1077").status == 404
    assert anonymous("GET", "/projects/ann%2Ftoolbox").status == 200


def test_250_projects_by_keyset_carry_no_totals(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.add_repositories("gitlab", "build-bot", count=250, prefix="bulk")
    seen: list[int] = []
    url = "/projects?membership=true&order_by=id&sort=asc&pagination=keyset&per_page=100"
    while url:
        reply = bot("GET", url)
        assert "x-total" not in reply.headers
        seen += [p["id"] for p in reply.json()]
        link = reply.headers.get("link", "")
        url = link[1 : link.index(">")] if 'rel="next"' in link else ""
    assert seen == sorted(set(seen))
    assert len(seen) > 250


def test_numbered_pages_are_capped_and_counted(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.add_repositories("gitlab", "build-bot", count=150, prefix="bulk")
    first = bot("GET", "/projects?membership=true&per_page=500")
    assert len(first.json()) == 100
    assert first.headers["x-next-page"] == "2"
    assert first.headers["x-total-pages"] == "2"
    last = bot("GET", "/projects?membership=true&per_page=100&page=2")
    assert last.headers["x-next-page"] == ""
    assert len(last.json()) == int(first.headers["x-total"]) - 100


def test_search_looks_at_names_and_on_wish_at_groups(bot: Caller) -> None:
    def found(query: str) -> set[str]:
        return {p["path_with_namespace"] for p in bot("GET", f"/projects?{query}").json()}

    assert found("search=API") == {"platform/api"}
    assert found("search=images") == set()
    assert "platform/images/runner" in found("search=images&search_namespaces=true")
    assert "platform/old-site" not in found("archived=false&per_page=100")


def test_a_moved_project_answers_301_to_its_number(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.change_repository("gitlab", "platform/api", path="research/api")
    reply = bot("GET", "/projects/platform%2Fapi/repository/branches?search=rel")
    assert reply.status == 301
    assert reply.headers["location"].endswith("/projects/1077/repository/branches?search=rel")
    assert bot("POST", "/projects/platform%2Fapi/hooks").status == 405


def test_an_allow_list_answers_404(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.fault("gitlab", "ip_allow_list", value="platform/images")
    assert bot("GET", "/projects/1082").status == 404
    assert bot("GET", "/projects/1077").status == 200


def test_roles_can_be_taken_away(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.set_role("gitlab", "build-bot", "none", repository="platform/api")
    assert bot("GET", "/projects/1077/hooks").status == 403
    sandbox.set_role("gitlab", "build-bot", "none", group="platform")
    assert bot("GET", "/projects/1077").status == 404


def test_the_reach_of_a_token_is_listed(bot: Caller) -> None:
    said = bot("GET", f"{SELF}/associations?min_access_level=40").json()
    assert 1077 in {p["id"] for p in said["projects"]}
    assert [g["full_path"] for g in said["groups"]] == ["platform/images/base"]


# -- refs ------------------------------------------------------------------------------------------


def test_branches_are_searched_by_part_prefix_and_suffix(bot: Caller) -> None:
    def found(wanted: str) -> set[str]:
        query = f"/projects/1077/repository/branches?search={quote(wanted)}"
        return {b["name"] for b in bot("GET", query).json()}

    assert found("EAS") == {"release/1.0"}
    assert found("^fix") == {"fix/50%-off#1"}
    assert found("y$") == {"dependabot/pip/x+y"}
    assert found("登录") == {"feature/登录-页"}
    assert found("nothing") == set()


def test_every_ref_is_found_by_its_encoded_name(bot: Caller) -> None:
    project = "/projects/1077/repository"
    branches = bot("GET", f"{project}/branches").json()
    assert [b["name"] for b in branches if b["default"]] == ["main"]
    assert [b["name"] for b in branches if b["protected"]] == ["main"]
    for branch in branches:
        name = quote(branch["name"], safe="")
        assert bot("GET", f"{project}/branches/{name}").json() == branch
        assert bot("GET", f"{project}/commits/{name}").json()["id"] == branch["commit"]["id"]
    assert bot("GET", f"{project}/commits/nothing").json() == {"message": "404 Commit Not Found"}


def test_an_annotated_tag_has_a_target_of_its_own(bot: Caller) -> None:
    tags = {t["name"]: t for t in bot("GET", "/projects/1077/repository/tags").json()}
    assert tags["v1.0.0"]["target"] != tags["v1.0.0"]["commit"]["id"]
    assert tags["v1.0.0"]["message"] == "Release v1.0.0"
    assert tags["v1.0.1"]["target"] == tags["v1.0.1"]["commit"]["id"]
    assert tags["v1.0.0"]["commit"]["id"] == tags["v1.0.1"]["commit"]["id"]
    only = bot("GET", "/projects/1077/repository/tags?search=^v1.1").json()
    assert [t["name"] for t in only] == ["v1.1.0"]


def test_an_empty_project_has_no_default_branch(bot: Caller) -> None:
    assert bot("GET", "/projects/1085").json()["default_branch"] is None
    assert bot("GET", "/projects/1085/repository/branches").json() == []
    assert bot("GET", "/projects/1085/repository/commits/main").status == 404


def test_the_web_side_answers_with_pages(sandbox: Sandbox) -> None:
    base = sandbox.base("gitlab")
    assert ask("GET", base).headers["location"] == f"{base}/users/sign_in"
    page = ask("GET", f"{base}/users/sign_in")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
