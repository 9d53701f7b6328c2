"""Opening, changing and closing registry instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bindings.models import Binding
from bindings.services.bind import instances, unbind
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance, Tenant
from portal.tenants.models.tenants import NAME
from tests.bindings.sources import events, told
from tests.people import Somebody


def refused(call: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def opened(who: Somebody, name: str, **more: Any) -> Instance:
    return instances.open_instance(actor=who.actor, name=name, region="default", **more)


def test_an_instance_is_opened_and_noted(alice: Somebody, acme: Tenant) -> None:
    made = opened(alice, "prod-1", display_name=" Production ", labels={"team": "images"})
    assert (made.name, made.display_name, made.labels) == (
        "prod-1",
        "Production",
        {"team": "images"},
    )
    last = events(acme, "instance.")[-1]
    assert (last.type, last.instance_id, last.data) == (
        "instance.created",
        made.pk,
        {"name": "prod-1"},
    )


@pytest.mark.parametrize("name", ["ab", "-ab", "ab-", "a--b", "Abc", "a_b", "a" * 41, "äbc", ""])
def test_a_name_is_lower_case_letters_digits_and_single_hyphens(alice: Somebody, name: str) -> None:
    refusal = refused(lambda: opened(alice, name))
    assert (refusal.code, refusal.field) == ("X-FORM-03", "name")


def test_a_region_that_is_not_offered_is_refused(alice: Somebody) -> None:
    refusal = refused(
        lambda: instances.open_instance(actor=alice.actor, name="prod-1", region="moon")
    )
    assert (refusal.code, refusal.field) == ("X-FORM-03", "region")


@pytest.mark.parametrize("name", ["prod", "a" * 40, f"{'a' * 35}-b", f"{'a' * 34}-bcd"])
def test_a_name_that_is_taken_comes_with_one_that_is_free(
    alice: Somebody, mallory: Somebody, name: str
) -> None:
    opened(mallory, name)
    opened(alice, name)
    refusal = refused(lambda: opened(alice, name))
    assert (refusal.code, refusal.field) == ("X-NAME-01", "name")
    proposed = str(refusal.extra["suggestion"])
    NAME(proposed)
    opened(alice, proposed)
    assert refused(lambda: opened(alice, name)).extra["suggestion"] != proposed


def test_the_name_of_a_closed_instance_is_free(alice: Somebody) -> None:
    first = opened(alice, "prod")
    instances.close_instance(actor=alice.actor, instance=first)
    again = opened(alice, "prod")
    assert (again.name, again.pk != first.pk) == ("prod", True)


def test_a_tenant_has_at_most_two_hundred(alice: Somebody, acme: Tenant) -> None:
    with rls.tenant(acme.pk):
        Instance.objects.bulk_create(
            Instance(tenant=acme, name=f"full-{n}", region="default") for n in range(200)
        )
    assert refused(lambda: opened(alice, "one-more")).code == "X-LIMIT-01"


def test_display_name_and_labels_change_and_nothing_else(
    alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    changed = instances.change_instance(
        actor=alice.actor,
        instance=instance,
        changes={"display_name": "Production", "labels": {"a": "b"}, "name": "other"},
    )
    assert (changed.display_name, changed.labels) == ("Production", {"a": "b"})
    assert (changed.name, changed.region) == (instance.name, instance.region)
    assert changed.updated_at > instance.updated_at
    assert told(acme, "instance.") == ["instance.changed"]


def test_an_instance_with_an_account_stays_open(
    alice: Somebody, instance: Instance, binding: Binding, acme: Tenant
) -> None:
    refusal = refused(lambda: instances.close_instance(actor=alice.actor, instance=instance))
    assert (refusal.code, refusal.facts) == ("X-INUSE-01", {"n": 1})
    unbind.unbind(actor=alice.actor, binding=binding)
    instances.close_instance(actor=alice.actor, instance=instance)
    with pytest.raises(NotYours):
        instances.close_instance(actor=alice.actor, instance=instance)
    with pytest.raises(NotYours):
        instances.change_instance(actor=alice.actor, instance=instance, changes={})
    assert told(acme, "instance.") == ["instance.deleted"]
