"""Pages of tenancy: the chooser, the frame, language and theme, API tokens."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.models import Instance, ServiceToken, Tenant
from tests import factories
from tests.bindings.api import rows
from tests.people import Somebody
from tests.portal.site import said

pytestmark = pytest.mark.urls("tests.portal.site")


def test_the_only_tenant_opens_at_once(alice: Somebody) -> None:
    assert alice.client.get("/t/").headers["Location"] == "/t/acme/"
    assert alice.client.get("/").headers["Location"] == "/t/"


def test_several_tenants_are_offered_last_used_first(
    alice: Somebody, globex: Tenant, mallory: Somebody
) -> None:
    factories.member(globex, alice.person, "viewer")
    client = alice.client
    client.get("/t/globex/scope/")
    page = said(client.get("/t/"))
    names = re.findall(r'href="/t/([a-z]+)/">', page)
    assert names == ["globex", "acme"]


def test_the_chooser_finds_by_name(alice: Somebody, globex: Tenant) -> None:
    factories.member(globex, alice.person, "viewer")
    page = said(alice.client.get("/t/?q=GLO"))
    assert re.findall(r'href="/t/([a-z]+)/">', page) == ["globex"]


def test_the_chooser_says_what_needs_attention(
    alice: Somebody, globex: Tenant, instance: Instance
) -> None:
    factories.member(globex, alice.person, "viewer")
    for provider, status in (("gitlab", "revoked"), ("gitea", "active"), ("github", "expiring")):
        rows.binding(instance, provider, status=status)
    page = said(alice.client.get("/t/"))
    counts = dict(re.findall(r'href="/t/([a-z]+)/">.*?class="num">(\d+)<', page, re.DOTALL))
    assert counts == {"acme": "2", "globex": "0"}


def test_who_is_in_no_tenant_is_told_what_to_do(db: None, nobody: Client) -> None:
    nobody.force_login(factories.person("bob"))
    assert "You are not in a tenant yet." in said(nobody.get("/t/"))


def test_the_frame_names_tenant_role_and_pages(alice: Somebody, bob: Somebody) -> None:
    page = said(bob.client.get("/t/acme/tokens/"))
    assert "<b>Acme</b><span>Developer</span>" in page
    assert 'href="/t/acme/tokens/" aria-current="page"' in page
    assert 'href="/t/acme/instances/"' in page


def test_switching_keeps_the_section(alice: Somebody, globex: Tenant) -> None:
    factories.member(globex, alice.person, "viewer")
    assert 'href="/t/globex/tokens/"' in said(alice.client.get("/t/acme/tokens/"))


@pytest.mark.parametrize("name", ["Acme <b>x</b>", '"><script>alert(1)</script>'])
def test_a_name_is_never_markup(alice: Somebody, acme: Tenant, name: str) -> None:
    Tenant.objects.filter(pk=acme.pk).update(name=name)
    page = said(alice.client.get("/t/acme/tokens/"))
    assert name not in page
    assert "&lt;" in page


@pytest.mark.parametrize(
    ("next", "goes"),
    [
        ("/t/acme/tokens/?page=2", "/t/acme/tokens/?page=2"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("\x00//evil.example", "/"),
        ("/a\r\nSet-Cookie:x=1", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
@pytest.mark.parametrize("where", ["/me/theme/", "/me/language/"])
def test_a_choice_leads_back_and_nowhere_else(
    nobody: Client, where: str, next: str, goes: str
) -> None:
    answer = nobody.post(where, {"next": next})
    assert (answer.status_code, answer.headers["Location"]) == (302, goes)


def test_the_theme_is_remembered(nobody: Client) -> None:
    nobody.post("/me/theme/", {"theme": "dark"})
    assert 'data-theme="dark"' in said(nobody.get("/accounts/login/"))
    nobody.post("/me/theme/", {"theme": ""})
    assert "data-theme" not in said(nobody.get("/accounts/login/"))


@pytest.mark.parametrize("chosen", ["solarized", '"><script>'])
def test_an_unknown_theme_is_not_remembered(nobody: Client, chosen: str) -> None:
    assert "mooring_theme" not in nobody.post("/me/theme/", {"theme": chosen}).cookies
    nobody.cookies["mooring_theme"] = chosen
    assert "data-theme" not in said(nobody.get("/accounts/login/"))


def test_the_language_is_remembered_in_browser_and_profile(alice: Somebody) -> None:
    client = alice.client
    client.post("/me/language/", {"language": "zh-hans"})
    alice.person.refresh_from_db()
    assert alice.person.language == "zh-hans"
    assert '<html lang="zh-hans"' in said(client.get("/t/acme/tokens/"))


def test_an_unknown_language_is_not_remembered(alice: Somebody) -> None:
    answer = alice.client.post("/me/language/", {"language": "tlh"})
    assert "mooring_language" not in answer.cookies


@pytest.mark.parametrize("where", ["/me/theme/", "/me/language/"])
def test_choices_are_posts(nobody: Client, where: str) -> None:
    assert nobody.get(where).status_code == 405


@pytest.mark.parametrize("where", ["/me/theme/", "/t/acme/tokens/new/", "/accounts/login/"])
def test_a_form_of_another_site_is_refused(alice: Somebody, where: str) -> None:
    client = alice.signed_in(ago=timedelta(), enforce_csrf_checks=True)
    assert client.post(where, {"name": "x"}).status_code == 403
    assert not ServiceToken.objects.exists()


def fill(**changed: Any) -> dict[str, Any]:
    fine = {
        "name": "jenkins-eu",
        "owner": "tenant",
        "role": "developer",
        "scopes": ["repositories:read", "leases:write"],
        "networks": "203.0.113.0/24\n2001:db8::/32",
        "days": "90",
    }
    return fine | changed


def test_a_token_is_shown_once(alice: Somebody, instance: Instance) -> None:
    client = alice.client
    made = client.post("/t/acme/tokens/new/", fill(instances=[instance.public_id]))
    (secret,) = re.findall(r"mrg_[0-9A-Za-z]{49}", said(made))
    assert made.headers["Cache-Control"] == "private, no-store"
    token = access.by_token(secret, "203.0.113.9").token
    assert token is not None
    assert (token.name, token.role, token.instances) == ("jenkins-eu", "developer", [instance.pk])
    page = said(client.get("/t/acme/tokens/"))
    assert "jenkins-eu" in page
    assert secret not in page
    assert secret not in str(dict(client.session))


def test_a_form_that_cannot_be_taken_keeps_what_was_typed(alice: Somebody) -> None:
    answer = alice.client.post("/t/acme/tokens/new/", fill(networks="here"))
    page = said(answer)
    assert answer.status_code == 422
    assert "write networks like 203.0.113.0/24" in page
    assert 'value="jenkins-eu"' in page
    assert not ServiceToken.objects.exists()


def test_a_viewer_makes_tokens_for_themselves_only(carol: Somebody) -> None:
    client = carol.client
    page = said(client.get("/t/acme/tokens/new/"))
    assert 'value="bindings:read"' in page
    assert 'value="bindings:write"' not in page
    assert 'name="owner"' not in page
    client.post("/t/acme/tokens/new/", fill(owner="tenant", scopes=["bindings:read"]))
    token = ServiceToken.objects.get()
    assert (token.owner, token.role) == (carol.person, "viewer")


def test_a_viewer_cannot_ask_for_more_than_the_form_offers(carol: Somebody) -> None:
    answer = carol.client.post("/t/acme/tokens/new/", fill(scopes=["bindings:write"]))
    assert answer.status_code == 422
    assert not ServiceToken.objects.exists()


def test_another_tenants_instance_is_no_choice(alice: Somebody, foreign_instance: Instance) -> None:
    client = alice.client
    assert foreign_instance.public_id not in said(client.get("/t/acme/tokens/new/"))
    answer = client.post("/t/acme/tokens/new/", fill(instances=[foreign_instance.public_id]))
    assert answer.status_code == 422


def test_making_and_revoking_need_a_fresh_sign_in(alice: Somebody) -> None:
    token = alice.token("leases:read").token
    client = alice.signed_in(ago=timedelta(minutes=16))
    for where in ("new/", f"{token.public_id}/revoke/"):
        answer = client.post(f"/t/acme/tokens/{where}", fill())
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert ServiceToken.objects.get().revoked_at is None


def test_a_token_is_revoked_after_a_question(alice: Somebody) -> None:
    made = alice.token("leases:read")
    client = alice.client
    where = f"/t/acme/tokens/{made.token.public_id}/revoke/"
    assert "It was never used." in said(client.get(where))
    assert access.by_token(made.secret, "192.0.2.7").token == made.token
    assert client.post(where).headers["Location"] == "/t/acme/tokens/"
    with pytest.raises(Refusal):
        access.by_token(made.secret, "192.0.2.7")
    assert client.get(where).status_code == 404


def test_nobody_revokes_anothers_token(alice: Somebody, carol: Somebody, mallory: Somebody) -> None:
    made = alice.token("leases:read")
    path_ = f"tokens/{made.token.public_id}/revoke/"
    assert carol.client.post(f"/t/acme/{path_}").status_code == 403
    assert mallory.client.post(f"/t/globex/{path_}").status_code == 404
    assert mallory.client.post(f"/t/acme/{path_}").status_code == 404
    assert access.by_token(made.secret, "192.0.2.7").token == made.token


def test_a_long_unused_token_is_pointed_out(alice: Somebody) -> None:
    made = alice.token("leases:read")
    old = timezone.now() - timedelta(days=91)
    ServiceToken.objects.filter(pk=made.token.pk).update(created_at=old)
    assert "Not used for 90 days." in said(alice.client.get("/t/acme/tokens/"))


def test_a_viewer_sees_nobody_elses_tokens(alice: Somebody, carol: Somebody) -> None:
    alice.token("leases:read")
    assert "There is no API token yet." in said(carol.client.get("/t/acme/tokens/"))
