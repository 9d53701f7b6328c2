"""Gitea's OAuth in the sandbox: tokens for an hour, refresh tokens that count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
        self.sandbox, self.base = sandbox, sandbox.base("gitea")

    def consent(self, approve: bool = True, **more: str) -> dict[str, str]:
        asked = {
            "client_id": "mooring-sandbox",
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "read:user write:repository",
            "state": "test-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }
        address = f"{self.base}/login/oauth/authorize?{urlencode(asked)}"
        target = self.sandbox.authorize("gitea", address, "ann", approve)
        assert target.startswith(BACK)
        return {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}

    def post(self, **fields: str) -> Reply:
        known = {"client_id": "mooring-sandbox", "client_secret": "sandbox-client-secret"}
        return ask("POST", f"{self.base}/login/oauth/access_token", form={**known, **fields})

    def trade(self, **more: str) -> Reply:
        return self.post(**{"grant_type": "authorization_code", "redirect_uri": BACK, **more})

    def tokens(self, **consent: str) -> dict[str, Any]:
        made = self.trade(code=self.consent(**consent)["code"], code_verifier=VERIFIER)
        assert made.status == 200, made.body
        said: dict[str, Any] = made.json()
        return said

    def refresh(self, token: str, **more: str) -> Reply:
        return self.post(**{"grant_type": "refresh_token", "refresh_token": token, **more})

    def user(self, token: str) -> Reply:
        headers = {"Authorization": f"token {token}"}
        return ask("GET", f"{self.base}/api/v1/user", headers=headers)


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


def refused(reply: Reply) -> tuple[int, str, str]:
    said = reply.json()
    return reply.status, said["error"], said["error_description"]


def test_consent_ends_with_a_pair_for_an_hour_and_no_scopes(client: Client) -> None:
    said = client.tokens()
    assert set(said) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (said["token_type"], said["expires_in"]) == ("bearer", 3600)
    assert said["access_token"].count(".") == 2
    assert client.user(said["access_token"]).json()["login"] == "ann"


def test_cancel_comes_back_as_access_denied(client: Client) -> None:
    back = client.consent(approve=False)
    assert (back["error"], back["state"]) == ("access_denied", "test-state")


def test_scopes_are_granted_as_asked_and_were_not_known_before(
    sandbox: Sandbox, client: Client
) -> None:
    narrow = client.tokens()["access_token"]
    assert sandbox.token_facts("gitea", "ann", "oauth:ann")["token"] == narrow
    assert sandbox.token_facts("gitea", "ann", "oauth:ann")["scopes"] == [
        "read:user",
        "write:repository",
    ]
    sandbox.reset()
    sandbox.fault("gitea", "old_version", value="1.22.6")
    client.tokens()
    assert sandbox.token_facts("gitea", "ann", "oauth:ann")["scopes"] == ["all"]


def test_four_refreshes_at_once_give_one_pair_and_three_refusals(client: Client) -> None:
    old = client.tokens()["refresh_token"]
    with ThreadPoolExecutor(4) as crew:
        replies = list(crew.map(client.refresh, [old] * 4))
    assert sorted(reply.status for reply in replies) == [200, 400, 400, 400]
    lost = [refused(reply)[1:] for reply in replies if reply.status == 400]
    assert set(lost) == {("unauthorized_client", "token was already used")}


def test_a_spent_refresh_token_does_no_harm_to_its_successor(client: Client) -> None:
    old = client.tokens()
    fresh = client.refresh(old["refresh_token"]).json()
    assert client.refresh(old["refresh_token"]).status == 400
    assert client.user(fresh["access_token"]).status == 200
    assert client.user(old["access_token"]).status == 200
    assert client.refresh(fresh["refresh_token"]).status == 200


def test_without_rotation_the_old_one_serves_again(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault("gitea", "rotation_off")
    old = client.tokens()["refresh_token"]
    assert [client.refresh(old).status for _ in range(2)] == [200, 200]


def test_the_same_word_is_used_for_a_wrong_app(client: Client) -> None:
    old = client.tokens()["refresh_token"]
    wrong = client.refresh(old, client_secret="wrong-test-secret")
    assert refused(wrong) == (400, "unauthorized_client", "invalid client secret")
    unknown = client.refresh(old, client_id="nobody")
    assert refused(unknown)[:2] == (400, "invalid_client")
    assert client.refresh(old).status == 200


def test_a_refresh_token_ends_after_730_hours(sandbox: Sandbox, client: Client) -> None:
    old = client.tokens()["refresh_token"]
    sandbox.skew(731 * 3600)
    said = refused(client.refresh(old))
    assert said == (400, "unauthorized_client", "unable to parse refresh token")
    assert refused(client.refresh("test-bogus"))[2] == "unable to parse refresh token"


def test_a_grant_taken_back_is_told_by_the_refresh(sandbox: Sandbox, client: Client) -> None:
    said = client.tokens()
    sandbox.revoke("oauth:ann", "gitea")
    assert client.user(said["access_token"]).body == b"Missing CSRF token.\n"
    assert refused(client.refresh(said["refresh_token"])) == (
        400,
        "invalid_grant",
        "grant does not exist",
    )


def test_tokens_of_a_few_seconds(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault("gitea", "token_life", value=8)
    said = client.tokens()
    assert said["expires_in"] == 8
    sandbox.skew(9)
    assert client.user(said["access_token"]).json()["message"] == "token is required"
    assert client.refresh(said["refresh_token"]).status == 200


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"code_verifier": "wrong-test-verifier"}, "failed PKCE code challenge"),
        ({"redirect_uri": "http://localhost:9/elsewhere/"}, "unexpected redirect URI"),
        ({"code": "bogus"}, "client is not authorized"),
        ({"client_secret": "wrong-test-secret"}, "invalid client secret"),
    ],
)
def test_each_refusal_of_a_code_has_its_sentence(
    client: Client, more: dict[str, str], sentence: str
) -> None:
    code = client.consent()["code"]
    reply = client.trade(**{"code": code, "code_verifier": VERIFIER, **more})
    assert refused(reply) == (400, "unauthorized_client", sentence)


def test_a_code_works_once(client: Client) -> None:
    code = client.consent()["code"]
    assert client.trade(code=code, code_verifier=VERIFIER).status == 200
    assert refused(client.trade(code=code, code_verifier=VERIFIER))[1] == "unauthorized_client"


def test_another_kind_of_grant_is_not_known(client: Client) -> None:
    assert refused(client.post(grant_type="password"))[1] == "unsupported_grant_type"
