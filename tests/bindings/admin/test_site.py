"""The operators' site: who gets in, what it shows at all, and that every look leaves a trace."""

from __future__ import annotations

import logging

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from bindings.models import Binding
from portal.ground import rls
from portal.tenants.admin.pages import CappedPaginator
from portal.tenants.models import Tenant
from tests import factories
from tests.bindings.admin.conftest import Operator, address, told
from tests.people import Somebody

LISTS = [f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry]
PAGES = ["index", "operator_health", "operator_keys", "operator_drill", "bindings_codehost_add"]
PAGES += [f"{one}_changelist" for one in LISTS]
DETAILS = ["bindings_binding_change", "tenants_instance_change"]


def test_the_site_has_our_tables_and_no_others() -> None:
    """allauth would show second factors and app secrets; a credential has no page at all."""
    assert set(LISTS) == {
        *("bindings_binding", "bindings_check", "bindings_codehost", "bindings_ending"),
        *("bindings_platformaccount", "bindings_delivery", "bindings_endpoint"),
        *("bindings_dispatch", "bindings_hook"),
        *("tenants_event", "tenants_instance", "tenants_membership", "tenants_servicetoken"),
        *("tenants_tenant", "tenants_user"),
    }


@pytest.mark.parametrize("page", PAGES)
def test_nobody_is_led_to_the_one_sign_in(nobody: Client, page: str) -> None:
    answer = nobody.get(address(page), follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("page", PAGES)
def test_an_owner_of_a_tenant_is_no_operator(alice: Somebody, page: str) -> None:
    assert alice.client.get(address(page), follow=True).status_code == 403


@pytest.mark.parametrize("page", PAGES)
def test_an_operator_sees_every_page(operator: Operator, page: str) -> None:
    if page == "tenants_event_changelist":
        answer = operator.client.get(address(page))
        assert answer.headers["Location"] == address("tenants_tenant_changelist")
    else:
        assert "Mooring" in operator.sees(page)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_in_one_language(operator: Operator, page: str) -> None:
    answer = operator.client.get(address(page), headers={"Accept-Language": "zh-hans"})
    assert answer.headers["Content-Language"] == "en"
    assert "退出" not in answer.content.decode()


def test_staff_without_rights_sees_no_list(db: None) -> None:
    client = Client()
    client.force_login(factories.person("carol", is_staff=True))
    assert client.get(address("bindings_binding_changelist")).status_code == 403


def test_staff_may_be_allowed_to_look_and_not_to_act(bound: Binding, db: None) -> None:
    person = factories.person("dora", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_binding"))
    client = Client()
    client.force_login(person)
    page = client.get(address("bindings_binding_changelist")).content.decode()
    assert "build-bot" in page
    assert "Suspend" not in page


def test_every_look_is_in_the_servers_log(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="portal.operators"):
        operator.sees("bindings_binding_changelist", q="acme")
    (line,) = caplog.records
    assert operator.person.public_id in line.getMessage()
    assert "/admin/bindings/binding/" in line.getMessage()
    assert "acme" not in line.getMessage()


@pytest.mark.parametrize("page", DETAILS)
def test_a_look_at_one_row_is_in_its_tenants_own_log(
    operator: Operator, bound: Binding, alice: Somebody, page: str
) -> None:
    row = bound.pk if "binding_change" in page else bound.instance_id
    operator.sees(page, row)
    (event,) = told(alice.tenant, "tenant.viewed_by_operator")
    assert event.actor["kind"] == "operator"
    assert event.actor["name"] == "Operator"
    assert event.data == {"what": page.split("_")[1]}


def test_the_history_of_a_binding_is_its_tenants_log(
    operator: Operator, bound: Binding, foreign: Binding
) -> None:
    operator.sees("bindings_binding_change", bound.pk)
    answer = operator.client.get(address("bindings_binding_history", bound.pk), follow=True)
    page = answer.content.decode()
    assert f"tenant__id__exact={bound.tenant_id}" in answer.redirect_chain[0][0]
    assert "tenant.viewed_by_operator" in page
    assert "tenant.opened" not in page


@pytest.mark.parametrize("page", LISTS)
def test_a_list_is_never_counted_whole(operator: Operator, page: str) -> None:
    (found,) = (
        registered
        for model, registered in admin.site._registry.items()
        if f"{model._meta.app_label}_{model._meta.model_name}" == page
    )
    assert issubclass(found.paginator, CappedPaginator)
    assert found.show_full_result_count is False
    assert found.show_facets is admin.ShowFacets.NEVER


@pytest.mark.parametrize(
    "query",
    [
        "binding/?account_id__startswith=4",
        "binding/?credential__fingerprint=3f9a1c02be77",
        "binding/?credential__access__isnull=0",
        "binding/?host__client_secret__isnull=0",
        "codehost/?client_secret__isnull=1",
        "check/?binding__credential__access__isnull=0",
    ],
)
def test_nothing_is_guessed_by_filter(operator: Operator, bound: Binding, query: str) -> None:
    assert operator.client.get(f"/admin/bindings/{query}").status_code == 400


@pytest.mark.parametrize("row", ["binding", "instance", "check"])
def test_what_belongs_to_tenants_is_read_only(operator: Operator, bound: Binding, row: str) -> None:
    app = "tenants" if row == "instance" else "bindings"
    key = bound.instance_id if row == "instance" else bound.pk
    for act in ("add/", f"{key}/change/", f"{key}/delete/"):
        sent = {"post": "yes", "account_login": "mine", "name": "mine"}
        answer = operator.client.post(f"/admin/{app}/{row}/{act}", sent)
        assert answer.status_code in (302, 403, 404)
    with rls.tenant(bound.tenant_id):
        assert Binding.objects.of(bound.tenant_id).filter(account_login="build-bot").exists()
    assert not LogEntry.objects.exists()


CASES = {
    "ten-156": "autocomplete/?app_label=bindings&model_name=binding&field_name=instance",
    "ten-158": "bindings/binding/{foreign}/history/",
    "ten-162": "bindings/codehost/{host}/history/",
    "ten-163": "bindings/codehost/{host}/change/",
    "ten-164": "bindings/binding/?credential__access__startswith=a",
    "ten-167": "tenants/user/?password__startswith=a",
    "ten-168": "login_as/{foreign}/",
    "ten-169": "tenants/tenant/{tenant}/delete/",
}
"""Attempts to cross a tenant's boundary by the admin; the ids are those of our corpus."""


@pytest.mark.parametrize("case", CASES)
def test_the_admin_is_no_way_across_tenants(
    alice: Somebody, operator: Operator, bound: Binding, foreign: Binding, case: str
) -> None:
    keys = {"foreign": foreign.pk, "host": foreign.host_id, "tenant": foreign.tenant_id}
    path = f"/admin/{CASES[case].format(**keys)}"
    for method in ("GET", "POST"):
        answer = alice.client.generic(method, path)
        assert answer.status_code in (302, 400, 403, 404)
        assert b"globex-bot" not in answer.content
    seen = operator.client.get(path)
    assert seen.status_code in (200, 302, 400, 403, 404)
    assert b"sandbox ciphertext" not in seen.content
    assert Tenant.objects.filter(pk=foreign.tenant_id).exists()


@pytest.mark.parametrize("field", ["instance", "host", "bound_by", "tenant"])
def test_nothing_completes_while_one_types_but_whom_a_host_is_offered_to(
    operator: Operator, bound: Binding, field: str
) -> None:
    asked = {"app_label": "bindings", "model_name": "binding", "field_name": field, "term": "a"}
    assert operator.client.get("/admin/autocomplete/", asked).status_code == 404


def test_a_tenant_completes_for_an_offer(operator: Operator, bound: Binding) -> None:
    asked = {"app_label": "bindings", "model_name": "hostoffer", "field_name": "tenant"}
    found = operator.client.get("/admin/autocomplete/", {**asked, "term": "acm"}).json()
    assert [one["text"] for one in found["results"]] == ["Acme"]


def test_a_password_is_changed_where_everybody_changes_theirs(operator: Operator) -> None:
    answer = operator.client.get(address("password_change"))
    assert answer.headers["Location"] == "/accounts/password/change/"
