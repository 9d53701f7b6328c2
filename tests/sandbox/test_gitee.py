"""The Gitee dialect: tokens for a day, totals in headers, refusals in Chinese, no way by number."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.hosts import Reply, Sandbox, ask

BACK = "http://localhost:9/oauth/callback/sandbox/"


class Caller:
    """Asks the API as the owner of one token."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.api = f"{sandbox.base('gitee')}/api/v5"
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None) -> Reply:
        return ask(method, f"{self.api}{path}", json_body=body, headers=self.headers)


def owner_of(sandbox: Sandbox, name: str = "full", account: str = "octavia") -> Caller:
    return Caller(sandbox, sandbox.token("gitee", account, name))


@pytest.fixture
def octavia(sandbox: Sandbox) -> Caller:
    return owner_of(sandbox)


def test_a_token_says_whose_it_is(octavia: Caller) -> None:
    said = octavia("GET", "/user").json()
    assert (said["id"], said["login"], said["name"]) == (61001, "octavia", "Octavia Sandbox")


def test_a_token_in_the_address_works_and_can_be_read_there(sandbox: Sandbox) -> None:
    token = sandbox.token("gitee", "octavia")
    url = f"{sandbox.base('gitee')}/api/v5/user?access_token={token}"
    assert ask("GET", url).json()["login"] == "octavia"
    assert token in sandbox.requests("gitee")[-1]["query"]


@pytest.mark.parametrize(
    ("name", "why"), [("ended", "is expired"), ("revoked", "does not exist"), ("", "is required")]
)
def test_a_401_says_why_in_a_sentence_only(sandbox: Sandbox, name: str, why: str) -> None:
    caller = owner_of(sandbox, name) if name else Caller(sandbox, "")
    reply = caller("GET", "/user")
    assert (reply.status, reply.json()) == (
        401,
        {"message": f"401 Unauthorized: Access token {why}"},
    )


def test_scope_and_role_are_refused_in_the_same_words(sandbox: Sandbox) -> None:
    small = owner_of(sandbox, "reduced")("GET", "/repos/octavia/harbor/hooks")
    low = owner_of(sandbox)("GET", "/repos/otto/workshop/hooks")
    assert (small.status, small.body) == (low.status, low.body) == (403, small.body)
    assert owner_of(sandbox, "narrow")("GET", "/user/repos").status == 403
    assert owner_of(sandbox, "nameless")("GET", "/user").status == 403


