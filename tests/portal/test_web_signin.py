"""Signing in: who, how often, how long ago, and with what second step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.tenants import access
from portal.tenants.models import Membership
from portal.tenants.services import members
from tests import factories
from tests.people import Somebody
from tests.portal.site import said

pytestmark = pytest.mark.urls("tests.portal.site")


def test_a_fresh_sign_in_may_do_risky_things(alice: Somebody) -> None:
    assert said(alice.client.post("/t/acme/risky/")) == "done"


def test_a_stale_sign_in_is_asked_again_and_led_back(alice: Somebody) -> None:
    client = alice.signed_in(ago=timedelta(minutes=16))
    answer = client.get("/t/acme/risky/?x=1")
    assert answer.headers["Location"] == (
        "/accounts/reauthenticate/?next=%2Ft%2Facme%2Frisky%2F%3Fx%3D1"
    )


def test_a_stale_post_leads_back_to_its_form_and_keeps_nothing(alice: Somebody) -> None:
    client = alice.signed_in(ago=timedelta(minutes=16))
    before = dict(client.session)
    answer = client.post(
        "/t/acme/risky/",
        {"token": "glpat-test-never-kept"},
        headers={"Referer": "http://testserver/t/acme/tokens/"},
    )
    assert answer.headers["Location"] == "/accounts/reauthenticate/?next=%2Ft%2Facme%2Ftokens%2F"
    assert dict(client.session) == before


def test_another_sites_page_is_not_led_back_to(alice: Somebody) -> None:
    client = alice.signed_in(ago=timedelta(minutes=16))
    answer = client.post("/t/acme/risky/", headers={"Referer": "http://evil.example/t/acme/"})
    assert answer.headers["Location"].endswith("?next=%2Ft%2Facme%2Frisky%2F")


def test_saying_the_password_again_opens_the_door(alice: Somebody) -> None:
    client = alice.signed_in(ago=timedelta(minutes=16))
    asked = client.post("/t/acme/risky/")
    again = client.post(asked.headers["Location"], {"password": factories.PASSWORD})
    assert (again.status_code, again.headers["Location"]) == (302, "/t/acme/risky/")
    assert said(client.post("/t/acme/risky/")) == "done"


def test_a_wrong_password_opens_nothing(alice: Somebody) -> None:
    client = alice.signed_in(ago=timedelta(minutes=16))
    client.post("/accounts/reauthenticate/", {"password": "wrong test password"})
    assert client.post("/t/acme/risky/").status_code == 302


def sign_in(client: Client, who: Somebody, password: str = factories.PASSWORD) -> Any:
    return client.post("/accounts/login/", {"login": who.person.email, "password": password})


def test_signing_in_leads_to_the_tenants_and_is_fresh(alice: Somebody, nobody: Client) -> None:
    answer = sign_in(nobody, alice)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/t/")
    assert said(nobody.post("/t/acme/risky/")) == "done"
    signed_in_at = access.signed_in_at(nobody.session)
    assert signed_in_at is not None
    assert timezone.now() - signed_in_at < timedelta(minutes=1)


def test_a_sign_in_has_a_new_session_key(alice: Somebody, nobody: Client) -> None:
    nobody.get("/accounts/login/")
    session = nobody.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    nobody.cookies["mooring"] = planted
    sign_in(nobody, alice)
    assert nobody.session.session_key != planted


def test_wrong_password_and_unknown_person_look_alike(alice: Somebody, nobody: Client) -> None:
    wrong = sign_in(nobody, alice, "wrong test password")
    unknown = nobody.post(
        "/accounts/login/", {"login": "nobody@example.com", "password": "wrong test password"}
    )
    sentence = "That email and password do not match."
    assert sentence in said(wrong)
    assert sentence in said(unknown)
    assert wrong.status_code == unknown.status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "\t//e.x",
    ],
)
def test_signing_in_leads_nowhere_else(alice: Somebody, nobody: Client, elsewhere: str) -> None:
    answer = nobody.post(
        "/accounts/login/",
        {"login": alice.person.email, "password": factories.PASSWORD, "next": elsewhere},
    )
    assert answer.headers["Location"] == "/t/"


def test_guessing_ends_after_five_tries_and_keeps_nobody_else_out(alice: Somebody) -> None:
    guesser, owner = Client(REMOTE_ADDR="198.51.100.1"), Client(REMOTE_ADDR="192.0.2.7")
    answers = [sign_in(guesser, alice, "wrong test password") for _ in range(6)]
    assert "Too many tries." in said(answers[-1])
    assert sign_in(guesser, alice).status_code == 200
    assert sign_in(owner, alice).status_code == 302


def test_nobody_signs_up(nobody: Client) -> None:
    nobody.post("/accounts/signup/", {"email": "new@example.com", "password1": factories.PASSWORD})
    assert not Membership.objects.exists()
    assert nobody.get("/t/").status_code == 302


@pytest.mark.parametrize("where", ["/accounts/3rdparty/", "/accounts/github/login/callback/"])
def test_there_is_no_way_in_with_a_code_host(nobody: Client, where: str) -> None:
    assert nobody.get(where).status_code == 404


def test_the_chosen_language_follows_the_person(alice: Somebody, nobody: Client) -> None:
    members.speak(person=alice.person, language="zh-hans")
    answer = sign_in(nobody, alice)
    assert answer.cookies["mooring_language"].value == "zh-hans"


@pytest.fixture
def production(settings: Any) -> None:
    """Browsers made from here on meet the middleware of production."""
    settings.MOORING_ENV = "production"


def test_owners_need_a_second_step_in_production(production: None, alice: Somebody) -> None:
    assert alice.client.get("/t/acme/scope/").headers["Location"] == reverse("mfa_index")


def test_operators_need_a_second_step_in_production(production: None, bob: Somebody) -> None:
    client = bob.client
    assert client.get("/t/acme/scope/").status_code == 200
    bob.person.is_staff = True
    bob.person.save()
    assert client.get("/admin/").headers["Location"] == reverse("mfa_index")


def test_others_do_not(production: None, bob: Somebody, carol: Somebody) -> None:
    assert bob.client.get("/t/acme/scope/").status_code == 200
    assert carol.client.get("/t/acme/scope/").status_code == 200


def test_with_a_second_step_an_owner_comes_in(production: None, alice: Somebody) -> None:
    Authenticator.objects.create(user=alice.person, type="totp", data={"secret": "test"})
    client = alice.client
    assert client.get("/t/acme/scope/").status_code == 200
    with CaptureQueriesContext(connection) as queries:
        client.get("/t/acme/scope/")
    assert not [query for query in queries.captured_queries if "mfa" in query["sql"]]


def test_recovery_codes_alone_are_no_second_step(production: None, alice: Somebody) -> None:
    Authenticator.objects.create(user=alice.person, type="recovery_codes", data={})
    assert alice.client.get("/t/acme/scope/").status_code == 302


def test_without_a_second_step_one_may_set_it_up_or_leave(
    production: None, alice: Somebody
) -> None:
    client = alice.client
    assert client.get(reverse("mfa_index")).status_code == 200
    assert client.get("/accounts/logout/").status_code == 200


def test_without_a_second_step_the_api_knows_nobody(production: None, alice: Somebody) -> None:
    assert alice.client.get("/api/v1/me").status_code == 401


def test_an_api_token_needs_no_second_step(production: None, alice: Somebody) -> None:
    assert alice.api("instances:read").get("/api/v1/me").status_code == 200
