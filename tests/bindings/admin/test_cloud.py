"""Cloud accounts as operators keep them: keys go in, are proven, and never come out."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry

from portal.tenants.models import Instance, Tenant
from tests.bindings.admin.conftest import Operator, address, said, told
from tests.bindings.clouds import Cloud, refuse_twice
from tests.bindings.sources import live

ADD = "bindings_platformaccount_add"
LIST = "bindings_platformaccount_changelist"


def enter(operator: Operator, cloud: Cloud, button: str = "save", **typed: str) -> Any:
    access, secret = cloud.pair(typed.pop("pair", "cloud-account"))
    sent = {"tenant": "acme", "host": str(cloud.host.pk), "access_key": access} | typed
    return operator.client.post(
        address(ADD), {"secret_key": secret, **sent, button: "1"}, follow=True
    )


def act(operator: Operator, action: str, key: Any, **typed: str) -> Any:
    sent = {"action": action, "_selected_action": [str(key)], **(typed or {"index": "0"})}
    return operator.client.post(address(LIST), sent, follow=True)


def test_keys_are_proven_and_every_instance_is_bound(
    operator: Operator, cloud: Cloud, acme: Tenant, instance: Instance
) -> None:
    answer = enter(operator, cloud)
    assert said(answer) == ["acme-robot is connected: 1 instances bound, 0 renewed."]
    assert [binding.provider for binding in live(instance)] == ["codearts"]
    assert LogEntry.objects.filter(user=operator.person).count() == 1
    text = operator.sees(LIST)
    account = cloud.account(acme)
    assert account.fingerprint in text
    assert "connected" in text
    shown = text + operator.sees("bindings_platformaccount_change", account.pk)
    assert not any(key in shown for key in cloud.pair())
    assert told(acme, "tenant.viewed_by_operator")


def test_a_test_saves_nothing_and_sends_no_key_back(
    operator: Operator, cloud: Cloud, instance: Instance
) -> None:
    answer = enter(operator, cloud, "test")
    text = answer.content.decode()
    assert "The platform accepts these keys." in text
    assert "Signed in as acme-robot." in text
    assert not any(key in text for key in cloud.pair())
    assert live(instance) == []


def test_refused_keys_are_not_saved(operator: Operator, cloud: Cloud, instance: Instance) -> None:
    answer = enter(operator, cloud, pair="revoked-keys")
    text = answer.content.decode()
    assert "Huawei Cloud refuses the platform&#x27;s credential." in text
    assert not any(key in text for key in cloud.pair("revoked-keys"))
    assert live(instance) == []


def test_what_was_typed_is_judged_first(operator: Operator, cloud: Cloud, acme: Tenant) -> None:
    wrong = enter(operator, cloud, tenant="nobody", secret_key="with a space")
    assert wrong.context["form"].errors == {
        "tenant": ["There is no such tenant."],
        "__all__": ["A key has no spaces and no letters beyond ASCII."],
    }
    assert cloud.sandbox.requests("codearts") == []


def test_the_keys_that_are_kept_can_be_tested(
    operator: Operator, cloud: Cloud, acme: Tenant, instance: Instance
) -> None:
    cloud.connect(acme)
    key = cloud.account(acme).pk
    assert said(act(operator, "test", key)) == ["acme-robot: the platform accepts it."]
    cloud.revoke()
    (refused,) = said(act(operator, "test", key))
    assert refused.endswith("(CA-TOK-01)")
    assert [binding.status for binding in live(instance)] == ["active"]


def test_a_refused_account_is_what_the_health_page_asks_for_first(
    operator: Operator, cloud: Cloud, acme: Tenant, instance: Instance
) -> None:
    cloud.connect(acme)
    cloud.revoke()
    refuse_twice(live(instance)[0])
    page = operator.sees("operator_health")
    assert "Cloud accounts are refused; enter new keys" in page
    assert "acme-robot" in operator.sees(LIST, state="refused")
    cloud.connect(acme, cloud.new_keys())
    assert "acme-robot" not in operator.sees(LIST, state="refused")


def test_disconnecting_wants_a_reason_which_the_tenant_reads(
    operator: Operator, cloud: Cloud, acme: Tenant, instance: Instance
) -> None:
    cloud.connect(acme)
    key = cloud.account(acme).pk
    asked = act(operator, "disconnect", key)
    assert (
        "All instances of the tenant are unbound; the keys are destroyed here."
        in asked.content.decode()
    )
    assert live(instance) != []
    done = act(operator, "disconnect", key, apply="1", reason="The contract has ended.")
    assert said(done) == ["acme-robot is disconnected: 1 unbound."]
    assert live(instance) == []
    (event,) = told(acme, "binding.unbound")
    assert event.data["reason"] == "The contract has ended."
    assert "destroyed" in operator.sees(LIST)


def test_operators_unbind_one_instance_with_a_reason(
    operator: Operator, cloud: Cloud, acme: Tenant, instance: Instance
) -> None:
    cloud.connect(acme)
    (binding,) = live(instance)
    operator.does("unbind", binding, apply="1", reason="Asked for.")
    assert live(instance) == []
