"""The Codeup dialect: permissions, organizations, both editions, levels as text and as number."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hosts import Receiver, Reply, Sandbox, ask

ACME = "60de7a6852743a51sandbox0"
BETA = "61f0c2aa9b1d4e72sandbox1"
LIST = f"/codeup/organizations/{ACME}/repositories"
API_REPOSITORY = f"{LIST}/{ACME}%2Fplatform%2Fapi"
SECRET = "test-hook-secret"


class Caller:
    """Asks the API as the owner of one token."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.api = f"{sandbox.base('codeup')}/oapi/v1"
        self.headers = {"x-yunxiao-token": token} if token else {}

    def __call__(self, method: str, path: str, body: Any = None) -> Reply:
        return ask(method, f"{self.api}{path}", json_body=body, headers=self.headers)


def owner_of(sandbox: Sandbox, name: str = "full", account: str = "build-bot") -> Caller:
    return Caller(sandbox, sandbox.token("codeup", account, name))


@pytest.fixture
def bot(sandbox: Sandbox) -> Caller:
    return owner_of(sandbox)


def test_a_user_has_a_hex_id_and_a_last_organization(sandbox: Sandbox, bot: Caller) -> None:
    said = bot("GET", "/platform/user").json()
    assert said["id"] == sandbox.account("codeup", "build-bot")["external_id"]
    assert len(said["id"]) == 24
    assert (said["username"], said["name"]) == ("build-bot", "构建机器人")
    assert said["lastOrganization"] == ACME


def test_organizations_are_those_of_the_caller(sandbox: Sandbox, bot: Caller) -> None:
    assert [o["id"] for o in bot("GET", "/platform/organizations").json()] == [ACME]
    ann = owner_of(sandbox, account="ann")("GET", "/platform/organizations").json()
    assert [o["id"] for o in ann] == [ACME, BETA]
    assert owner_of(sandbox, account="ben")("GET", "/platform/organizations").json() == []


@pytest.mark.parametrize("name", ["ended", "revoked", ""])
def test_a_dead_token_does_not_say_what_it_died_of(sandbox: Sandbox, name: str) -> None:
    caller = owner_of(sandbox, name) if name else Caller(sandbox, "")
    reply = caller("GET", "/platform/user")
    assert (reply.status, reply.json()["errorCode"]) == (401, "InvalidToken")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("nameless", "/platform/user"),
        ("blind", LIST),
        ("refless", f"{API_REPOSITORY}/branches"),
        ("refless", f"{API_REPOSITORY}/tags"),
        ("reduced", f"{API_REPOSITORY}/webhooks"),
    ],
)
def test_each_permission_is_one_of_its_own(sandbox: Sandbox, name: str, path: str) -> None:
    assert owner_of(sandbox, name)("GET", path).status == 403
    assert owner_of(sandbox)("GET", path).status == 200


def test_a_level_is_a_text_in_the_list_and_a_number_in_one(bot: Caller) -> None:
    listed = {r["name"]: r for r in bot("GET", f"{LIST}?perPage=100").json()}
    one = bot("GET", API_REPOSITORY).json()
    assert (listed["api"]["accessLevel"], one["accessLevel"]) == ("40", 40)
    assert "httpUrlToRepo" not in listed["api"]
    assert one["httpUrlToRepo"].endswith(f"/{ACME}/platform/api.git")
    assert listed["model"]["accessLevel"] == "20"
    assert "payroll" not in listed
    assert "handbook" in listed


