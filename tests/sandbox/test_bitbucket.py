"""The Bitbucket dialect: tokens, workspaces, roles, pages, queries and refs as Bitbucket's."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.hosts import Reply, Sandbox, ask


class Caller:
    """Asks the API as the owner of one token."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.api = f"{sandbox.base('bitbucket')}/2.0"
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, path: str, method: str = "GET", **query: str) -> Reply:
        url = path if path.startswith("http") else f"{self.api}{path}"
        return ask(method, f"{url}?{urlencode(query)}" if query else url, headers=self.headers)

    def names(self, path: str, **query: str) -> list[str]:
        return [row["name"] for row in self(path, **query).json()["values"]]


@pytest.fixture
def octavia(sandbox: Sandbox) -> Caller:
    return Caller(sandbox, sandbox.token("bitbucket", "octavia"))


def owner_of(sandbox: Sandbox, name: str, account: str = "octavia") -> Caller:
    return Caller(sandbox, sandbox.token("bitbucket", account, name))


def said(reply: Reply) -> tuple[int, str]:
    body: dict[str, Any] = reply.json()
    assert body["type"] == "error"
    return reply.status, body["error"]["message"]


# -- who and what may ------------------------------------------------------------------------------


def test_a_token_says_whose_it_is_without_a_username(octavia: Caller) -> None:
    reply = octavia("/user")
    known = reply.json()
    assert (known["nickname"], known["display_name"]) == ("octavia", "Octavia Sandbox")
    assert known["uuid"].startswith("{")
    assert "username" not in known
    assert reply.headers["x-oauth-scopes"] == "account, repository, webhook"
    assert reply.headers["x-accepted-oauth-scopes"] == "account"


def test_a_dozen_repositories_and_long_tokens_that_say_what_they_are(sandbox: Sandbox) -> None:
    site = sandbox.state()["providers"]["bitbucket"]
    assert len(site["repositories"]) >= 12
    assert {r["visibility"] for r in site["repositories"]} == {"private", "public"}
    assert any(r["default_branch"] is None for r in site["repositories"])
    tokens = [t for a in site["accounts"] for t in a["tokens"]]
    texts = [text for t in tokens for text in (t["token"], t["refresh_token"])]
    assert len(texts) == len(set(texts)) > 12
    assert all("sandbox" in text and len(text) > 2500 for text in texts)
    assert site["accounts"][0]["external_id"].startswith("{")


def test_each_dead_token_has_its_sentence(sandbox: Sandbox) -> None:
    assert said(owner_of(sandbox, "ended")("/user"))[1].startswith("Access token expired.")
    for caller in (
        owner_of(sandbox, "revoked"),
        Caller(sandbox, "test-bogus"),
        Caller(sandbox, ""),
    ):
        assert said(caller("/user")) == (
            401,
            "Token is invalid, expired, or not supported for this endpoint.",
        )


def test_a_token_in_the_address_is_not_looked_at(sandbox: Sandbox) -> None:
    token = sandbox.token("bitbucket", "octavia")
    assert Caller(sandbox, "")("/user", access_token=token).status == 401


@pytest.mark.parametrize(
    ("name", "path", "scope"),
    [
        ("nameless", "/user", "account"),
        ("narrow", "/repositories/octavia", "repository"),
        ("reduced", "/repositories/octavia/harbor/hooks", "webhook"),
    ],
)
def test_a_missing_scope_is_named_beside_those_granted(
    sandbox: Sandbox, name: str, path: str, scope: str
) -> None:
    reply = owner_of(sandbox, name)(path)
    assert reply.status == 403
    detail = reply.json()["error"]["detail"]
    assert detail["required"] == [scope]
    assert scope not in detail["granted"]


