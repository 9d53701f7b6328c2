"""Tenants and their members: who comes, who goes, and that somebody always owns."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from portal.ground import rls
from portal.ground.refusals import NotAllowed, NotYours, Refusal
from portal.tenants.models import Event, Membership, Tenant
from portal.tenants.services import events, members, tenants
from tests import factories
from tests.people import Somebody

NOW = factories.NOW


def of(who: Somebody) -> Membership:
    return Membership.objects.get(user=who.person, tenant=who.tenant)


def types(tenant: Tenant) -> list[str]:
    with rls.tenant(tenant.pk):
        return list(Event.objects.of(tenant).order_by("seq").values_list("type", flat=True))


def test_a_new_tenant_has_an_owner_and_a_log(alice: Somebody, acme: Tenant) -> None:
    assert of(alice).role == "owner"
    assert types(acme) == ["tenant.opened"]
    assert events.verify(acme) is None


def test_two_tenants_do_not_share_a_name(alice: Somebody, acme: Tenant) -> None:
    with pytest.raises(Refusal) as refused:
        tenants.open_tenant(slug="acme", name="Another", owner=alice.person, now=NOW)
    assert refused.value.code == "X-NAME-01"
    assert Tenant.objects.count() == 1


@pytest.mark.parametrize(
    "slug", ["", "ab", "Acme", "-acme", "acme-", "a--b", "a_b", "x" * 41, "é" * 3]
)
def test_a_slug_is_lower_case_letters_numbers_and_single_hyphens(db: None, slug: str) -> None:
    owner = factories.person("alice")
    with pytest.raises(Refusal) as refused:
        tenants.open_tenant(slug=slug, name="Name", owner=owner, now=NOW)
    assert (refused.value.code, refused.value.field) == ("X-FORM-03", "slug")
    assert not Tenant.objects.exists()


def test_a_person_joins(alice: Somebody, acme: Tenant) -> None:
    person = factories.person("bob")
    member = members.join(actor=alice.actor, person=person, role="developer", now=NOW)
    assert (member.tenant, member.role) == (acme, "developer")
    assert types(acme)[-1] == "member.joined"


def test_nobody_joins_twice(alice: Somebody, bob: Somebody) -> None:
    with pytest.raises(Refusal) as refused:
        members.join(actor=alice.actor, person=bob.person, role="admin", now=NOW)
    assert refused.value.code == "X-NAME-01"
    assert of(bob).role == "developer"


def test_who_comes_back_keeps_their_row(alice: Somebody, bob: Somebody) -> None:
    before = of(bob)
    members.remove(actor=alice.actor, member=before, now=NOW)
    members.join(actor=alice.actor, person=bob.person, role="viewer", now=NOW)
    after = of(bob)
    assert (after.pk, after.role, after.left_at) == (before.pk, "viewer", None)


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_only_admins_change_members(alice: Somebody, bob: Somebody, role: str) -> None:
    if role == "viewer":
        members.change_role(actor=alice.actor, member=of(bob), role=role, now=NOW)
    with pytest.raises(NotAllowed):
        members.change_role(actor=bob.actor, member=of(bob), role="admin", now=NOW)
    with pytest.raises(NotAllowed):
        members.remove(actor=bob.actor, member=of(alice), now=NOW)
    with pytest.raises(NotAllowed):
        members.join(actor=bob.actor, person=factories.person("carol"), role="viewer", now=NOW)


def test_only_owners_make_and_unmake_owners(
    alice: Somebody, bob: Somebody, carol: Somebody
) -> None:
    members.change_role(actor=alice.actor, member=of(bob), role="admin", now=NOW)
    for act in (
        lambda: members.change_role(actor=bob.actor, member=of(carol), role="owner", now=NOW),
        lambda: members.change_role(actor=bob.actor, member=of(alice), role="viewer", now=NOW),
        lambda: members.remove(actor=bob.actor, member=of(alice), now=NOW),
    ):
        with pytest.raises(NotAllowed) as refused:
            act()
        assert refused.value.extra == {"needed_role": "owner"}
    members.change_role(actor=bob.actor, member=of(carol), role="developer", now=NOW)
    assert of(carol).role == "developer"


def test_the_last_owner_neither_leaves_nor_steps_down(alice: Somebody, bob: Somebody) -> None:
    for act in (
        lambda: members.remove(actor=alice.actor, member=of(alice), now=NOW),
        lambda: members.change_role(actor=alice.actor, member=of(alice), role="admin", now=NOW),
    ):
        with pytest.raises(Refusal) as refused:
            act()
        assert refused.value.code == "X-LAST-01"
    members.change_role(actor=alice.actor, member=of(bob), role="owner", now=NOW)
    members.remove(actor=alice.actor, member=of(alice), now=NOW)
    assert of(alice).left_at is not None


def test_two_owners_who_leave_at_once_leave_one(alice: Somebody, bob: Somebody) -> None:
    members.change_role(actor=alice.actor, member=of(bob), role="owner", now=NOW)
    left: list[str] = []
    together = threading.Barrier(2)

    def leave(who: Somebody) -> None:
        actor, member = who.actor, of(who)
        together.wait()
        try:
            members.remove(actor=actor, member=member, now=NOW)
            left.append("left")
        except Refusal as refusal:
            left.append(refusal.code)
        connection.close()

    threads = [threading.Thread(target=leave, args=[who]) for who in (alice, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(left) == ["X-LAST-01", "left"]


def test_everybody_may_leave(alice: Somebody, carol: Somebody) -> None:
    members.remove(actor=carol.actor, member=of(carol), now=NOW)
    with pytest.raises(NotYours):
        carol.entered(alice.tenant)
    assert types(alice.tenant)[-1] == "member.left"


def test_another_tenants_member_is_not_there(alice: Somebody, mallory: Somebody) -> None:
    with pytest.raises(NotYours):
        members.change_role(actor=alice.actor, member=of(mallory), role="viewer", now=NOW)
    with pytest.raises(NotYours):
        members.remove(actor=alice.actor, member=of(mallory), now=NOW)
    assert of(mallory).role == "owner"


def test_a_role_that_does_not_exist_is_a_wrong_field(alice: Somebody, bob: Somebody) -> None:
    with pytest.raises(Refusal) as refused:
        members.change_role(actor=alice.actor, member=of(bob), role="king", now=NOW)
    assert refused.value.field == "role"


def test_being_there_is_noted_at_most_every_five_minutes(bob: Somebody) -> None:
    now = timezone.now()
    noted = []
    for minutes in (0, 3, 6):
        members.seen(member_id=of(bob).pk, now=now + timedelta(minutes=minutes))
        noted.append(of(bob).seen_at)
    assert noted == [now, now, now + timedelta(minutes=6)]
