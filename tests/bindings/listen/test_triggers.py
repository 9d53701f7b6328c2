"""Triggers: made, changed, run by hand, waiting, and taken up again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Endpoint, Firing, Hook, Trigger
from bindings.services.bind import unbind
from bindings.services.browse import usage
from bindings.services.keep import retention
from bindings.services.listen import hooks, standings, triggers, waiting, work
from bindings.services.tell import impact
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Tenant
from tests.bindings import hooked
from tests.bindings.listen.conftest import Listening
from tests.people import Somebody


@pytest.fixture
def binding(listening: Listening) -> Binding:
    """A live binding at GitLab."""
    return listening.bind("gitlab")


def make(who: Somebody, binding: Binding, name: str = "app", **more: Any) -> Trigger:
    facts = {"repository": "platform/api", "mode": "manual"} | more
    return triggers.create(
        actor=who.actor, instance=binding.instance, name=name, binding=binding, **facts
    )


def stand(trigger: Trigger) -> standings.Stand:
    with rls.tenant(trigger.tenant_id):
        rows = standings.stood(Trigger.objects.of(trigger.tenant_id))
        return standings.stand_of(rows.get(pk=trigger.pk))


def again(trigger: Trigger) -> Trigger:
    with rls.tenant(trigger.tenant_id):
        rows = Trigger.objects.of(trigger.tenant_id).select_related("repository__host")
        return rows.get(pk=trigger.pk)


def hooks_of(binding: Binding) -> list[Hook]:
    with rls.tenant(binding.tenant_id):
        return list(Hook.objects.of(binding.tenant_id).exclude(status="removed"))


def test_an_automatic_one_makes_the_webhook_once(
    binding: Binding, alice: Somebody, listening: Listening, acme: Tenant
) -> None:
    first = make(alice, binding, mode="automatic")
    make(alice, binding, "second", mode="automatic")
    (hook,) = hooks_of(binding)
    assert len(listening.hooks("gitlab")) == 1
    found = stand(first)
    assert (found.status, found.reason) == ("active", None)
    assert (found.webhook, found.binding) == (hook.public_id, binding.public_id)
    created = hooked.events(acme, "trigger.created")
    assert [event.data["trigger"]["name"] for event in created] == ["app", "second"]


def test_a_manual_one_makes_none(binding: Binding, alice: Somebody) -> None:
    made = make(alice, binding)
    assert hooks_of(binding) == []
    assert (stand(made).status, stand(made).reason) == ("manual_only", "by_choice")


def test_what_is_not_seen_is_refused(binding: Binding, alice: Somebody) -> None:
    with pytest.raises(Refusal) as refused:
        make(alice, binding, repository="platform/nowhere")
    assert refused.value.code == "GL-REPO-02"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"mode": "sometimes"}, "mode"),
        ({"branches": ["x"] * 21}, "branches"),
        ({"branches": ["ok", ""]}, "branches/1"),
        ({"tags": ["x" * 201]}, "tags/0"),
        ({"variables": {"1x": "y"}}, "variables"),
        ({"variables": {"x": "y" * 501}}, "variables/x"),
        ({"variables": {f"x{n}": "" for n in range(21)}}, "variables"),
        ({"endpoints": ["end_nobodys"]}, "endpoints/0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_said_before_anybody_is_asked(
    binding: Binding, alice: Somebody, listening: Listening, more: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        make(alice, binding, **more)
    assert refused.value.code in ("X-FORM-01", "X-FORM-03")
    assert [error.field for error in refused.value.errors] == [field]
    assert listening.sandbox.requests("gitlab") == []


def test_names_are_taken_once_in_an_instance(binding: Binding, alice: Somebody) -> None:
    first, other = make(alice, binding), make(alice, binding, "other")
    with pytest.raises(Refusal) as refused:
        make(alice, binding)
    assert refused.value.code == "X-NAME-01"
    assert refused.value.extra == {"suggestion": "app-2"}
    with pytest.raises(Refusal) as refused:
        triggers.change(actor=alice.actor, trigger=again(other), name=first.name)
    assert refused.value.code == "X-NAME-01"


def test_there_is_an_end_to_them(binding: Binding, alice: Somebody) -> None:
    first = make(alice, binding)
    many = (
        Trigger(
            tenant_id=first.tenant_id,
            instance_id=first.instance_id,
            repository_id=first.repository_id,
            name=f"app {n}",
        )
        for n in range(1, triggers.MOST)
    )
    with rls.tenant(first.tenant_id):
        Trigger.objects.bulk_create(many)
    with pytest.raises(Refusal) as refused:
        make(alice, binding, "second")
    assert refused.value.code == "X-LIMIT-01"


def test_a_change_is_told_and_meets_no_other(
    binding: Binding, alice: Somebody, acme: Tenant
) -> None:
    made = make(alice, binding)
    seen = again(made)
    changed = triggers.change(actor=alice.actor, trigger=seen, enabled=False, tags=["v*"])
    assert (changed.enabled, changed.tags, changed.version) == (False, ["v*"], 2)
    assert hooked.events(acme, "trigger.changed")[0].data["changed"] == ["enabled", "tags"]
    assert stand(made).status == "disabled"
    with pytest.raises(Refusal) as refused:
        triggers.change(actor=alice.actor, trigger=seen, enabled=True)
    assert refused.value.code == "X-MATCH-02"


def test_one_that_becomes_automatic_gets_its_webhook(binding: Binding, alice: Somebody) -> None:
    made = make(alice, binding)
    triggers.change(actor=alice.actor, trigger=again(made), mode="automatic")
    assert len(hooks_of(binding)) == 1
    assert stand(made).status == "active"


def test_a_deleted_one_is_gone_with_its_firings(
    binding: Binding, alice: Somebody, acme: Tenant
) -> None:
    made = make(alice, binding)
    triggers.run(actor=alice.actor, trigger=again(made), ref="main")
    triggers.delete(actor=alice.actor, trigger=made)
    triggers.delete(actor=alice.actor, trigger=made)
    with rls.tenant(acme.pk):
        assert not Firing.objects.of(acme).exists()
    assert len(hooked.events(acme, "trigger.deleted")) == 1
    with pytest.raises(NotYours):
        triggers.change(actor=alice.actor, trigger=made, enabled=False)


def test_a_run_takes_any_ref_and_is_never_the_same(
    binding: Binding, alice: Somebody, acme: Tenant
) -> None:
    made = make(alice, binding, tags=["v*"], enabled=False)
    seen = again(made)
    for _ in range(2):
        triggers.run(actor=alice.actor, trigger=seen, ref="main", reason=" rebuild ")
    first, second = hooked.events(acme)
    assert first.type == second.type == "build.manual"
    assert (first.data["actor"], first.data["reason"]) == ("Alice", "rebuild")
    assert (first.data["before"], first.data["delivery"]) == (None, None)
    assert (first.data["ref"], first.data["kind"]) == ("refs/heads/main", "branch")
    assert first.data["after"] == second.data["after"] != ""
    by_commit = triggers.run(actor=alice.actor, trigger=seen, ref=first.data["after"][:12])
    assert by_commit.data["after"] == first.data["after"]
    assert by_commit.data["kind"] == "commit"
    with pytest.raises(Refusal) as refused:
        triggers.run(actor=alice.actor, trigger=seen, ref="nowhere")
    assert refused.value.code == "GL-REF-01"


def test_a_preview_shows_what_is_meant_now(binding: Binding) -> None:
    def names(**patterns: list[str]) -> list[str]:
        found = triggers.preview(binding=binding, repository="platform/api", **patterns)
        return [ref.full for ref in found]

    assert names() == ["refs/heads/main"]
    assert all(name.startswith("refs/tags/") for name in names(tags=["**"]))
    assert "refs/heads/main" in names(branches=["m*"])
    assert names(branches=["no-such-*"]) == []


def test_its_webhook_says_why_it_does_not_fire(binding: Binding, alice: Somebody) -> None:
    made = make(alice, binding, mode="automatic")
    with rls.tenant(binding.tenant_id):
        Hook.objects.of(binding.tenant_id).update(status="disabled", trouble="GL-HOOK-06")
    assert (stand(made).status, stand(made).reason) == ("webhook_failing", "GL-HOOK-06")
    (hook,) = hooks_of(binding)
    hooks.remove(actor=alice.actor, hook=hook)
    assert (stand(made).status, stand(made).reason) == ("webhook_failing", "missing")


def test_what_hangs_on_a_binding_is_known(binding: Binding, alice: Somebody) -> None:
    make(alice, binding, mode="automatic")
    make(alice, binding, "by hand")
    with rls.tenant(binding.tenant_id):
        shown = unbind.impact(binding)
        (used,) = usage.in_use(binding)
        said = str(impact.of(binding))
    assert (shown["automatic_triggers"], shown["manual_triggers"]) == (1, 1)
    assert (used.path, used.triggers) == ("platform/api", 2)
    assert shown["confirm"] == binding.account_login
    assert said.endswith("2 triggers")


# -- waiting ------------------------------------------------------------------------------------


def end(who: Somebody, binding: Binding) -> None:
    unbind.unbind(actor=who.actor, binding=binding, confirm=binding.account_login)


def test_one_waits_for_the_next_binding_that_sees_its_repository(
    binding: Binding, alice: Somebody, listening: Listening, acme: Tenant
) -> None:
    made = make(alice, binding, mode="automatic")
    by_hand = make(alice, binding, "by hand")
    end(alice, binding)
    assert stand(made).status == "waiting"
    assert stand(made).binding is None
    until = stand(made).until
    assert until is not None
    assert until > timezone.now() + timedelta(days=29)
    with pytest.raises(Refusal) as refused:
        triggers.run(actor=alice.actor, trigger=again(made), ref="main")
    assert refused.value.code == "X-STATE-01"

    after = listening.bind("gitlab")
    with rls.tenant(acme.pk):
        Binding.objects.of(acme).filter(pk=after.pk).update(instance=binding.instance_id)
    assert waiting.due() == [(acme.pk, after.pk)]
    assert waiting.take_up(tenant_id=acme.pk, binding_id=after.pk) == 2
    assert waiting.due() == []
    assert (stand(made).status, stand(made).binding) == ("active", after.public_id)
    assert stand(by_hand).status == "manual_only"


def test_one_waits_on_while_its_repository_is_not_seen(
    binding: Binding, alice: Somebody, listening: Listening, acme: Tenant
) -> None:
    made = make(alice, binding)
    end(alice, binding)
    after = listening.bind("gitlab")
    with rls.tenant(acme.pk):
        Binding.objects.of(acme).filter(pk=after.pk).update(instance=binding.instance_id)
    listening.sandbox.fault("gitlab", "status", value=503)
    assert waiting.take_up(tenant_id=acme.pk, binding_id=after.pk) == 0
    listening.sandbox.clear_faults()
    listening.sandbox.change_repository("gitlab", "platform/api", deleted=True)
    assert waiting.take_up(tenant_id=acme.pk, binding_id=after.pk) == 0
    assert stand(made).status == "waiting"


def test_after_thirty_days_it_is_gone(binding: Binding, alice: Somebody, acme: Tenant) -> None:
    make(alice, binding)
    end(alice, binding)
    now = timezone.now()
    assert retention.purge(now + timedelta(days=29))["triggers"] == 0
    assert retention.purge(now + timedelta(days=31))["triggers"] == 1


def test_deliveries_go_after_thirty_days_and_what_they_fired_stays(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    hooked.post(hook, *hooked.github())
    work.run(budget_s=0, stopping=lambda: False)
    assert retention.purge(timezone.now() + timedelta(days=31))["deliveries"] == 1
    with rls.tenant(acme.pk):
        (firing,) = Firing.objects.of(acme)
        assert firing.delivery_id is None
    hooked.post(hook, *hooked.github(hooked.push(n=1)))
    work.run(budget_s=0, stopping=lambda: False)
    assert len(hooked.events(acme)) == 1


def test_endpoints_are_named_by_their_ids(binding: Binding, alice: Somebody, acme: Tenant) -> None:
    with rls.tenant(acme.pk):
        known = Endpoint.objects.create(
            tenant=acme, name="one", url="https://b.example", kinds=["build.*"]
        )
    made = make(alice, binding, endpoints=[known.public_id, known.public_id])
    assert again(made).endpoints == [known.pk]
