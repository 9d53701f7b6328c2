"""The operators' page of fire drills."""

from __future__ import annotations

from django.contrib.auth.models import Permission
from django.test import Client

from bindings.models import Binding
from tests import factories
from tests.bindings.admin.conftest import Operator, address, now_is, said, told

HERE = "operator_drill"


def test_an_operator_holds_a_drill_on_any_host(operator: Operator, bound: Binding) -> None:
    assert "No drill has been held here yet." in operator.sees(HERE)
    sent = {"binding": bound.public_id, "scenario": "revoked"}
    answer = operator.client.post(address(HERE), sent, follow=True)
    assert said(answer) == ["The drill has begun. The next sweep shows it."]
    assert now_is(bound).drill == "revoked"
    (began,) = told(bound.tenant, "binding.drill_started")
    assert (began.actor["kind"], began.data["drill"]) == ("operator", True)

    assert "End drill" in operator.sees(HERE)
    answer = operator.client.post(address(HERE), {"end": bound.public_id}, follow=True)
    assert said(answer) == ["The drill has ended. Everything is as before."]
    assert now_is(bound).drill == ""
    assert "binding.drill_started" in operator.sees(HERE)


def test_what_cannot_be_is_said(operator: Operator, bound: Binding) -> None:
    sent = {"binding": "bnd_nobody", "scenario": "revoked"}
    answer = operator.client.post(address(HERE), sent, follow=True)
    assert said(answer) == ["There is no such live binding."]
    for scenario in ("", "fire"):
        sent = {"binding": bound.public_id, "scenario": scenario}
        assert b"errorlist" in operator.client.post(address(HERE), sent).content
    sent = {"binding": bound.public_id, "scenario": "hook_disabled"}
    answer = operator.client.post(address(HERE), sent, follow=True)
    assert said(answer)[-1].startswith("There are no webhooks here yet")
    operator.client.post(address(HERE), {"binding": bound.public_id, "scenario": "expired"})
    sent = {"binding": bound.public_id, "scenario": "revoked"}
    answer = operator.client.post(address(HERE), sent, follow=True)
    assert said(answer)[-1].startswith("A fire drill is running here until")


def test_staff_that_may_only_look_holds_none(bound: Binding, db: None) -> None:
    person, client = factories.person("dora", is_staff=True), Client()
    person.user_permissions.add(Permission.objects.get(codename="view_binding"))
    client.force_login(person)
    assert client.get(address(HERE)).status_code == 200
    sent = {"binding": bound.public_id, "scenario": "revoked"}
    assert client.post(address(HERE), sent).status_code == 403
    assert now_is(bound).drill == ""
    client.force_login(factories.person("erin", is_staff=True))
    assert client.get(address(HERE)).status_code == 403


def test_the_list_of_bindings_marks_it(operator: Operator, bound: Binding) -> None:
    assert "drill</small>" not in operator.sees("bindings_binding_changelist")
    operator.client.post(address(HERE), {"binding": bound.public_id, "scenario": "revoked"})
    assert "drill</small>" in operator.sees("bindings_binding_changelist")
