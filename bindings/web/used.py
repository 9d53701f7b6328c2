"""What uses a binding: its triggers, webhooks and clone credentials, for its overview."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, JSONObject
from django.utils.translation import ngettext

from bindings.models import Binding, Hook, Lease, Trigger
from bindings.models.hooks import HookStatus
from portal.ground import ids

_NAMED = 5
_SICK = (HookStatus.MISSING, HookStatus.MISMATCH, HookStatus.DISABLED, HookStatus.FAILING)


def by(binding: Binding, now: datetime, **also: F) -> dict[str, Any]:
    """Counts, the last use of each, and a few triggers by name; one question, which answers `also`
    as well: further columns of the binding. Needs the tenant's scope."""
    triggers = _triggers(binding.tenant_id)
    hooks = _hooks(binding.tenant_id)
    leases = Lease.objects.of(binding.tenant_id).filter(binding_id=OuterRef("pk"))
    live = Q(revoked_at=None, ended_at=None, expires_at__gt=now)
    named = triggers.order_by("name")[:_NAMED]
    found = (
        Binding.objects.of(binding.tenant_id)
        .filter(pk=binding.pk)
        .values(
            names=ArraySubquery(named.values(json=JSONObject(name="name", key="id"))),
            triggers=_one(triggers, Count("pk")),
            built_at=_one(triggers, Max("last_event_at")),
            webhooks=_one(hooks, Count("pk")),
            sick=_one(hooks, Count("pk", filter=Q(status__in=_SICK))),
            heard_at=_one(hooks, Max("heard_at")),
            active=_one(leases, Count("pk", filter=live)),
            cloned_at=_one(leases, Max("used_at")),
            **also,
        )
        .get()
    )
    named_now = [
        {"name": one["name"], "id": ids.public(Trigger.PREFIX, UUID(one["key"]))}
        for one in found["names"]
    ]
    left = (found["triggers"] or 0) - len(named_now)
    more = ngettext("and %(n)d more", "and %(n)d more", left) % {"n": left} if left > 0 else ""
    return {**found, "names": named_now, "more": more}


def webhooks() -> Coalesce:
    """For queries over bindings: how many webhooks each has."""
    return Coalesce(_one(_hooks(OuterRef("tenant_id")), Count("pk")), 0)


def triggers() -> Coalesce:
    """For queries over bindings: how many triggers each serves."""
    return Coalesce(_one(_triggers(OuterRef("tenant_id")), Count("pk")), 0)


def triggers_of_instance() -> Coalesce:
    """For queries over instances: how many triggers each has."""
    rows = Trigger.objects.of(OuterRef("tenant_id")).filter(instance_id=OuterRef("pk"))
    return Coalesce(_one(rows, Count("pk")), 0)


def _triggers(tenant: UUID | OuterRef) -> QuerySet[Trigger]:
    return Trigger.objects.of(tenant).filter(
        instance_id=OuterRef("instance_id"), repository__host_id=OuterRef("host_id")
    )


def _hooks(tenant: UUID | OuterRef) -> QuerySet[Hook]:
    rows = Hook.objects.of(tenant).filter(binding_id=OuterRef("pk"))
    return rows.exclude(status=HookStatus.REMOVED)


def _one(rows: QuerySet[Any], figure: Any) -> Subquery:
    """One figure over all of these rows."""
    return Subquery(rows.order_by().values("tenant_id").annotate(figure=figure).values("figure"))
