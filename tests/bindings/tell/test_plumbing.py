"""Notices about what hangs on a binding, and about an account that waits for a yes."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from bindings.models import Binding, Notice
from bindings.services.bind import unbind
from bindings.services.tell import outbox, people, stories, wording
from portal.ground import rls
from portal.tenants.models import Membership, Tenant
from portal.tenants.services import members
from portal.tenants.services.events import Entry
from tests.bindings.sources import stored
from tests.people import Somebody


def happens(bound: Binding, type: str, **data: Any) -> None:
    """Something is told of a binding, or of an endpoint, which has none."""
    of_it = not type.startswith("endpoint")
    entry = Entry(
        tenant_id=bound.tenant_id,
        type=type,
        actor=outbox.SYSTEM,
        at=timezone.now(),
        binding_id=bound.pk if of_it else None,
        data={**({"binding": outbox.picture(stored(bound))} if of_it else {}), **data},
    )
    with rls.tenant(bound.tenant_id):
        outbox.record([entry])
    people.tell(timezone.now())


def read(tenant: Tenant, one: Somebody) -> list[str]:
    """What somebody reads, newest first."""
    with rls.tenant(tenant.pk):
        found, _more = stories.of_person(tenant, one.person)
        return [wording.title(story, timezone.now()) for story in found]


def test_a_failing_webhook_is_told_to_its_maker_and_admins_and_so_is_its_repair(
    binding: Binding, bob: Somebody, carol: Somebody, dora: Somebody, acme: Tenant
) -> None:
    mine = {"webhook": {"repository": "platform/api", "made_by": str(bob.person.pk)}}
    for _ in range(2):
        happens(binding, "webhook.failing", **mine)
    said = "A webhook of prod-registry on GitLab is failing"
    assert read(acme, bob) == [said]
    assert read(acme, dora)[0] == said
    assert read(acme, carol) == []
    happens(binding, "webhook.repaired", **mine)
    assert read(acme, bob) == ["GitLab works again for prod-registry", said]


def test_a_disabled_endpoint_is_told_by_its_name(
    binding: Binding, bob: Somebody, dora: Somebody, acme: Tenant
) -> None:
    happens(binding, "endpoint.disabled", endpoint={"name": "jenkins-eu"})
    assert read(acme, dora)[0] == "The endpoint jenkins-eu was disabled"
    assert read(acme, bob) == []


def test_an_account_that_came_back_is_asked_about(
    binding: Binding, bob: Somebody, dora: Somebody, acme: Tenant
) -> None:
    for _ in range(2):
        happens(binding, "binding.pending")
    assert read(acme, dora)[0] == "build-bot on GitLab came back for prod-registry. Is that right?"
    assert len(read(acme, dora)) == 2
    assert read(acme, bob) == []


def test_admins_are_told_once_that_a_binder_has_left(
    binding: Binding, alice: Somebody, bob: Somebody, dora: Somebody, acme: Tenant
) -> None:
    with rls.tenant(acme.pk):
        Binding.objects.of(acme).update(bound_by=bob.person, bound_by_name="Bob")
    with rls.tenant(acme.pk):
        left = Membership.objects.get(tenant=acme, user=bob.person)
    members.remove(actor=alice.actor, member=left, now=timezone.now())
    people.tell(timezone.now())
    said = "The person who bound build-bot on GitLab for prod-registry has left"
    assert read(acme, dora).count(said) == 1


def test_a_rehearsal_says_so_first(binding: Binding, dora: Somebody, acme: Tenant) -> None:
    happens(binding, "binding.unreachable", drill=True)
    assert read(acme, dora) == ["Alice bound build-bot on GitLab to prod-registry"]
    happens(binding, "binding.revoked", drill=True)
    said = "Drill: GitLab no longer accepts build-bot for prod-registry"
    assert read(acme, dora)[0] == said


def test_an_unbinding_closes_everything_and_leads_to_its_receipt(
    binding: Binding, alice: Somebody, dora: Somebody, acme: Tenant
) -> None:
    happens(binding, "binding.unreachable")
    unbind.unbind(actor=alice.actor, binding=stored(binding))
    people.tell(timezone.now())
    with rls.tenant(acme.pk):
        assert not Notice.objects.of(acme).filter(closed_at=None).exists()
        found, _more = stories.of_person(acme, dora.person)
        said = wording.say(
            found[0], now=timezone.now(), zone=timezone.get_default_timezone(), role="admin"
        )
    assert said.title == "Alice unbound build-bot on GitLab from prod-registry"
    assert said.url.endswith(f"/t/acme/bindings/{binding.public_id}/receipt/")


def test_a_notice_that_is_worked_off_again_is_told_to_nobody_twice(
    binding: Binding, dora: Somebody, acme: Tenant
) -> None:
    people.tell(timezone.now())
    with rls.tenant(acme.pk):
        Notice.objects.of(acme).update(told_at=None)
    people.tell(timezone.now())
    assert read(acme, dora) == ["Alice bound build-bot on GitLab to prod-registry"]
