"""GitLab's OAuth in the sandbox: consent, tokens for two hours, refresh tokens that work once."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.hosts import Reply, Sandbox, ask

# The pair printed in RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
BACK = "http://localhost:9/oauth/callback/sandbox/"


class Client:
    """Mooring's side of the flow."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.base = sandbox, sandbox.base("gitlab")

    def consent(self, approve: bool = True, **more: str) -> dict[str, str]:
        asked = {
            "client_id": "mooring-sandbox",
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "api",
            "state": "test-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }
        address = f"{self.base}/oauth/authorize?{urlencode(asked)}"
        target = self.sandbox.authorize("gitlab", address, "ann", approve)
        assert target.startswith(BACK)
        return {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}

    def post(self, path: str, **fields: str) -> Reply:
        known = {"client_id": "mooring-sandbox", "client_secret": "sandbox-client-secret"}
        return ask("POST", f"{self.base}/oauth/{path}", form={**known, **fields})

    def trade(self, **more: str) -> Reply:
        fields = {"grant_type": "authorization_code", "redirect_uri": BACK, **more}
        return self.post("token", **fields)

    def tokens(self) -> dict[str, Any]:
        made = self.trade(code=self.consent()["code"], code_verifier=VERIFIER)
        assert made.status == 200
        said: dict[str, Any] = made.json()
        return said

    def refresh(self, token: str, **more: str) -> Reply:
        fields = {"grant_type": "refresh_token", "refresh_token": token, **more}
        return self.post("token", **{"redirect_uri": BACK, **fields})

    def alive(self, token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return ask("GET", f"{self.base}/api/v4/user", headers=headers).status == 200


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


def test_consent_ends_with_a_pair_for_two_hours(client: Client) -> None:
    said = client.tokens()
    assert (said["token_type"], said["expires_in"], said["scope"]) == ("Bearer", 7200, "api")
    assert len(said["access_token"]) == 64
    assert said["created_at"] > 1_700_000_000
    assert client.alive(said["access_token"])


def test_cancel_comes_back_as_access_denied(client: Client) -> None:
    back = client.consent(approve=False)
    assert (back["error"], back["state"]) == ("access_denied", "test-state")


def test_a_scope_the_app_does_not_have_is_refused(client: Client) -> None:
    assert client.consent(scope="api sudo")["error"] == "invalid_scope"


def test_refreshing_ends_the_old_pair_at_once(client: Client) -> None:
    old = client.tokens()
    fresh = client.refresh(old["refresh_token"]).json()
    assert client.alive(fresh["access_token"])
    assert not client.alive(old["access_token"])
    again = client.refresh(old["refresh_token"])
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")
    assert 'realm="Doorkeeper"' in again.headers["www-authenticate"]
    assert client.alive(fresh["access_token"])


def test_reuse_ends_the_family_where_that_is_switched_on(sandbox: Sandbox, client: Client) -> None:
    old = client.tokens()
    fresh = client.refresh(old["refresh_token"]).json()
    sandbox.fault("gitlab", "family_kill")
    assert client.refresh(old["refresh_token"]).status == 400
    assert not client.alive(fresh["access_token"])


def test_an_ended_access_token_is_refreshed(sandbox: Sandbox, client: Client) -> None:
    old = client.tokens()
    sandbox.skew(7300)
    assert not client.alive(old["access_token"])
    assert client.alive(client.refresh(old["refresh_token"]).json()["access_token"])


def test_the_redirect_address_must_be_the_first_one(client: Client) -> None:
    old = client.tokens()
    moved = client.refresh(old["refresh_token"], redirect_uri=f"{BACK}x")
    assert (moved.status, moved.json()["error"]) == (400, "invalid_grant")
    assert client.alive(old["access_token"])


def test_the_client_must_prove_itself(client: Client) -> None:
    wrong = client.trade(code="x", client_secret="wrong-test-secret")
    assert (wrong.status, wrong.json()["error"]) == (401, "invalid_client")


def test_codes_work_once_and_with_their_verifier(client: Client) -> None:
    code = client.consent()["code"]
    assert client.trade(code=code, code_verifier="wrong").json()["error"] == "invalid_grant"
    assert client.trade(code=code, code_verifier=VERIFIER).status == 200
    assert client.trade(code=code, code_verifier=VERIFIER).json()["error"] == "invalid_grant"


def test_token_info_tells_scopes_and_seconds(client: Client) -> None:
    token = client.tokens()["access_token"]
    url = f"{client.base}/oauth/token/info"
    said = ask("GET", url, headers={"Authorization": f"Bearer {token}"}).json()
    assert said["resource_owner_id"] == 43
    assert said["scope"] == ["api"]
    assert 7100 < said["expires_in"] <= 7200
    assert said["application"]["uid"] == "mooring-sandbox"
    wrong = ask("GET", url, headers={"Authorization": "Bearer test-unknown"})
    assert (wrong.status, wrong.json()["error"]) == (401, "invalid_token")


def test_an_oauth_token_is_not_a_personal_one(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.tokens()['access_token']}"}
    url = f"{client.base}/api/v4/personal_access_tokens/self"
    assert ask("GET", url, headers=headers).status == 404


def test_revoking_ends_the_pair_and_twice_is_no_error(client: Client) -> None:
    said = client.tokens()
    first = client.post("revoke", token=said["access_token"])
    assert (first.status, first.json()) == (200, {})
    assert not client.alive(said["access_token"])
    assert client.refresh(said["refresh_token"]).status == 400
    assert client.post("revoke", token=said["access_token"]).status == 200
    assert client.post("revoke", token="x", client_secret="wrong-test-secret").status == 403
