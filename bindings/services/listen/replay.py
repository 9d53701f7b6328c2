"""Once more, what a delivery has brought: the same events under their old ids, or, where it made
none, what the triggers of today make of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone

from bindings.models import Delivery, Dispatch
from bindings.models.hooks import Outcome
from bindings.models.outbox import DispatchState
from bindings.services.tell import wake
from portal.ground import jobs, rls
from portal.ground.jobs import Job
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.services import events


def replay(*, actor: Actor, delivery: Delivery) -> Delivery:
    """Again. Opens the tenant's scope, or joins it.

    Raises Refusal X-STATE-01 for one that was refused: nobody knows who sent it; and NotYours.
    """
    now = timezone.now()
    with rls.tenant(delivery.tenant_id):
        rows = Delivery.objects.of(delivery.tenant_id).select_for_update(of=("self",))
        row = rows.select_related("hook__binding", "hook__repository").filter(pk=delivery.pk)
        found = row.first()
        if found is None:
            raise NotYours
        if found.outcome == Outcome.REFUSED:
            raise Refusal("X-STATE-01", state=found.outcome, extra={"state": found.outcome})
        found.replays += 1
        if found.events:
            _send_again(found)
        else:
            found.outcome, found.trouble = Outcome.QUEUED.value, ""
            found.attempts, found.next_at, found.processed_at = 0, now, None
            jobs.start(Job.WORK)
        found.save()
        events.record(
            tenant_id=found.tenant_id,
            type="delivery.replayed",
            actor=actor.event(),
            at=now,
            instance_id=found.hook.binding.instance_id,
            binding_id=found.hook.binding_id,
            data={
                "delivery": found.public_id,
                "repository": {
                    "id": found.hook.repository.public_id,
                    "path": found.hook.repository.path,
                },
            },
        )
    return found


def replay_many(*, actor: Actor, deliveries: Sequence[Delivery]) -> int:
    """Again, each in a transaction of its own; refused ones are left out. How many."""
    done = 0
    for delivery in deliveries:
        if delivery.outcome != Outcome.REFUSED:
            replay(actor=actor, delivery=delivery)
            done += 1
    return done


def _send_again(delivery: Delivery) -> None:
    """Every endpoint that was to hear of the events hears of them again."""
    keys = [UUID(key) for key in delivery.events]
    Dispatch.objects.of(delivery.tenant_id).filter(event_id__in=keys).update(
        state=DispatchState.WAITING.value, tries=0, next_at=timezone.now(), delivered_at=None
    )
    wake.ring()