def test_older_answers_do_not_tell_scopes(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.fault("bitbucket", "old_server")
    assert "x-oauth-scopes" not in octavia("/user").headers


def test_an_account_that_is_out_is_told_so(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.change_account("bitbucket", "octavia", state="deactivated")
    assert octavia("/user").json()["account_status"] == "inactive"
    assert said(octavia("/user/workspaces"))[0] == 403


# -- workspaces and repositories -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/repositories",
        "/workspaces",
        "/user/permissions/repositories",
        "/user/permissions/workspaces",
    ],
)
def test_lists_across_workspaces_are_gone(octavia: Caller, path: str) -> None:
    reply = octavia(path)
    assert said(reply) == (410, "CHANGE-2770 - Functionality has been deprecated")
    assert reply.json()["error"]["data"]["announcement_url"].endswith("#CHANGE-2770")


def test_a_brown_out_takes_everything_away_for_a_while(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.fault("bitbucket", "brown_out", value="CHANGE-9", times=1)
    assert said(octavia("/user"))[0] == 410
    assert octavia("/user").status == 200


def test_workspaces_are_those_one_is_in_or_was_let_into(octavia: Caller) -> None:
    rows = octavia("/user/workspaces").json()["values"]
    found = {row["workspace"]["slug"]: row["administrator"] for row in rows}
    assert found == {
        "octavia": True,
        "acme-inc": False,
        "harbor-works": True,
        "otto": False,
        "quiet-yard": False,
    }


def test_a_list_by_role_holds_those_with_at_least_that_role(octavia: Caller) -> None:
    def paths(role: str) -> set[str]:
        return set(octavia.names("/repositories/acme-inc", role=role))

    assert paths("member") == {"docs", "api", "web"}
    assert paths("contributor") == {"api", "web"}
    assert paths("admin") == {"web"}
    assert said(octavia("/repositories/acme-inc", role="king"))[0] == 400


def test_public_repositories_of_strangers_are_seen_but_not_as_a_member(octavia: Caller) -> None:
    assert octavia.names("/repositories/otto") == ["workshop", "notes"]
    assert octavia.names("/repositories/otto", role="member") == ["workshop"]
    assert octavia("/repositories/otto/notes").status == 200


def test_hidden_is_not_there(octavia: Caller) -> None:
    for path in ("/repositories/otto/vault", "/repositories/no/where", "/repositories/nobody"):
        assert said(octavia(path))[0] == 404


def test_a_closed_workspace_is_forbidden(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.fault("bitbucket", "org_restricted", value="acme-inc")
    assert said(octavia("/repositories/acme-inc"))[0] == 403
    assert octavia("/repositories/octavia").status == 200


def test_the_clone_address_carries_a_name_and_no_role_is_told(octavia: Caller) -> None:
    known = octavia("/repositories/octavia/harbor").json()
    links = {way["name"]: way["href"] for way in known["links"]["clone"]}
    assert "://octavia@127.0.0.1" in links["https"]
    assert links["https"].endswith("/bitbucket/octavia/harbor.git")
    assert not {"permissions", "permission", "role"} & set(known)
    assert octavia("/repositories/octavia/blank").json()["mainbranch"] is None


def test_a_repository_is_found_by_its_uuid_alone(sandbox: Sandbox, octavia: Caller) -> None:
    uuid = octavia("/repositories/octavia/harbor").json()["uuid"]
    path = f"/repositories/%7B%7D/{quote(uuid)}"
    assert octavia(path).json()["full_name"] == "octavia/harbor"
    assert octavia(f"{path}/refs/branches").status == 200
    sandbox.fault("bitbucket", "old_server")
    assert octavia(path).status == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_renamed_repository_is_moved_for_every_method(
    sandbox: Sandbox, octavia: Caller, method: str
) -> None:
    sandbox.change_repository("bitbucket", "octavia/harbor", path="octavia/port")
    reply = octavia("/repositories/octavia/harbor/hooks", method, page="2")
    assert reply.status == 301
    assert reply.headers["location"] == f"{octavia.api}/repositories/octavia/port/hooks?page=2"


# -- pages and queries -----------------------------------------------------------------------------


def test_pages_are_walked_by_the_address_in_the_body(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.add_repositories("bitbucket", "octavia", count=250, prefix="bulk")
    seen: list[str] = []
    sizes: list[int] = []
    url = "/repositories/octavia?role=member&sort=created_on&pagelen=100"
    while url:
        reply = octavia(url)
        assert "link" not in reply.headers
        body = reply.json()
        seen += [row["uuid"] for row in body["values"]]
        sizes.append(len(body["values"]))
        url = body.get("next", "")
    assert len(seen) == len(set(seen)) == 256
    assert sizes == [100, 100, 56]


@pytest.mark.parametrize("query", [{"pagelen": "101"}, {"pagelen": "x"}, {"q": "name is x"}])
def test_what_cannot_be_answered_is_a_bad_request(octavia: Caller, query: dict[str, str]) -> None:
    assert said(octavia("/repositories/octavia", **query))[0] == 400


def test_ten_is_a_page_unless_told(octavia: Caller) -> None:
    body = octavia("/repositories/octavia/busy/refs/tags").json()
    assert (len(body["values"]), body["size"], body["pagelen"]) == (10, 120, 10)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('name ~ "HAR"', ["harbor"]),
        ('full_name = "octavia/harbor"', ["harbor"]),
        ('full_name = "octavia/harb"', []),
        ('name ~ "o" AND name ~ "r"', ["harbor"]),
        ('name = "a \\"quoted\\" AND b"', []),
    ],
)
def test_a_query_narrows_a_list(octavia: Caller, query: str, found: list[str]) -> None:
    assert octavia.names("/repositories/octavia", q=query) == found


def test_a_span_of_time_is_a_query(octavia: Caller) -> None:
    rows = octavia("/repositories/octavia", sort="created_on").json()["values"]
    first, last = rows[1]["created_on"], rows[3]["created_on"]
    query = f"created_on >= {first} AND created_on <= {last}"
    assert octavia.names("/repositories/octavia", q=query, sort="created_on") == [
        row["name"] for row in rows[1:4]
    ]
    back = octavia.names("/repositories/octavia", sort="-created_on")
    assert back == [row["name"] for row in rows[::-1]]


# -- refs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fix/50%-off#1", "feature/登录-页", "release/1.0"])
def test_a_branch_of_any_name_is_found_by_a_query(octavia: Caller, name: str) -> None:
    place = "/repositories/octavia/harbor/refs/branches"
    assert octavia.names(place, q=f'name = "{name}"') == [name]


def test_the_target_of_an_annotated_tag_is_its_commit(octavia: Caller) -> None:
    place = "/repositories/octavia/harbor"
    rows = octavia(f"{place}/refs/tags", pagelen="100").json()["values"]
    tags = {row["name"]: row["target"]["hash"] for row in rows}
    assert tags["v1.0.0"] == tags["v1.0.1"]
    assert octavia(f"{place}/commit/{tags['v1.0.0'][:7]}").json()["hash"] == tags["v1.0.0"]


def test_an_unknown_commit_is_named(octavia: Caller) -> None:
    reply = octavia(f"/repositories/octavia/harbor/commit/{'f' * 40}")
    assert said(reply) == (404, "Commit not found")
    assert octavia("/repositories/octavia/blank/commit/main").status == 404


def test_an_empty_repository_has_empty_lists(octavia: Caller) -> None:
    for what in ("branches", "tags"):
        assert octavia(f"/repositories/octavia/blank/refs/{what}").json()["values"] == []


def test_pages_and_nothing_else_are_below_the_root(sandbox: Sandbox) -> None:
    base = sandbox.base("bitbucket")
    assert ask("GET", base).headers["location"] == f"{base}/account/signin/"
    assert ask("GET", f"{base}/account/settings/app-authorizations/").status == 200
    assert ask("GET", f"{base}/nowhere").headers["content-type"].startswith("text/html")
    assert said(ask("GET", f"{base}/2.0/nowhere"))[0] == 404
