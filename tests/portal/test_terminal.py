"""The portal's side of `mooring login`: the page, the code it gives, and the token for it."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from portal.tenants.models import Membership, ServiceToken, Tenant
from portal.tenants.services import terminals
from tests import factories
from tests.people import Somebody, bearer
from tests.portal.site import said

VERIFIER = secrets.token_urlsafe(32)
ASKED = {
    "challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    .decode()
    .rstrip("="),
    "state": secrets.token_urlsafe(32),
    "port": "40123",
    "name": "ci-7",
}
PAGE = f"/t/acme/terminal/?{urlencode(ASKED)}"


def approved(somebody: Somebody) -> str:
    """The code after Approve."""
    answer = somebody.client.post(PAGE)
    back = urlsplit(answer.headers["Location"])
    assert (answer.status_code, back.scheme, back.netloc) == (302, "http", "127.0.0.1:40123")
    query = parse_qs(back.query)
    assert query["state"] == [ASKED["state"]]
    return query["code"][0]


def collected(code: str, verifier: str = VERIFIER) -> Any:
    return Client().post("/terminal/token", {"code": code, "verifier": verifier})


def test_approving_gives_a_personal_token_for_ninety_days(bob: Somebody) -> None:
    answer = collected(approved(bob))
    assert answer.status_code == 201
    assert "no-store" in answer.headers["Cache-Control"]
    made = ServiceToken.objects.get()
    assert (made.owner, made.role, made.name) == (bob.person, "developer", "mooring, ci-7")
    assert made.expires_at is not None
    assert (made.expires_at.date() - timezone.now().date()).days == terminals.DAYS
    assert set(made.scopes) <= set(terminals.WANTED)
    assert "bindings:write" not in made.scopes
    assert "leases:write" in made.scopes
    me = bearer(answer.json()["token"]).get("/api/v1/me").json()
    assert (me["user"]["email"], me["role"]) == ("bob@example.com", "developer")


def test_a_code_works_once_and_only_with_its_word(alice: Somebody) -> None:
    code = approved(alice)
    assert collected(code, secrets.token_urlsafe(32)).status_code == 404
    assert collected(f"{code}x").status_code == 404
    assert collected(code).status_code == 201
    assert collected(code).status_code == 404
    assert ServiceToken.objects.count() == 1


def test_a_code_ends_after_two_minutes(alice: Somebody) -> None:
    code = approved(alice)
    with time_machine.travel(timezone.now() + timedelta(minutes=2, seconds=2)):
        assert collected(code).status_code == 404


def test_who_has_left_meanwhile_gets_nothing(alice: Somebody, bob: Somebody) -> None:
    code = approved(bob)
    Membership.objects.filter(user=bob.person).update(left_at=timezone.now())
    assert collected(code).status_code == 404


def test_without_redis_nobody_can_tell_whether_it_was_used(alice: Somebody, settings: Any) -> None:
    code = approved(alice)
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    answer = collected(code)
    assert (answer.status_code, answer.json()["code"]) == (503, "X-SYS-02")
    assert ServiceToken.objects.count() == 0


def test_the_page_says_for_whom_and_may_lead_to_that_port_alone(alice: Somebody) -> None:
    answer = alice.client.get(PAGE)
    page = said(answer)
    assert "The command mooring on ci-7 wants to act as you in Acme." in page
    policy = answer.headers["Content-Security-Policy"]
    assert "form-action 'self' http://127.0.0.1:40123" in policy


def test_only_somebody_who_has_just_signed_in_approves(alice: Somebody) -> None:
    stale = alice.signed_in(ago=timedelta(minutes=16)).post(PAGE)
    assert stale.status_code == 302
    assert "/accounts/reauthenticate/" in stale.headers["Location"]
    assert ServiceToken.objects.count() == 0


def test_no_other_site_approves_for_somebody(alice: Somebody) -> None:
    browser = alice.signed_in(ago=timedelta(), enforce_csrf_checks=True)
    assert browser.post(PAGE).status_code == 403
    assert bearer(alice.token().secret).post(PAGE).status_code == 302  # to the sign-in page


@pytest.mark.parametrize(
    "wrong",
    [{"port": "80"}, {"port": "70000"}, {"port": "4012x"}, {"challenge": ""}, {"state": "<b>"}],
    ids=["low-port", "high-port", "no-port", "no-challenge", "no-state"],
)
def test_what_no_terminal_of_ours_writes_is_not_found(
    alice: Somebody, wrong: dict[str, str]
) -> None:
    asked = urlencode(ASKED | wrong)
    assert alice.client.get(f"/t/acme/terminal/?{asked}").status_code == 404
    assert alice.client.post(f"/t/acme/terminal/?{asked}").status_code == 404


def test_the_way_leads_to_the_only_tenant_or_a_choice(
    alice: Somebody, globex: Tenant, nobody: Client
) -> None:
    way = f"/terminal/?{urlencode(ASKED)}"
    assert alice.client.get(way).headers["Location"] == PAGE
    factories.member(globex, alice.person, "viewer")
    page = said(alice.client.get(way))
    assert 'href="/t/globex/terminal/?' in page
    assert nobody.get(way).headers["Location"].startswith("/accounts/login/?next=%2Fterminal%2F")
