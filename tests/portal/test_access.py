"""Finding and permitting are one call, and tell a stranger nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from portal.ground import ids, rls
from portal.ground.refusals import NotAllowed, NotYours, Refusal
from portal.tenants import access, roles
from portal.tenants.access import Actor
from portal.tenants.models import Instance, Membership, ServiceToken, Tenant
from portal.tenants.services import members
from tests import factories
from tests.people import Somebody

# api.md 1.2, once more and in another form: what each role has.
VIEWER = {"instances:read", "bindings:read", "events:read"}
DEVELOPER = VIEWER | {
    *("bindings:check", "repositories:read", "webhooks:read", "webhooks:write"),
    *("deliveries:read", "deliveries:replay", "triggers:read", "triggers:write", "triggers:run"),
    *("endpoints:read", "leases:read", "leases:write"),
}
ADMIN = DEVELOPER | {
    *("instances:write", "bindings:write", "endpoints:write"),
    *("members:read", "members:write", "tokens:read", "tokens:write"),
}


@pytest.mark.parametrize(
    ("role", "scopes"),
    [("viewer", VIEWER), ("developer", DEVELOPER), ("admin", ADMIN), ("owner", ADMIN)],
)
def test_a_role_has_exactly_its_scopes(role: str, scopes: set[str]) -> None:
    assert roles.of(role) == scopes


def test_a_write_scope_includes_its_read_scope_and_a_bind_the_check() -> None:
    assert roles.granted(["leases:write"]) == {"leases:write", "leases:read"}
    assert roles.granted(["bindings:write"]) == {
        *("bindings:write", "bindings:read", "bindings:check"),
    }
    assert roles.granted(["triggers:run"]) == {"triggers:run"}


def test_a_scope_that_does_not_exist_is_a_mistake_not_a_refusal(alice: Somebody) -> None:
    with pytest.raises(KeyError):
        alice.actor.may("bindings:destroy")


def test_a_member_finds_an_instance_by_name_and_by_id(alice: Somebody, instance: Instance) -> None:
    assert access.get_instance(alice.actor, "prod-registry", "instances:read") == instance
    assert access.get_instance(alice.actor, instance.public_id, "instances:read") == instance


def test_another_tenants_instance_is_as_absent_as_a_random_one(
    mallory: Somebody, instance: Instance
) -> None:
    for wanted in (instance.public_id, ids.public("ins", uuid4()), "prod-registry", "ins_x", ""):
        with pytest.raises(NotYours):
            access.get_instance(mallory.actor, wanted, "instances:read")


def test_the_same_name_in_two_tenants_is_two_instances(
    alice: Somebody, mallory: Somebody, instance: Instance, foreign_instance: Instance
) -> None:
    found = access.get_instance(mallory.actor, "prod-registry", "instances:read")
    assert found == foreign_instance != instance


def test_a_closed_instance_is_not_there(alice: Somebody, instance: Instance) -> None:
    with rls.tenant(instance.tenant_id):
        Instance.objects.of(instance.tenant_id).update(closed_at=timezone.now())
    for wanted in (instance.name, instance.public_id):
        with pytest.raises(NotYours):
            access.get_instance(alice.actor, wanted, "instances:read")


def test_an_id_of_another_kind_is_not_found(alice: Somebody, instance: Instance) -> None:
    with pytest.raises(NotYours):
        access.get(alice.actor, Instance, ids.public("bnd", instance.pk), "instances:read")


def test_a_role_too_low_names_what_is_needed_and_who_can_help(
    alice: Somebody, bob: Somebody, instance: Instance
) -> None:
    with pytest.raises(NotAllowed) as refused:
        access.get_instance(bob.actor, instance.name, "bindings:write")
    assert refused.value.code == "X-ROLE-01"
    assert refused.value.facts == {"role": "developer", "names": ["Alice"]}
    assert refused.value.extra == {"needed_role": "admin"}


def test_what_only_owners_may_names_owners_only(alice: Somebody, bob: Somebody) -> None:
    members.change_role(
        actor=alice.actor,
        member=Membership.objects.get(user=bob.person),
        role="admin",
        now=timezone.now(),
    )
    with pytest.raises(NotAllowed) as refused:
        access.demand_role(bob.actor, "owner")
    assert refused.value.facts["names"] == ["Alice"]
    assert refused.value.extra == {"needed_role": "owner"}


def test_a_low_role_learns_nothing_about_what_exists(carol: Somebody, instance: Instance) -> None:
    for wanted in (instance.name, "no-such-instance"):
        with pytest.raises(NotAllowed):
            access.get_instance(carol.actor, wanted, "bindings:write")


def test_ones_own_row_may_be_touched_whatever_the_role(alice: Somebody, bob: Somebody) -> None:
    own = bob.token("leases:read", personal=True).token
    hers = alice.token("leases:read", personal=True).token
    assert access.get(bob.actor, ServiceToken, own.public_id, "tokens:write", own="owner") == own
    with pytest.raises(NotAllowed):
        access.get(bob.actor, ServiceToken, hers.public_id, "tokens:write", own="owner")
    with pytest.raises(NotAllowed):
        access.get(bob.actor, ServiceToken, own.public_id, "tokens:write")


def test_a_token_for_one_instance_does_not_see_the_other(
    alice: Somebody, instance: Instance, second_instance: Instance
) -> None:
    secret = alice.token("instances:read", instances=[instance]).secret
    actor = access.by_token(secret, "192.0.2.7")
    with rls.tenant(instance.tenant_id):
        assert list(access.visible(actor, Instance.objects.all())) == [instance]
    with pytest.raises(NotYours):
        access.get_instance(actor, second_instance.name, "instances:read")
    with pytest.raises(NotYours):
        access.get(actor, Instance, second_instance.public_id, "instances:read")


def test_a_former_member_is_a_stranger(alice: Somebody, bob: Somebody, acme: Tenant) -> None:
    member = Membership.objects.get(user=bob.person)
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    with pytest.raises(NotYours):
        access.enter(bob.person, "acme")
    with pytest.raises(NotYours):
        bob.entered(acme)


def test_who_is_in_one_tenant_need_not_name_it(alice: Somebody, acme: Tenant) -> None:
    assert access.enter(alice.person, "").tenant == acme


def test_who_is_in_several_tenants_has_to_name_one(
    alice: Somebody, mallory: Somebody, globex: Tenant
) -> None:
    factories.member(globex, alice.person, "viewer")
    with pytest.raises(Refusal) as refused:
        access.enter(alice.person, "")
    assert refused.value.code == "X-TENANT-01"
    assert access.enter(alice.person, "globex").role == "viewer"


def test_a_tenant_that_is_not_mine_is_as_absent_as_one_that_does_not_exist(
    alice: Somebody, globex: Tenant
) -> None:
    for slug in ("globex", "no-such-tenant"):
        with pytest.raises(NotYours):
            access.enter(alice.person, slug)


def test_only_staff_becomes_an_operator(alice: Somebody, acme: Tenant) -> None:
    with pytest.raises(NotYours):
        access.operator(alice.person, acme)


def test_an_operator_looks_and_does_not_touch(alice: Somebody, acme: Tenant) -> None:
    alice.person.is_staff = True
    operator = access.operator(alice.person, acme)
    assert operator.may("bindings:read")
    assert not operator.may("repositories:read")
    assert not operator.may("bindings:write")
    assert operator.event()["kind"] == "operator"


def test_a_fresh_sign_in_lasts_fifteen_minutes(alice: Somebody) -> None:
    now = timezone.now()
    fresh = access.enter(alice.person, "acme", signed_in_at=now - timedelta(minutes=14, seconds=59))
    stale = access.enter(alice.person, "acme", signed_in_at=now - timedelta(minutes=15))
    unknown = access.enter(alice.person, "acme")
    assert fresh.recent(now)
    assert not stale.recent(now)
    assert not unknown.recent(now)
    with pytest.raises(NotAllowed) as refused:
        access.demand_recent(stale, now=now, action="bind")
    assert refused.value.code == "X-AUTH-03"


def test_a_token_need_not_sign_in(alice: Somebody) -> None:
    actor = access.by_token(alice.token("bindings:write").secret, "192.0.2.7")
    access.demand_recent(actor, now=timezone.now(), action="bind")
    assert actor.recent(timezone.now())


def test_the_server_itself_may_everything_in_its_tenant(acme: Tenant, instance: Instance) -> None:
    itself = access.system(acme)
    assert access.get_instance(itself, instance.name, "bindings:write") == instance
    assert itself.event() == {"kind": "system", "id": "", "name": "Mooring", "ip": ""}


def test_nobody_in_particular_finds_nothing(instance: Instance) -> None:
    outside = Actor("user")
    with pytest.raises(NotYours):
        access.tenant_of(outside)
