"""From an account that waited for a person's word to a living binding."""

from __future__ import annotations

from datetime import datetime

from bindings import state
from bindings.models import Binding, Credential, Schedule, facts
from bindings.services.bind.store import binder
from portal.tenants.access import Actor


def make_live(row: Binding, actor: Actor, now: datetime) -> None:
    """Let a locked, pending row live from now on. Needs an open scope."""
    end = Credential.objects.of(row.tenant_id).values_list("expires_at", flat=True).get(pk=row.pk)
    live = state.confirmed(facts.of(row, access_until=end), now)
    facts.apply(row, live.facts)
    row.bound_by, row.bound_by_name, row.bound_at = actor.person, binder(actor), now
    row.confirm_until, row.version = None, row.version + 1
    row.save()
    Schedule.objects.filter(pk=row.pk).update(next_check_at=live.next_check_at)
