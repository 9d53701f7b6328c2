"""GitHub's OAuth in the sandbox: consent, PKCE, tokens that rotate, an app's own calls."""

from __future__ import annotations

import base64
import http.cookiejar
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.hosts import Reply, Sandbox, ask

# The pair printed in RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
BACK = "http://127.0.0.1:9/oauth/callback/sandbox/"
SECRET = "sandbox-client-secret"


class Client:
    """Mooring's side of the flow, for one app."""

    def __init__(self, sandbox: Sandbox, client_id: str = "mooring-sandbox") -> None:
        self.sandbox, self.client_id = sandbox, client_id
        self.web = sandbox.base("github")

    def address(self, **more: str) -> str:
        asked = {
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "scope": "repo read:org",
            "state": "test-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.web}/login/oauth/authorize?{urlencode({**asked, **more})}"

    def consent(
        self, account: str = "octavia", approve: bool = True, **more: str
    ) -> dict[str, str]:
        """The query the browser comes back with."""
        target = self.sandbox.authorize("github", self.address(**more), account, approve)
        assert target.startswith(BACK)
        return {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}

    def trade(self, accept: str = "application/json", **fields: str) -> Reply:
        known = {"client_id": self.client_id, "client_secret": SECRET}
        url = f"{self.web}/login/oauth/access_token"
        return ask("POST", url, form={**known, **fields}, headers={"Accept": accept})

    def tokens(self, account: str = "octavia", **more: str) -> dict[str, Any]:
        code = self.consent(account, True, **more)["code"]
        made: dict[str, Any] = self.trade(code=code, code_verifier=VERIFIER).json()
        return made

    def own(self, method: str, path: str, token: str, secret: str = SECRET) -> Reply:
        """An app's call about a token."""
        pair = base64.b64encode(f"{self.client_id}:{secret}".encode()).decode()
        url = f"{self.web}/api/v3/applications/{self.client_id}/{path}"
        headers = {"Authorization": f"Basic {pair}"}
        return ask(method, url, json_body={"access_token": token}, headers=headers)

    def alive(self, token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return ask("GET", f"{self.web}/api/v3/user", headers=headers).status == 200


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)


@pytest.fixture
def expiring(sandbox: Sandbox) -> Client:
    return Client(sandbox, "mooring-sandbox-expiring")


def test_the_way_through_sign_in_and_consent_ends_with_a_token(client: Client) -> None:
    said = client.tokens()
    assert said["access_token"].startswith("gho_sandbox")
    assert len(said["access_token"]) == 40
    assert said["token_type"] == "bearer"
    assert set(said["scope"].split(",")) == {"repo", "read:org"}
    assert "refresh_token" not in said
    assert client.alive(said["access_token"])


def test_the_state_comes_back_with_the_code(client: Client) -> None:
    assert client.consent()["state"] == "test-state"


def test_the_sign_in_page_offers_people_only(client: Client) -> None:
    first = ask("GET", client.address())
    assert first.status == 302
    page = ask("GET", first.headers["location"]).body.decode()
    assert 'value="octavia"' in page
    assert 'value="otto"' in page
    assert "acme-inc" not in page


def test_cancel_comes_back_as_access_denied(client: Client) -> None:
    back = client.consent(approve=False)
    assert back["error"] == "access_denied"
    assert back["state"] == "test-state"
    assert "code" not in back


def test_a_second_visit_returns_at_once_unless_the_account_is_to_be_chosen(
    sandbox: Sandbox, client: Client
) -> None:
    client.consent()
    jar = http.cookiejar.CookieJar()
    back = urlencode({"return_to": "/"})
    ask("POST", f"{client.web}/login?{back}", form={"account": "octavia"}, cookies=jar)
    assert ask("GET", client.address(), cookies=jar).headers["location"].startswith(BACK)
    again = ask("GET", client.address(prompt="select_account"), cookies=jar)
    assert "/github/login?" in again.headers["location"]
    wider = ask("GET", client.address(scope="repo admin:org"), cookies=jar)
    assert wider.status == 200
    assert b'name="decision"' in wider.body


def test_a_code_works_once_and_for_its_own_client(sandbox: Sandbox, client: Client) -> None:
    code = client.consent()["code"]
    stranger = Client(sandbox, "mooring-sandbox-expiring")
    assert stranger.trade(code=code).json()["error"] == "bad_verification_code"
    assert "access_token" in client.trade(code=code, code_verifier=VERIFIER).json()
    again = client.trade(code=code, code_verifier=VERIFIER)
    assert again.status == 200
    assert again.json()["error"] == "bad_verification_code"


def test_a_code_dies_after_ten_minutes(sandbox: Sandbox, client: Client) -> None:
    code = client.consent()["code"]
    sandbox.skew(601)
    said = client.trade(code=code, code_verifier=VERIFIER).json()
    assert said["error"] == "bad_verification_code"


def test_the_verifier_is_checked(client: Client) -> None:
    code = client.consent()["code"]
    assert client.trade(code=code, code_verifier="wrong").json()["error"] == "bad_verification_code"
    assert client.trade(code=code).json()["error"] == "bad_verification_code"


def test_a_plain_challenge_is_not_accepted(client: Client) -> None:
    assert client.consent(code_challenge_method="plain")["error"] == "invalid_request"


def test_errors_come_with_status_200(client: Client) -> None:
    wrong = client.trade(code="x", client_secret="wrong")
    assert wrong.status == 200
    assert wrong.json()["error"] == "incorrect_client_credentials"
    code = client.consent()["code"]
    moved = client.trade(code=code, code_verifier=VERIFIER, redirect_uri=f"{BACK}x")
    assert moved.json()["error"] == "redirect_uri_mismatch"


def test_the_answer_is_a_form_for_those_who_do_not_ask_for_json(client: Client) -> None:
    code = client.consent()["code"]
    reply = client.trade("*/*", code=code, code_verifier=VERIFIER)
    assert reply.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert parse_qs(reply.body.decode())["token_type"] == ["bearer"]


def test_only_loopback_addresses_and_known_clients_are_served(
    sandbox: Sandbox, client: Client
) -> None:
    assert ask("GET", client.address(redirect_uri="https://portal.example/cb")).status == 400
    assert ask("GET", client.address(client_id="stranger")).status == 404


def test_what_is_granted_may_be_less_than_asked(sandbox: Sandbox, client: Client) -> None:
    sandbox.fault("github", "grant_scopes", value="read:org")
    assert client.tokens()["scope"] == "read:org"


def test_an_empty_scope_takes_what_was_granted_before(client: Client) -> None:
    client.tokens()
    assert set(client.tokens(scope="")["scope"].split(",")) == {"repo", "read:org"}


def test_the_eleventh_token_ends_the_first(client: Client) -> None:
    tokens = [client.tokens("otto", scope="repo")["access_token"] for _ in range(11)]
    assert [client.alive(token) for token in tokens] == [False] + [True] * 10


def test_refreshing_ends_both_old_tokens(expiring: Client) -> None:
    said = expiring.tokens()
    assert said["expires_in"] == 8 * 3600
    assert said["refresh_token"].startswith("ghr_sandbox")
    assert said["refresh_token_expires_in"] > 180 * 86400
    fresh = expiring.trade(grant_type="refresh_token", refresh_token=said["refresh_token"]).json()
    assert expiring.alive(fresh["access_token"])
    assert not expiring.alive(said["access_token"])
    again = expiring.trade(grant_type="refresh_token", refresh_token=said["refresh_token"])
    assert (again.status, again.json()["error"]) == (200, "bad_refresh_token")
    assert expiring.alive(fresh["access_token"])


def test_an_ended_access_token_can_still_be_refreshed(sandbox: Sandbox, expiring: Client) -> None:
    said = expiring.tokens()
    sandbox.skew(9 * 3600)
    assert not expiring.alive(said["access_token"])
    fresh = expiring.trade(grant_type="refresh_token", refresh_token=said["refresh_token"]).json()
    assert expiring.alive(fresh["access_token"])


def test_app_tokens_list_through_their_installations(sandbox: Sandbox, expiring: Client) -> None:
    headers = {"Authorization": f"Bearer {expiring.tokens()['access_token']}"}
    api = f"{sandbox.base('github')}/api/v3"
    found = ask("GET", f"{api}/user/installations", headers=headers).json()["installations"]
    mine = next(i for i in found if i["account"]["login"] == "octavia")
    url = f"{api}/user/installations/{mine['id']}/repositories"
    listed = ask("GET", url, headers=headers).json()["repositories"]
    assert "octavia/harbor" in {r["full_name"] for r in listed}


def test_an_app_checks_replaces_and_revokes_a_token(client: Client) -> None:
    first = client.tokens()["access_token"]
    checked = client.own("POST", "token", first).json()
    assert checked["user"]["login"] == "octavia"
    assert set(checked["scopes"]) == {"repo", "read:org"}
    assert checked["token_last_eight"] == first[-8:]
    second = client.own("PATCH", "token", first).json()["token"]
    assert client.own("POST", "token", first).status == 404
    assert client.alive(second)
    assert client.own("DELETE", "token", second).status == 204
    assert not client.alive(second)
    assert client.own("DELETE", "token", second).status == 422
    assert client.own("POST", "token", first, secret="wrong").status == 401


def test_deleting_the_grant_ends_every_token_of_that_user(client: Client) -> None:
    one, two = client.tokens()["access_token"], client.tokens()["access_token"]
    other = client.tokens("otto")["access_token"]
    assert client.own("DELETE", "grant", one).status == 204
    assert [client.alive(t) for t in (one, two, other)] == [False, False, True]


def test_the_consent_page_leads_to_another_account(client: Client) -> None:
    jar = http.cookiejar.CookieJar()
    ask("POST", f"{client.web}/login", form={"account": "octavia"}, cookies=jar)
    page = ask("GET", client.address(), cookies=jar).body.decode()
    assert "<strong>octavia</strong>" in page
    assert "prompt=select_account" in page