def test_a_list_is_searched_sorted_and_counted(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.add_repositories("codeup", f"{ACME}/crew", count=120, prefix="many")
    first = bot("GET", f"{LIST}?perPage=100&search=CREW/many&orderBy=path&sort=asc")
    assert (len(first.json()), first.headers["x-total"]) == (100, "120")
    assert (first.headers["x-total-pages"], first.headers["x-next-page"]) == ("2", "2")
    names = [r["name"] for r in first.json()]
    assert names == sorted(names)


def test_another_organization_is_not_found(bot: Caller) -> None:
    assert bot("GET", f"/codeup/organizations/{BETA}/repositories").status == 404
    assert bot("GET", f"/codeup/organizations/{BETA}/repositories/73001").status == 404
    assert bot("GET", f"{LIST}/73011").status == 404


def test_a_number_survives_a_move_and_a_path_does_not(sandbox: Sandbox, bot: Caller) -> None:
    path = f"{ACME}/platform/api"
    sandbox.change_repository("codeup", path, path=f"{path}-2")
    assert bot("GET", API_REPOSITORY).status == 404
    assert bot("GET", f"{LIST}/73001").json()["pathWithNamespace"] == f"{path}-2"


def test_an_edition_knows_nothing_of_the_addresses_of_the_other(
    sandbox: Sandbox, bot: Caller
) -> None:
    assert bot("GET", "/codeup/repositories").status == 404
    sandbox.fault("codeup", "region_edition")
    assert bot("GET", "/codeup/repositories").status == 200
    assert bot("GET", "/codeup/repositories/73001/branches").status == 200
    assert bot("GET", LIST).status == 404
    assert bot("GET", "/platform/organizations").status == 404
    assert "lastOrganization" not in bot("GET", "/platform/user").json()


def test_refs_and_commits(bot: Caller) -> None:
    branches = {b["name"]: b for b in bot("GET", f"{API_REPOSITORY}/branches").json()}
    assert [name for name, b in branches.items() if b["defaultBranch"]] == ["main"]
    named = bot("GET", f"{API_REPOSITORY}/branches/release%2F1.0").json()
    assert named["commit"]["id"] == branches["release/1.0"]["commit"]["id"]
    (tag,) = bot("GET", f"{API_REPOSITORY}/tags?search=v1.1").json()
    assert tag["commit"]["id"] == branches["main"]["commit"]["id"]
    short = tag["commit"]["id"][:8]
    assert bot("GET", f"{API_REPOSITORY}/commits/{short}").json()["id"] == tag["commit"]["id"]
    assert bot("GET", f"{LIST}/73007/branches").json() == []
    assert bot("GET", f"{LIST}/73007").json()["defaultBranch"] is None


# -- hooks -----------------------------------------------------------------------------------------


def test_a_hook_shows_its_secret_and_loses_what_a_change_leaves_out(
    sandbox: Sandbox, bot: Caller, receiver: Receiver
) -> None:
    hooks = f"{API_REPOSITORY}/webhooks"
    wanted = {"url": receiver.url, "token": SECRET, "pushEvents": True}
    made = bot("POST", hooks, wanted).json()
    assert bot("GET", hooks).json()[0]["token"] == SECRET
    sandbox.push("codeup", f"{ACME}/platform/api")
    (heard,) = receiver.wait(1)
    assert heard.headers["x-codeup-token"] == SECRET
    assert heard.headers["codeup-event"] == "Push Hook"
    bot("PUT", f"{hooks}/{made['id']}", {"url": receiver.url})
    assert bot("GET", hooks).json()[0]["token"] == ""
    assert bot("DELETE", f"{hooks}/{made['id']}").status == 200
    assert bot("DELETE", f"{hooks}/{made['id']}").status == 404


def test_a_delivery_has_no_path_and_no_id(
    sandbox: Sandbox, bot: Caller, receiver: Receiver
) -> None:
    wanted = {"url": receiver.url, "token": SECRET, "tagPushEvents": True}
    bot("POST", f"{API_REPOSITORY}/webhooks", wanted)
    pushed = sandbox.push("codeup", f"{ACME}/platform/api", "refs/tags/v9", annotated=True)
    sandbox.push("codeup", f"{ACME}/platform/api", "main")
    (heard,) = receiver.wait(1)
    said = json.loads(heard.body)
    assert (said["object_kind"], said["project_id"]) == ("tag_push", 73001)
    assert said["after"] == pushed["after"] != said["commits"][-1]["id"]
    assert "path_with_namespace" not in heard.body.decode()
    assert said["repository"]["git_http_url"].endswith(f"/{ACME}/platform/api.git")


def test_writing_hooks_needs_the_role_and_the_permission(sandbox: Sandbox, bot: Caller) -> None:
    wanted = {"url": "http://127.0.0.1:9/", "token": SECRET}
    assert bot("POST", f"{LIST}/73003/webhooks", wanted).status == 403
    looking = owner_of(sandbox, "looking")
    assert looking("GET", f"{API_REPOSITORY}/webhooks").status == 200
    assert looking("POST", f"{API_REPOSITORY}/webhooks", wanted).status == 403
    assert bot("POST", f"{API_REPOSITORY}/webhooks", {"url": "ftp://x"}).status == 422


# -- limits and refusals ---------------------------------------------------------------------------


def test_a_limit_names_a_moment_in_the_body(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.fault("codeup", "rate_limit", value={"reset_at": 1795244520}, times=1)
    reply = bot("GET", "/platform/user")
    assert (reply.status, reply.json()["reset_at"]) == (429, 1795244520)
    assert "retry-after" not in reply.headers
    sandbox.fault("codeup", "rate_limit", value=7, times=1)
    assert bot("GET", "/platform/user").headers["retry-after"] == "7"


def test_a_disabled_account_is_told(sandbox: Sandbox, bot: Caller) -> None:
    sandbox.change_account("codeup", "build-bot", state="deactivated")
    reply = bot("GET", "/platform/user")
    assert (reply.status, reply.json()["errorCode"]) == (403, "UserDisabled")


def test_there_are_no_tokens_of_another_kind(sandbox: Sandbox) -> None:
    body = {"provider": "codeup", "account": "ann", "name": "x", "scopes": [], "kind": "oauth"}
    assert ask("POST", f"{sandbox.url}/_control/tokens", json_body=body).status == 400
