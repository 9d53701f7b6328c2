"""Bitbucket's OAuth in the sandbox: long pairs, rotation with a grace period, Basic alone."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.hosts import Reply, Sandbox, ask

BACK = "http://localhost:9/oauth/callback/sandbox/"
DAY = 86_400


class Client:
    """Mooring's side of the flow."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.base = sandbox, sandbox.base("bitbucket")

    def consent(self, approve: bool = True, **more: str) -> dict[str, str]:
        asked = {
            "client_id": "mooring-sandbox",
            "redirect_uri": BACK,
            "response_type": "code",
            "state": "test-state",
            **more,
        }
        address = f"{self.base}/site/oauth2/authorize?{urlencode(asked)}"
        target = self.sandbox.authorize("bitbucket", address, "otto", approve)
        assert target.startswith(BACK)
        return {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}

    def post(self, secret: str = "sandbox-client-secret", **fields: str) -> Reply:
        pair = base64.b64encode(f"mooring-sandbox:{secret}".encode()).decode()
        url = f"{self.base}/site/oauth2/access_token"
        return ask("POST", url, form=fields, headers={"Authorization": f"Basic {pair}"})

    def tokens(self, **consent: str) -> dict[str, Any]:
        code = self.consent(**consent)["code"]
        made = self.post(grant_type="authorization_code", code=code)
        assert made.status == 200, made.body
        told: dict[str, Any] = made.json()
        return told

    def refresh(self, token: str) -> Reply:
        return self.post(grant_type="refresh_token", refresh_token=token)

    def alive(self, token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return ask("GET", f"{self.base}/2.0/user", headers=headers).status == 200


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


def refused(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json()["error"]


def test_consent_ends_with_a_long_pair_for_two_hours(client: Client) -> None:
    told = client.tokens()
    assert (told["token_type"], told["expires_in"]) == ("bearer", 7200)
    assert told["scopes"] == "account repository webhook"
    assert "scope" not in told
    assert min(len(told["access_token"]), len(told["refresh_token"])) > 2500
    assert client.alive(told["access_token"])


def test_what_is_asked_for_changes_nothing(client: Client) -> None:
    assert client.tokens(scope="account")["scopes"] == "account repository webhook"


def test_a_consumer_may_have_less(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault("bitbucket", "grant_scopes", value="account repository")
    assert client.tokens()["scopes"] == "account repository"


def test_cancel_comes_back_as_access_denied(client: Client) -> None:
    back = client.consent(approve=False)
    assert (back["error"], back["state"]) == ("access_denied", "test-state")


def test_a_refresh_leaves_the_access_token_of_before_alone(client: Client) -> None:
    old = client.tokens()
    fresh = client.refresh(old["refresh_token"]).json()
    assert fresh["refresh_token"] != old["refresh_token"]
    assert client.alive(old["access_token"])
    assert client.alive(fresh["access_token"])


def test_a_spent_refresh_token_serves_for_ten_minutes_from_its_first_use(
    sandbox: Sandbox, client: Client
) -> None:
    old = client.tokens()["refresh_token"]
    sandbox.skew(3600)
    assert client.refresh(old).status == 200
    sandbox.skew(3600 + 590)
    assert client.refresh(old).status == 200
    sandbox.skew(3600 + 610)
    assert refused(client.refresh(old)) == (400, "invalid_grant")


def test_a_refresh_token_lives_three_months(sandbox: Sandbox, client: Client) -> None:
    old = client.tokens()["refresh_token"]
    sandbox.skew(89 * DAY)
    assert client.refresh(old).status == 200
    unused = client.tokens()["refresh_token"]
    sandbox.skew(180 * DAY)
    assert refused(client.refresh(unused)) == (400, "invalid_grant")


def test_older_consumers_keep_their_refresh_token(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault("bitbucket", "rotation_off")
    old = client.tokens()["refresh_token"]
    assert client.refresh(old).json()["refresh_token"] == old
    sandbox.skew(3600)
    assert client.refresh(old).status == 200


def test_the_client_proves_itself_by_basic_alone(client: Client) -> None:
    code = client.consent()["code"]
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "mooring-sandbox",
        "client_secret": "sandbox-client-secret",
    }
    url = f"{client.base}/site/oauth2/access_token"
    missing = ask("POST", url, form=fields)
    assert refused(missing) == (401, "unauthorized_client")
    assert "credentials missing" in missing.json()["error_description"]
    wrong = client.post(secret="wrong-test-secret", grant_type="authorization_code", code=code)
    assert refused(wrong) == (401, "unauthorized_client")
    assert client.post(grant_type="authorization_code", code=code).status == 200


def test_codes_work_once(client: Client) -> None:
    code = client.consent()["code"]
    assert client.post(grant_type="authorization_code", code=code).status == 200
    again = client.post(grant_type="authorization_code", code=code)
    assert refused(again) == (400, "invalid_grant")
    assert refused(client.post(grant_type="password")) == (400, "unsupported_grant_type")


def test_an_authorization_taken_back_ends_the_pair(sandbox: Sandbox, client: Client) -> None:
    told = client.tokens()
    sandbox.revoke("oauth:otto", "bitbucket")
    assert not client.alive(told["access_token"])
    assert refused(client.refresh(told["refresh_token"])) == (400, "invalid_grant")


def test_git_wants_the_user_of_tokens(sandbox: Sandbox, client: Client) -> None:
    token = client.tokens()["access_token"]
    refs = f"{client.base}/otto/vault.git/info/refs?service=git-upload-pack"

    def status(user: str) -> int:
        pair = base64.b64encode(f"{user}:{token}".encode()).decode()
        return ask("GET", refs, headers={"Authorization": f"Basic {pair}"}).status

    assert (status("x-token-auth"), status("otto"), status("oauth2")) == (200, 401, 401)
