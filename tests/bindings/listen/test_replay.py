"""Replays: the same events again, or what the triggers of today make of it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from bindings.models import Delivery, Dispatch, Endpoint
from bindings.services.listen import replay, work
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Tenant
from tests.bindings import hooked
from tests.people import Somebody


def drain() -> None:
    work.run(budget_s=0, stopping=lambda: False)


def test_what_made_events_sends_the_same_again(acme: Tenant, alice: Somebody) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    with rls.tenant(acme.pk):
        Endpoint.objects.create(tenant=acme, name="b", url="https://b.example", kinds=["build.*"])
    hooked.post(hook, *hooked.github())
    drain()
    with rls.tenant(acme.pk):
        Dispatch.objects.of(acme).update(
            state="delivered", next_at=None, tries=3, delivered_at=timezone.now()
        )
    (delivery,) = hooked.deliveries(hook)
    again = replay.replay(actor=alice.actor, delivery=delivery)
    drain()
    (event,) = hooked.events(acme)
    assert (again.replays, again.events) == (1, [str(event.pk)])
    with rls.tenant(acme.pk):
        (dispatch,) = Dispatch.objects.of(acme)
    assert (dispatch.state, dispatch.tries, dispatch.event_id) == ("waiting", 0, event.pk)
    (told,) = hooked.events(acme, "delivery.replayed")
    assert told.data["delivery"] == delivery.public_id
    assert told.actor["name"] == "Alice"


def test_what_made_none_is_judged_anew(acme: Tenant, alice: Somebody) -> None:
    hook = hooked.hook(acme)
    hooked.post(hook, *hooked.github())
    drain()
    (delivery,) = hooked.deliveries(hook)
    assert delivery.outcome == "no_trigger"
    hooked.trigger(hook)
    assert replay.replay(actor=alice.actor, delivery=delivery).outcome == "queued"
    drain()
    assert hooked.deliveries(hook)[0].outcome == "matched"
    assert len(hooked.events(acme)) == 1


def test_what_was_refused_is_never_taken_for_real(acme: Tenant, alice: Somebody) -> None:
    hook = hooked.hook(acme)
    hooked.post(hook, *hooked.github(secret="test-wrong"))
    hooked.post(hook, *hooked.github())
    drain()
    refused, well = hooked.deliveries(hook)
    with pytest.raises(Refusal) as said:
        replay.replay(actor=alice.actor, delivery=refused)
    assert said.value.code == "X-STATE-01"
    assert replay.replay_many(actor=alice.actor, deliveries=[refused, well]) == 1
    with pytest.raises(NotYours):
        replay.replay(actor=alice.actor, delivery=Delivery(tenant_id=acme.pk))
