"""Tenancy in the operators' admin: who gets in, what is shown, and that a look leaves a trace."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from portal.ground import rls
from portal.tenants.models import Event, Membership, ServiceToken, Tenant, User
from portal.tenants.services import events
from tests import factories
from tests.people import Somebody

MODELS = ["user", "tenant", "membership", "servicetoken"]


@pytest.fixture
def operator(db: None) -> Client:
    """Alice, this time on the staff and in no tenant."""
    client = Client()
    client.force_login(factories.person("alice", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def bob_of_globex(mallory: Somebody) -> Somebody:
    """A developer of globex with a token of his own."""
    person = factories.person("bob")
    factories.member(mallory.tenant, person, "developer")
    return Somebody(person, mallory.tenant)


def listing(model: str) -> str:
    return reverse(f"admin:tenants_{model}_changelist")


def log_of(tenant: Tenant) -> str:
    return f"{listing('event')}?tenant__id__exact={tenant.pk}"


@pytest.mark.parametrize("model", [*MODELS, "event"])
def test_the_admin_has_no_sign_in_of_its_own(db: None, nobody: Client, model: str) -> None:
    answer = nobody.get(listing(model))
    assert answer.status_code == 302
    shown = nobody.get(answer.headers["Location"])
    assert shown.headers["Location"].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("model", [*MODELS, "event"])
def test_an_owner_of_a_tenant_is_no_operator(mallory: Somebody, model: str) -> None:
    client = mallory.client
    answer = client.get(listing(model), follow=True)
    assert answer.status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_an_operator_sees_the_list_and_no_secret(
    operator: Client, bob_of_globex: Somebody, model: str
) -> None:
    made = bob_of_globex.token("leases:read", personal=True)
    page = operator.get(listing(model)).content.decode()
    row = made.token
    for secret in (made.secret, bytes(row.digest).hex(), bob_of_globex.person.password):
        assert secret not in page
    assert "md5$" not in page


@pytest.mark.parametrize("model", MODELS)
def test_one_row_shows_no_secret_either(
    operator: Client, bob_of_globex: Somebody, model: str
) -> None:
    made = bob_of_globex.token("leases:read", personal=True)
    rows = {
        "user": bob_of_globex.person,
        "tenant": bob_of_globex.tenant,
        "membership": Membership.objects.get(user=bob_of_globex.person),
        "servicetoken": made.token,
    }
    where = reverse(f"admin:tenants_{model}_change", args=[rows[model].pk])
    page = operator.get(where).content.decode()
    for secret in (made.secret, bytes(made.token.digest).hex(), bob_of_globex.person.password):
        assert secret not in page
    assert "digest" not in page


@pytest.mark.parametrize(
    "query",
    [
        "user/?password__startswith=md5",
        "servicetoken/?digest=x",
        "servicetoken/?hint__startswith=mrg_a",
        "membership/?user__password__startswith=md5",
        "membership/?tenant__slug=x",
    ],
)
def test_a_secret_cannot_be_guessed_by_filter(operator: Client, query: str) -> None:
    assert operator.get(f"/admin/tenants/{query}").status_code == 400


@pytest.mark.parametrize("model", ["membership", "servicetoken", "event"])
def test_what_belongs_to_tenants_is_read_only(
    operator: Client, bob_of_globex: Somebody, model: str
) -> None:
    made = bob_of_globex.token("leases:read", personal=True)
    assert operator.get(f"/admin/tenants/{model}/add/").status_code in (403, 404)
    row = {
        "membership": Membership.objects.get(user=bob_of_globex.person).pk,
        "servicetoken": made.token.pk,
        "event": made.token.pk,
    }[model]
    for act in ("change", "delete"):
        answer = operator.post(
            f"/admin/tenants/{model}/{row}/{act}/", {"post": "yes", "role": "owner"}
        )
        assert answer.status_code in (403, 404)
    assert Membership.objects.get(user=bob_of_globex.person).role == "developer"
    assert ServiceToken.objects.filter(pk=made.token.pk, revoked_at=None).exists()


def test_people_and_tenants_are_not_deleted(operator: Client, mallory: Somebody) -> None:
    for row in (mallory.person, mallory.tenant):
        where = f"/admin/tenants/{row._meta.model_name}/{row.pk}/delete/"
        assert operator.post(where, {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=mallory.person.pk).exists()
    assert Tenant.objects.filter(pk=mallory.tenant.pk).exists()


def test_a_log_opens_for_a_chosen_tenant_only(operator: Client, mallory: Somebody) -> None:
    for query in ("", "?tenant__id__exact=x", f"?tenant__id__exact={mallory.person.pk}"):
        answer = operator.get(listing("event") + query)
        assert answer.headers["Location"] == listing("tenant")


def test_a_log_shows_one_tenant(operator: Client, mallory: Somebody) -> None:
    other = factories.tenant("acme", factories.person("bob"))
    page = operator.get(log_of(mallory.tenant)).content.decode()
    assert mallory.tenant.public_id in page
    assert other.public_id not in page
    assert rls.current() is None


def test_the_tenant_sees_that_the_staff_looked(operator: Client, mallory: Somebody) -> None:
    operator.get(log_of(mallory.tenant))
    with rls.tenant(mallory.tenant.pk):
        seen = Event.objects.of(mallory.tenant).get(type="tenant.viewed_by_operator")
    assert (seen.actor["kind"], seen.actor["name"]) == ("operator", "Alice")
    assert events.verify(mallory.tenant) is None


def test_the_staff_without_all_rights_reads_a_log_too(mallory: Somebody) -> None:
    person = factories.person("carol", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(person)
    assert client.get(log_of(mallory.tenant)).status_code == 200


def test_a_new_person_gets_no_password(operator: Client) -> None:
    answer = operator.post(
        "/admin/tenants/user/add/",
        {
            "email": "Bob@Example.com",
            "name": "Bob",
            "memberships-TOTAL_FORMS": "0",
            "memberships-INITIAL_FORMS": "0",
        },
    )
    assert answer.status_code == 302
    person = User.objects.get(email="bob@example.com")
    assert not person.has_usable_password()
    assert not person.is_staff


def test_only_an_operator_in_full_makes_operators(mallory: Somebody) -> None:
    person = factories.person("carol", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(content_type__app_label="tenants"))
    client = Client()
    client.force_login(person)
    forms = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    fields = {"email": mallory.person.email, "name": "M", "zone": "UTC", "is_active": "on"}
    where = reverse("admin:tenants_user_change", args=[mallory.person.pk])
    client.post(where, forms | fields | {"is_staff": "on", "is_superuser": "on"})
    client.post("/admin/tenants/user/add/", forms | {"email": "bob@example.com", "is_staff": "on"})
    assert not User.objects.filter(is_staff=True).exclude(pk=person.pk).exists()


def test_a_person_who_is_switched_off_is_out_at_once(
    operator: Client, bob_of_globex: Somebody
) -> None:
    person, browser = bob_of_globex.person, bob_of_globex.client
    assert browser.get("/t/globex/tokens/").status_code == 200
    where = reverse("admin:tenants_user_change", args=[person.pk])
    forms = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    operator.post(where, forms | {"email": person.email, "name": "Bob", "zone": "UTC"})
    assert not User.objects.get(pk=person.pk).is_active
    assert browser.get("/t/globex/tokens/").status_code == 302
