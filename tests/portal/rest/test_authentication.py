"""Who may call: bearers of tokens, people with a cookie, nobody else (api.md 1.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from portal.ground import rls
from portal.ground.bearer import make
from portal.tenants.access import tenant_of
from portal.tenants.models import Event, Instance, Membership
from portal.tenants.services import tokens
from tests import factories
from tests.people import ADDRESS, Somebody, bearer
from tests.portal.rest.calls import body_of, refused, send

ME = "/api/v1/me"


def csrf_of(client: Client) -> str:
    """The CSRF token a page of the portal hands out."""
    page = client.get("/api/docs/")
    return str(page.content.decode().split('name="csrf-token" content="')[1].split('"')[0])


def test_without_a_credential_there_is_a_challenge(nobody):
    answer = send(nobody, "GET", ME)
    refused(answer, "X-AUTH-01", 401)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="mooring"'


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer x", "Bearer mrg_", "bearer mrg_test mrg_test", "Bearer \x00"]
)
def test_what_is_no_token_is_refused(nobody, header: str):
    answer = send(nobody, "GET", ME, Authorization=header)
    refused(answer, "X-AUTH-02", 401)
    challenge = 'Bearer realm="mooring", error="invalid_token"'
    assert answer.headers["WWW-Authenticate"] == challenge


def test_a_well_formed_token_that_nobody_made_is_refused(db):
    refused(send(bearer(make("mrg")), "GET", ME), "X-AUTH-02", 401)


@pytest.mark.parametrize("scheme", ["Basic", "Token", "mrg"])
def test_other_schemes_are_no_credential(alice: Somebody, nobody, scheme: str):
    secret = alice.token().secret
    answer = send(nobody, "GET", ME, Authorization=f"{scheme} {secret}")
    refused(answer, "X-AUTH-01", 401)


def test_a_token_in_query_or_body_is_no_credential(alice: Somebody, nobody):
    secret = alice.token().secret
    refused(send(nobody, "GET", f"{ME}?access_token={secret}"), "X-AUTH-01", 401)
    refused(send(nobody, "POST", "/api/v1/tokens", {"token": secret}), "X-AUTH-01", 401)


def test_a_session_key_is_no_token(alice: Somebody, nobody):
    key = alice.client.session.session_key
    refused(send(nobody, "GET", ME, Authorization=f"Bearer {key}"), "X-AUTH-02", 401)


def test_ended_and_revoked_tokens_are_refused(alice: Somebody):
    made = alice.token()
    caller = bearer(made.secret)
    with time_machine.travel(timezone.now() + timedelta(days=91)):
        refused(send(caller, "GET", ME), "X-AUTH-02", 401)
    tokens.revoke(actor=alice.actor, public_id=made.token.public_id, now=timezone.now())
    refused(send(caller, "GET", ME), "X-AUTH-02", 401)


def test_a_token_is_refused_outside_its_networks(alice: Somebody):
    refused(send(alice.api(networks=["198.51.100.0/24"]), "GET", ME), "X-AUTH-02", 401)
    assert send(alice.api(networks=[f"{ADDRESS}/32"]), "GET", ME).status_code == 200


def test_a_personal_token_ends_with_the_membership(alice: Somebody, bob: Somebody):
    caller = bearer(bob.token("bindings:read", personal=True).secret)
    assert body_of(send(caller, "GET", ME))["user"]["name"] == "Bob"
    Membership.objects.filter(user=bob.person).update(left_at=timezone.now())
    refused(send(caller, "GET", ME), "X-AUTH-02", 401)


def test_a_personal_token_follows_the_role_of_its_owner(alice: Somebody, bob: Somebody):
    caller = bearer(bob.token("repositories:read", "instances:read", personal=True).secret)
    Membership.objects.filter(user=bob.person).update(role="viewer")
    assert body_of(send(caller, "GET", ME))["role"] == "viewer"
    path = "/api/v1/bindings/bnd_x/repositories"
    assert refused(send(caller, "GET", path), "X-ROLE-01", 403)["needed_role"] == "developer"


def test_a_missing_scope_is_named(alice: Somebody):
    answer = send(alice.api("bindings:read"), "POST", "/api/v1/instances", {})
    assert refused(answer, "X-SCOPE-01", 403)["needed_scope"] == "instances:write"


def test_a_missing_role_is_named_with_who_can_help(alice: Somebody, bob: Somebody):
    problem = refused(send(bob.client, "POST", "/api/v1/connection-tests", {}), "X-ROLE-01", 403)
    assert problem["needed_role"] == "admin"
    assert "Alice" in problem["detail"]


def test_a_cookie_reads_and_with_the_csrf_token_writes(alice: Somebody):
    browser = alice.signed_in(ago=timedelta(), enforce_csrf_checks=True)
    assert body_of(send(browser, "GET", ME))["kind"] == "user"
    asked = {"name": "by-cookie", "region": "default"}
    refused(send(browser, "POST", "/api/v1/instances", asked), "X-AUTH-03", 403)
    written = send(browser, "POST", "/api/v1/instances", asked, X_CSRFToken=csrf_of(browser))
    assert written.status_code == 201


def test_a_csrf_token_of_another_browser_does_not_count(alice: Somebody, bob: Somebody):
    browser = alice.signed_in(ago=timedelta(), enforce_csrf_checks=True)
    assert csrf_of(browser)
    foreign = csrf_of(bob.client)
    asked = {"name": "by-cookie", "region": "default"}
    answer = send(browser, "POST", "/api/v1/instances", asked, X_CSRFToken=foreign)
    refused(answer, "X-AUTH-03", 403)


def test_a_foreign_origin_does_not_count(alice: Somebody):
    browser = alice.signed_in(ago=timedelta(), enforce_csrf_checks=True)
    asked, token = {"name": "by-cookie", "region": "default"}, csrf_of(browser)
    for origin in ("null", "https://elsewhere.example"):
        headers = {"X_CSRFToken": token, "Origin": origin}
        refused(send(browser, "POST", "/api/v1/instances", asked, **headers), "X-AUTH-03", 403)


def test_a_token_counts_before_the_cookie(alice: Somebody, mallory: Somebody):
    browser = mallory.client
    token = alice.token().secret
    answer = send(browser, "GET", ME, Authorization=f"Bearer {token}")
    assert body_of(answer)["tenant"]["slug"] == "acme"


def test_people_in_several_tenants_say_which(alice: Somebody, mallory: Somebody):
    factories.member(mallory.tenant, alice.person, "viewer")
    browser = alice.client
    refused(send(browser, "GET", ME), "X-TENANT-01", 400)
    answer = body_of(send(browser, "GET", ME, Mooring_Tenant="globex"))
    assert (answer["tenant"]["slug"], answer["role"]) == ("globex", "viewer")


def test_a_tenant_one_is_not_in_does_not_exist(alice: Somebody, mallory: Somebody):
    there = send(alice.client, "GET", ME, Mooring_Tenant="globex")
    nowhere = send(alice.client, "GET", ME, Mooring_Tenant="no-such-tenant")
    refused(there, "X-FOUND-01", 404)
    refused(nowhere, "X-FOUND-01", 404)
    one, other = body_of(there), body_of(nowhere)
    assert one | {"trace_id": ""} == other | {"trace_id": ""}


def test_a_person_who_was_switched_off_is_nobody(alice: Somebody, bob: Somebody):
    browser = bob.client
    bob.person.is_active = False
    bob.person.save()
    refused(send(browser, "GET", ME), "X-AUTH-01", 401)


def test_an_old_sign_in_reads_but_does_not_write(alice: Somebody):
    stale = alice.signed_in(ago=timedelta(minutes=16))
    assert send(stale, "GET", "/api/v1/tokens").status_code == 200
    refused(send(stale, "POST", "/api/v1/tokens", {}), "X-AUTH-03", 403)
    fresh = alice.signed_in(ago=timedelta(minutes=14))
    refused(send(fresh, "POST", "/api/v1/tokens", {}), "X-FORM-01", 422)


def test_an_old_sign_in_is_no_matter_for_tokens(alice: Somebody):
    refused(send(alice.api(), "POST", "/api/v1/tokens", {}), "X-FORM-01", 422)


def test_what_was_refused_stands_in_the_callers_own_log(
    alice: Somebody, mallory: Somebody, instance: Instance
):
    refused(
        send(mallory.api(), "GET", f"/api/v1/instances/{instance.public_id}"), "X-FOUND-01", 404
    )
    with rls.tenant(tenant_of(mallory.actor).pk):
        (entry,) = Event.objects.of(mallory.tenant).filter(type="access.denied")
        assert entry.data["code"] == "X-FOUND-01"
    with rls.tenant(alice.tenant.pk):
        assert not Event.objects.of(alice.tenant).filter(type="access.denied").exists()


def test_the_use_of_a_token_is_noted_after_the_answer(alice: Somebody):
    made = alice.token()
    send(bearer(made.secret), "GET", ME)
    made.token.refresh_from_db()
    assert made.token.used_at is not None
