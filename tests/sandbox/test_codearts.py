"""The CodeArts dialect: signatures, IAM tokens, tokens for downloads, plain lists, both APIs."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.hosts import Reply, Sandbox, ask

LIST = "/v4/user/repositories"
API_REPOSITORY = "/v4/repositories/83001"
WHO = "/v5/caller-identity"
BEARERS = "/v4/users/impersonation-bearer-tokens"


class Caller:
    """Asks the API with one IAM token."""

    def __init__(self, sandbox: Sandbox, token: str) -> None:
        self.base = sandbox.base("codearts")
        self.headers = {"x-auth-token": token} if token else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {**self.headers, **{name.replace("_", "-"): held for name, held in headers.items()}}
        return ask(method, f"{self.base}{path}", json_body=body, headers=sent)


class Signer:
    """Signs by hand: only paths and queries that need no quoting."""

    def __init__(self, sandbox: Sandbox, name: str = "cloud-account") -> None:
        known = sandbox.token_facts("codearts", "acme-robot", name)
        self.base, self.access, self.secret = (
            sandbox.base("codearts"),
            known["client_id"],
            known["token"],
        )

    def __call__(
        self, path: str, *, late: float = 0, signed: str = "", more: dict[str, str] | None = None
    ) -> Reply:
        at = f"{datetime.now(UTC) + timedelta(seconds=late):%Y%m%dT%H%M%SZ}"
        covered = {**(more or {}), "x-sdk-date": at, "host": urlsplit(self.base).netloc}
        url = urlsplit(f"{self.base}{signed or path}")
        names = ";".join(sorted(covered))
        lines = "".join(f"{name}:{covered[name]}\n" for name in sorted(covered))
        empty = hashlib.sha256(b"").hexdigest()
        canonical = f"GET\n{url.path}/\n{url.query}\n{lines}\n{names}\n{empty}"
        told = f"SDK-HMAC-SHA256\n{at}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        proof = hmac.new(self.secret.encode(), told.encode(), hashlib.sha256).hexdigest()
        authorization = (
            f"SDK-HMAC-SHA256 Access={self.access}, SignedHeaders={names}, Signature={proof}"
        )
        sent = {**(more or {}), "x-sdk-date": at, "authorization": authorization}
        return ask("GET", f"{self.base}{path}", headers=sent)


def owner_of(sandbox: Sandbox, name: str = "full", account: str = "acme-robot") -> Caller:
    return Caller(sandbox, sandbox.token("codearts", account, name))


@pytest.fixture
def robot(sandbox: Sandbox) -> Caller:
    return owner_of(sandbox)


# -- who asks --------------------------------------------------------------------------------------


def test_a_signature_proves_who_asks_and_what(sandbox: Sandbox) -> None:
    signer = Signer(sandbox)
    said = signer(WHO).json()
    identity = f"{said['account_id']}/{said['principal_id']}"
    assert identity == sandbox.account("codearts", "acme-robot")["external_id"]
    assert said["principal_urn"].endswith(":user:acme-robot")
    assert signer(f"{LIST}?limit=1&offset=0").status == 200


def test_what_was_not_signed_is_refused(sandbox: Sandbox) -> None:
    signer = Signer(sandbox)
    assert signer(f"{LIST}?limit=2", signed=f"{LIST}?limit=1").status == 401
    assert signer(API_REPOSITORY, signed=LIST).status == 401
    signer.secret += "x"
    reply = signer(WHO)
    assert (reply.status, reply.json()["error_code"]) == (401, "APIGW.0301")


@pytest.mark.parametrize(("late", "status"), [(-880, 200), (880, 200), (-920, 401), (920, 401)])
def test_a_signature_is_good_for_a_quarter_of_an_hour(
    sandbox: Sandbox, late: float, status: int
) -> None:
    assert Signer(sandbox)(WHO, late=late).status == status


def test_a_temporary_pair_brings_its_security_token(sandbox: Sandbox) -> None:
    signer = Signer(sandbox, "temporary")
    assert signer(WHO).status == 401
    more = {"x-security-token": f"sandbox-security-{signer.secret[::-1]}"}
    assert signer(WHO, more=more).status == 200
    sandbox.change_token("temporary", "codearts", "acme-robot", expires_in=-5)
    assert signer(WHO, more=more).json()["error_code"] == "DEV.00000003"


def test_the_callers_identity_is_for_signatures_only(sandbox: Sandbox, robot: Caller) -> None:
    assert robot("GET", WHO).status == 401
    assert Signer(sandbox, "revoked-keys")(WHO).status == 401


def test_an_iam_token_tells_of_itself(sandbox: Sandbox, robot: Caller) -> None:
    text = robot.headers["x-auth-token"]
    said = robot("GET", "/v3/auth/tokens", x_subject_token=text).json()["token"]
    owner = f"{said['user']['domain']['id']}/{said['user']['id']}"
    assert owner == sandbox.account("codearts", "acme-robot")["external_id"]
    assert said["expires_at"].endswith("Z")
    assert len(text) > 1000
    assert robot("GET", "/v3/auth/tokens").status == 401


@pytest.mark.parametrize(
    ("name", "code"), [("ended", "DEV.00000003"), ("revoked", "APIGW.0301"), ("", "APIGW.0301")]
)
def test_a_dead_token_is_refused(sandbox: Sandbox, name: str, code: str) -> None:
    caller = owner_of(sandbox, name) if name else Caller(sandbox, "")
    reply = caller("GET", LIST)
    assert (reply.status, reply.json()["error_code"]) == (401, code)


def test_keys_are_no_token_and_a_token_for_downloads_is_none(
    sandbox: Sandbox, robot: Caller
) -> None:
    for text in (sandbox.token("codearts", "acme-robot", "cloud-account"), _bearer(robot)["token"]):
        assert Caller(sandbox, text)("GET", LIST).status == 401


def _login(sandbox: Sandbox, password: str, **scope: Any) -> Reply:
    user = {"name": "acme-robot", "password": password, "domain": {"name": "acme-cloud"}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, **scope}}
    return Caller(sandbox, "")("POST", "/v3/auth/tokens", body)


def test_a_token_is_issued_by_password_and_is_in_a_header(sandbox: Sandbox) -> None:
    project = {"scope": {"project": {"name": "cn-north-4"}}}
    issued = _login(sandbox, "sandbox-password", **project)
    caller = Caller(sandbox, issued.headers["x-subject-token"])
    assert issued.status == 201
    assert caller("GET", LIST).status == 200
    assert _login(sandbox, "x", **project).status == 401


def test_a_token_for_no_project_sees_no_repositories(sandbox: Sandbox) -> None:
    issued = _login(sandbox, "sandbox-password")
    caller = Caller(sandbox, issued.headers["x-subject-token"])
    assert caller("GET", LIST).status == 403


@pytest.mark.parametrize(
    ("name", "path"),
    [("blind", LIST), ("blind", API_REPOSITORY), ("reduced", f"{API_REPOSITORY}/hooks")],
)
def test_a_policy_may_leave_things_out(sandbox: Sandbox, name: str, path: str) -> None:
    assert owner_of(sandbox, name)("GET", path).status == 403
    assert owner_of(sandbox)("GET", path).status == 200


def test_a_frozen_account_is_told(sandbox: Sandbox, robot: Caller) -> None:
    sandbox.change_account("codearts", "acme-robot", state="deactivated")
    for reply in (robot("GET", LIST), Signer(sandbox)(WHO)):
        assert (reply.status, reply.json()["error_code"]) == (403, "PAP5.0061")


def test_the_wait_of_a_limit_is_a_header(sandbox: Sandbox, robot: Caller) -> None:
    sandbox.fault("codearts", "rate_limit", value=7, times=1)
    reply = robot("GET", LIST)
    assert (reply.status, reply.json()["error_code"]) == (429, "APIGW.0308")
    assert reply.headers["retry-after"] == "7"


# -- repositories ----------------------------------------------------------------------------------


def test_a_list_is_a_plain_array_with_its_total_in_a_header(robot: Caller) -> None:
    reply = robot("GET", f"{LIST}?limit=3&offset=2&sort=asc")
    assert [row["id"] for row in reply.json()] == [83003, 83004, 83005]
    assert reply.headers["x-total"] == "9"
    assert "link" not in reply.headers
    assert len(robot("GET", f"{LIST}?limit=1000").json()) == 9


def test_archived_ones_are_listed_when_asked_for(robot: Caller) -> None:
    assert 83007 not in [row["id"] for row in robot("GET", f"{LIST}?limit=100").json()]
    assert [row["id"] for row in robot("GET", f"{LIST}?archived=true").json()] == [83007]


def test_a_repository_has_a_number_only(robot: Caller) -> None:
    listed = robot("GET", f"{LIST}?search=FOUNDRY00228/API").json()
    assert [row["id"] for row in listed] == [83001]
    assert "path_with_namespace" not in listed[0]
    one = robot("GET", API_REPOSITORY).json()
    assert one["path_with_namespace"] == "foundry00228/api"
    assert one["http_url_to_repo"].endswith("/foundry00228/api.git")
    assert robot("GET", "/v4/repositories/foundry00228%2Fapi").status == 404
    assert robot("GET", "/v4/repositories/83011").status == 404
    assert robot("GET", "/v4/repositories/83012").status == 404


def test_a_moved_repository_keeps_its_number(sandbox: Sandbox, robot: Caller) -> None:
    sandbox.change_repository("codearts", "foundry00228/api", path="foundry00228/api-2")
    said = robot("GET", API_REPOSITORY).json()
    assert said["path_with_namespace"] == "foundry00228/api-2"


def test_refs_and_commits(robot: Caller) -> None:
    branches = {b["name"]: b for b in robot("GET", f"{API_REPOSITORY}/repository/branches").json()}
    assert [name for name, b in branches.items() if b["default"]] == ["main"]
    simple = robot("GET", f"{API_REPOSITORY}/repository/branches?view=simple").json()
    assert not any("commit" in branch for branch in simple)
    place = f"{API_REPOSITORY}/repository/branch?branch_name=release%2F1.0"
    assert robot("GET", place).json()["commit"] == branches["release/1.0"]["commit"]
    (tag,) = robot("GET", f"{API_REPOSITORY}/repository/tags?search=v1.1").json()
    assert tag["target"] == branches["main"]["commit"]["id"]
    (commit,) = robot("GET", f"{API_REPOSITORY}/repository/commits?sha={tag['target'][:8]}").json()
    assert commit["id"] == tag["target"]
    empty = "/v4/repositories/83003"
    assert robot("GET", empty).json()["empty_repo"] is True
    assert robot("GET", f"{empty}/repository/branches").json() == []
    assert robot("GET", f"{empty}/repository/commits").status == 404


def test_the_api_before_refuses_with_success(robot: Caller) -> None:
    known = robot("GET", "/v2/projects/repositories").json()
    assert (known["status"], known["result"]["total"]) == ("success", 10)
    refused = robot("GET", "/v2/repositories/83011/branches")
    assert (refused.status, refused.json()["status"]) == (200, "failed")
    assert refused.json()["error"]["message"] == "repository does not exist"
    assert robot("GET", "/v2/repositories/83001/branches").json()["status"] == "success"


# -- tokens for downloads --------------------------------------------------------------------------


def _bearer(caller: Caller, **asked: Any) -> Any:
    body = {"name": "x", "duration": 900, "scopes": ["download"], **asked}
    reply = caller("POST", BEARERS, body)
    return reply.json() if reply.status == 201 else reply.status


def test_a_token_for_downloads_ends_by_itself(sandbox: Sandbox, robot: Caller) -> None:
    made = _bearer(robot)
    assert set(made) == {"id", "name", "token", "scopes", "expires_at"}
    assert _git(sandbox, made["token"]) == 200
    sandbox.skew(901)
    assert _git(sandbox, made["token"]) == 401


def test_a_token_for_downloads_is_deleted_once_and_by_its_owner(
    sandbox: Sandbox, robot: Caller
) -> None:
    made = _bearer(robot)
    place = f"{BEARERS}/{made['id']}"
    assert owner_of(sandbox, account="globex-robot")("DELETE", place).status == 404
    assert _git(sandbox, made["token"]) == 200
    assert robot("DELETE", place).status == 204
    assert robot("DELETE", place).status == 404
    assert _git(sandbox, made["token"]) == 401


@pytest.mark.parametrize(
    "odd",
    [
        {"duration": 899},
        {"duration": 86_401},
        {"duration": "900"},
        {"scopes": ["upload"]},
        {"scopes": []},
        {"name": ""},
    ],
)
def test_what_a_token_for_downloads_may_be_is_checked(robot: Caller, odd: dict[str, Any]) -> None:
    assert _bearer(robot, **odd) == 400


def test_a_token_for_downloads_needs_the_right_to_download(sandbox: Sandbox) -> None:
    assert _bearer(owner_of(sandbox, "reading")) == 403


def test_git_takes_neither_keys_nor_iam_tokens(sandbox: Sandbox, robot: Caller) -> None:
    keys = sandbox.token("codearts", "acme-robot", "cloud-account")
    made = _bearer(robot)["token"]
    assert _git(sandbox, keys) == _git(sandbox, robot.headers["x-auth-token"]) == 401
    assert _git(sandbox, made, user="acme-robot") == 401
    assert _git(sandbox, made, path="vault00233/payroll") == 403
    assert _git(sandbox, made) == 200


def _git(
    sandbox: Sandbox, token: str, *, user: str = "private-token", path: str = "foundry00228/api"
) -> int:
    basic = b64encode(f"{user}:{token}".encode()).decode()
    url = f"{sandbox.base('codearts')}/{path}.git/info/refs?service=git-upload-pack"
    return ask("GET", url, headers={"authorization": f"Basic {basic}"}).status


def test_credentials_of_each_kind_can_be_made(sandbox: Sandbox) -> None:
    for kind in ("", "iam", "key", "temporary"):
        sandbox.new_token("codearts", "acme-robot", f"new-{kind}", [], kind=kind)
    body = {"provider": "codearts", "account": "acme-robot", "name": "x", "scopes": []}
    url = f"{sandbox.url}/_control/tokens"
    assert ask("POST", url, json_body={**body, "kind": "oauth"}).status == 400