def test_the_pages_of_a_list_are_counted_in_headers(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.add_repositories("gitee", "octavia", count=130)
    first = octavia("GET", "/user/repos?per_page=500")
    total = int(first.headers["total_count"])
    assert (len(first.json()), first.headers["total_page"]) == (100, "2")
    assert "link" not in first.headers
    assert len(octavia("GET", "/user/repos?per_page=100&page=2").json()) == total - 100
    assert octavia("GET", "/user/repos?per_page=100&page=3").json() == []


def test_without_groups_repositories_of_organizations_are_left_out_silently(
    sandbox: Sandbox, octavia: Caller
) -> None:
    paths = {r["full_name"] for r in octavia("GET", "/user/repos?per_page=100").json()}
    own = {r["full_name"] for r in owner_of(sandbox, "own")("GET", "/user/repos").json()}
    assert paths - own == {"acme-inc/web", "acme-inc/api", "acme-inc/docs"}


def test_a_repository_as_gitee_tells_it(octavia: Caller) -> None:
    said = octavia("GET", "/repos/octavia/harbor").json()
    assert (said["full_name"], said["human_name"]) == ("octavia/harbor", "Octavia Sandbox/harbor")
    assert said["html_url"].endswith("/octavia/harbor.git")
    assert said["permission"] == {"pull": True, "push": True, "admin": True}
    assert "permissions" not in said
    assert "clone_url" not in said
    assert octavia("GET", "/repos/octavia/blank").json()["default_branch"] is None


def test_nothing_is_found_by_number_or_by_an_old_path(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.change_repository("gitee", "octavia/harbor", path="octavia/port")
    assert octavia("GET", "/repos/octavia/harbor").status == 404
    assert octavia("GET", "/repositories/63001").status == 404
    assert octavia("GET", "/repos/octavia/port").json()["id"] == 63001


def test_a_strangers_repository_is_not_there(sandbox: Sandbox, octavia: Caller) -> None:
    assert octavia("GET", "/repos/otto/vault").status == 404
    assert Caller(sandbox, "")("GET", "/repos/octavia/tugboat").status == 200
    assert Caller(sandbox, "")("GET", "/repos/octavia/harbor").status == 404


def test_branches_tags_and_commits(octavia: Caller) -> None:
    branches = {b["name"]: b for b in octavia("GET", "/repos/octavia/harbor/branches").json()}
    assert branches["main"]["protected"] is True
    tags = {
        t["name"]: t["commit"]["sha"] for t in octavia("GET", "/repos/octavia/harbor/tags").json()
    }
    named = octavia("GET", "/repos/octavia/harbor/branches/feature%2F%E7%99%BB%E5%BD%95-%E9%A1%B5")
    assert named.json()["commit"] == branches["feature/登录-页"]["commit"]
    tagged = octavia("GET", "/repos/octavia/harbor/commits?sha=v1.1.0&per_page=1").json()
    assert tagged[0]["sha"] == tags["v1.1.0"] == branches["main"]["commit"]["sha"]
    short = tags["v1.1.0"][:7]
    assert octavia("GET", f"/repos/octavia/harbor/commits/{short}").json()["sha"] == tags["v1.1.0"]
    assert octavia("GET", "/repos/octavia/blank/branches").json() == []


def test_the_budget_of_an_hour_is_counted_and_told(sandbox: Sandbox, octavia: Caller) -> None:
    first = octavia("GET", "/user")
    assert first.headers["x-ratelimit-limit"] == "5000"
    assert first.headers["x-ratelimit-remaining"] == "4999"
    sandbox.set_budget("gitee", "octavia", 0)
    over = octavia("GET", "/user")
    assert (over.status, over.headers["x-ratelimit-remaining"]) == (403, "0")
    assert Caller(sandbox, "")("GET", "/user").headers["x-ratelimit-limit"] == "60"


def test_a_blocked_account_is_told_in_chinese(sandbox: Sandbox, octavia: Caller) -> None:
    sandbox.change_account("gitee", "octavia", state="blocked")
    reply = octavia("GET", "/user")
    assert (reply.status, "锁定" in reply.json()["message"]) == (403, True)


# -- OAuth -----------------------------------------------------------------------------------------


class Client:
    """Mooring's side of the flow."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.base = sandbox, sandbox.base("gitee")

    def consent(self, approve: bool = True, **more: str) -> dict[str, str]:
        asked = {
            "client_id": "mooring-sandbox",
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "user_info projects hook",
            "state": "test-state",
            **more,
        }
        address = f"{self.base}/oauth/authorize?{urlencode(asked)}"
        target = self.sandbox.authorize("gitee", address, "octavia", approve)
        return {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}

    def trade(self, **fields: str) -> Reply:
        known = {"client_id": "mooring-sandbox", "client_secret": "sandbox-client-secret"}
        form = {**known, "grant_type": "authorization_code", "redirect_uri": BACK, **fields}
        return ask("POST", f"{self.base}/oauth/token", form=form)

    def refresh(self, token: str) -> Reply:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return ask("POST", f"{self.base}/oauth/token", form=form)


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


def test_consent_ends_with_a_pair_for_a_day(client: Client) -> None:
    back = client.consent()
    assert back["state"] == "test-state"
    said = client.trade(code=back["code"]).json()
    assert (said["token_type"], said["expires_in"]) == ("bearer", 86400)
    assert said["scope"] == "user_info projects hook"
    assert said["created_at"] > 1_700_000_000
    assert client.trade(code=back["code"]).json()["error"] == "invalid_grant"


def test_cancel_and_a_scope_too_many(client: Client) -> None:
    assert client.consent(approve=False)["error"] == "access_denied"
    assert client.consent(scope="user_info emails")["error"] == "invalid_scope"


def test_a_refresh_needs_no_client_and_works_once(sandbox: Sandbox, client: Client) -> None:
    old = client.trade(code=client.consent()["code"]).json()
    fresh = client.refresh(old["refresh_token"]).json()
    assert Caller(sandbox, fresh["access_token"])("GET", "/user").status == 200
    assert Caller(sandbox, old["access_token"])("GET", "/user").status == 401
    again = client.refresh(old["refresh_token"])
    assert (again.status, again.json()["error"]) == (401, "invalid_grant")
    assert again.json()["error_description"].startswith("授权")
    assert Caller(sandbox, fresh["access_token"])("GET", "/user").status == 200


def test_reuse_ends_the_family_where_that_is_switched_on(sandbox: Sandbox, client: Client) -> None:
    old = client.trade(code=client.consent()["code"]).json()
    fresh = client.refresh(old["refresh_token"]).json()
    sandbox.fault("gitee", "family_kill")
    assert client.refresh(old["refresh_token"]).status == 401
    assert Caller(sandbox, fresh["access_token"])("GET", "/user").status == 401


def test_a_wrong_app_is_told_from_a_wrong_code(client: Client) -> None:
    wrong = client.trade(code="x", client_secret="wrong-test-secret")
    assert (wrong.status, wrong.json()["error"]) == (401, "invalid_client")
    assert client.trade(code="x").json()["error"] == "invalid_grant"


def test_who_does_not_say_who_is_asking_gets_a_403(sandbox: Sandbox) -> None:
    line = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=30)
    line.putrequest("POST", "/gitee/oauth/token", skip_accept_encoding=True)
    line.putheader("Content-Length", "0")
    line.endheaders()
    reply = line.getresponse()
    assert (reply.status, reply.read()) == (403, b"Forbidden\n")
    line.close()
