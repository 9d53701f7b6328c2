"""Webhooks of a binding that ends, is switched, or gets another credential."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from bindings.models import Binding, Ending, Head, Hook
from bindings.services.bind import change, replace, switch, unbind
from bindings.services.listen import gaps, hooks, reconcile
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.listen.conftest import Listening, again
from tests.bindings.sources import GitLab
from tests.people import Somebody


@pytest.fixture
def bound(listening: Listening, gitlab: GitLab, alice: Somebody, instance: Instance) -> Binding:
    """alice's binding of build-bot, with two webhooks."""
    binding = gitlab.bind(alice.actor, instance)
    for path in ("platform/api", "platform/web"):
        hooks.add(actor=alice.actor, binding=binding, repository=path)
    return binding


def ending(binding: Binding) -> Ending:
    with rls.tenant(binding.tenant_id):
        rows = Ending.objects.of(binding.tenant_id).select_related("binding__instance")
        return rows.get(pk=binding.pk)


def work_off(binding: Binding, **later: Any) -> dict[str, list[str]]:
    """One try, some time from now; what the receipt says then."""
    with time_machine.travel(timezone.now() + timedelta(**later)):
        unbind.work_off(tenant_id=binding.tenant_id, binding_id=binding.pk)
    found: dict[str, list[str]] = {}
    for item in unbind.receipt(ending(binding))["items"]:
        found.setdefault(item["action"], []).append(item["status"])
    return found


def rows(binding: Binding) -> list[Hook]:
    with rls.tenant(binding.tenant_id):
        return list(Hook.objects.of(binding.tenant_id).filter(binding=binding).order_by("pk"))


def test_the_harm_is_shown_with_its_webhooks(bound: Binding):
    with rls.tenant(bound.tenant_id):
        impact = unbind.impact(bound)
    assert (impact["in_use"], impact["webhooks"]) == (True, 2)
    assert impact["plan"][0] == {"action": "remove_webhooks", "count": 2}
    assert [row["path"] for row in impact["repositories"]] == ["platform/api", "platform/web"]


def test_webhooks_go_first_and_the_token_last(
    listening: Listening, bound: Binding, alice: Somebody
):
    made = unbind.unbind(actor=alice.actor, binding=bound, confirm="build-bot", revoke=True)
    items = unbind.receipt(made)["items"]
    assert items[0] == {
        "action": "remove_webhook",
        "repository": "platform/api",
        "status": "pending",
        "detail": None,
        "url": f"{listening.sandbox.base('gitlab')}/platform/api/-/hooks",
    }
    assert {row.status for row in rows(bound)} == {"removing"}
    assert work_off(bound) == {
        "remove_webhook": ["done", "done"],
        "revoke_credential": ["done"],
        "erase_credential": ["done"],
    }
    assert listening.hooks("gitlab") == []
    assert {row.status for row in rows(bound)} == {"removed"}


def test_a_host_that_is_away_keeps_its_token_until_its_webhooks_are_gone(
    listening: Listening, bound: Binding, alice: Somebody
):
    unbind.unbind(actor=alice.actor, binding=bound, confirm="build-bot", revoke=True)
    listening.sandbox.fault("gitlab", "status:503")
    waiting = {
        "remove_webhook": ["pending", "pending"],
        "revoke_credential": ["pending"],
        "erase_credential": ["pending"],
    }
    assert work_off(bound) == waiting
    listening.sandbox.clear_faults()
    listening.sandbox.fault("gitlab", "status:503", path="**/1078/hooks/*", method="DELETE")
    assert work_off(bound, hours=1)["remove_webhook"] == ["done", "pending"]
    assert len(listening.hooks("gitlab")) == 1
    listening.sandbox.clear_faults()
    assert set(map(tuple, work_off(bound, hours=2).values())) == {("done",), ("done", "done")}
    assert listening.hooks("gitlab") == []


def test_after_a_week_the_rest_is_left_to_a_person(
    listening: Listening, bound: Binding, alice: Somebody
):
    unbind.unbind(actor=alice.actor, binding=bound, confirm="build-bot")
    listening.sandbox.fault("gitlab", "status:503")
    assert work_off(bound, days=8) == {
        "remove_webhook": ["manual", "manual"],
        "revoke_credential": ["skipped"],
        "erase_credential": ["done"],
    }
    assert {row.status for row in rows(bound)} == {"removed"}


def test_a_credential_that_is_dead_leaves_them_to_a_person(
    listening: Listening, bound: Binding, alice: Somebody
):
    listening.sandbox.revoke("full", "gitlab", "build-bot")
    unbind.unbind(actor=alice.actor, binding=bound, confirm="build-bot")
    assert work_off(bound)["remove_webhook"] == ["pending", "pending"]
    assert work_off(bound, minutes=5)["remove_webhook"] == ["manual", "manual"]


def test_a_switch_moves_webhooks_and_loses_no_push_between(
    listening: Listening, gitlab: GitLab, bound: Binding, alice: Somebody
):
    listening.sandbox.set_role("gitlab", "ann", "maintain", repository="platform/api")
    listening.sandbox.set_role("gitlab", "ann", "maintain", repository="platform/web")
    new = switch.with_token(
        actor=alice.actor,
        instance=bound.instance,
        replaces=bound,
        ask=gitlab.ask(login="ann"),
    ).binding
    listening.sandbox.push("gitlab", "platform/api", deliver=False)
    work_off(bound)
    assert reconcile.run(threads=1) == {"mended": 2, "pushes": 1}
    there = {hook["url"].rpartition("/")[2] for hook in listening.hooks("gitlab")}
    assert there == {row.public_id for row in rows(new)}
    with rls.tenant(new.tenant_id):
        assert Head.objects.of(new.tenant_id).filter(hook__binding=new).exists()
        (api,) = Hook.objects.of(new.tenant_id).filter(binding=new, repository__path="platform/api")
        assert api.deliveries.get().origin == "recovered"
    assert gaps.recover(hook=api) == 0


def test_a_new_credential_has_its_webhooks_compared_at_once(
    listening: Listening, gitlab: GitLab, bound: Binding, alice: Somebody
):
    (first, *_) = listening.hooks("gitlab")
    listening.sandbox.change_hook("gitlab", first["id"], deleted=True)
    replace.replace_token(
        actor=alice.actor, binding=bound, token=listening.seven.another_token("gitlab")
    )
    assert reconcile.run(threads=1) == {"mended": 1, "same": 1}
    assert len(listening.hooks("gitlab")) == 2
    assert {again(row).status for row in rows(bound)} == {"unverified"}


def test_a_binding_for_manual_builds_gives_its_webhooks_up(
    listening: Listening, bound: Binding, alice: Somebody
):
    change.change(actor=alice.actor, binding=bound, changes={"mode": "manual"})
    assert reconcile.run(threads=1) == {"removed": 2}
    assert listening.hooks("gitlab") == []


def test_what_nobody_may_remove_any_more_is_left_after_a_week(
    listening: Listening, bound: Binding, alice: Somebody
):
    (hook, _) = rows(bound)
    listening.sandbox.fault("gitlab", "insufficient_scope", path="**/1077/hooks", value="api")
    hooks.remove(actor=alice.actor, hook=hook)
    assert reconcile.run(threads=1) == {"troubled": 1}
    assert again(hook).status == "removing"
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        reconcile.run(threads=1, binding=bound)
    assert again(hook).status == "removed"
