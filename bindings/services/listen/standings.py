"""Where triggers stand: which binding serves them, by which webhook, and what keeps them from
firing. As columns of a query, so that lists filter and page by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Subquery, Value, When

from bindings import problems
from bindings.models import Binding, Hook, Trigger
from bindings.models.bindings import Mode
from bindings.models.hooks import HookStatus
from bindings.models.triggers import TriggerMode
from portal.ground import ids

KEPT = timedelta(days=30)
"""For how long a trigger waits for another binding (product.md G28)."""


class Standing(StrEnum):
    """The first that applies."""

    WAITING = "waiting"
    DISABLED = "disabled"
    MANUAL_ONLY = "manual_only"
    WEBHOOK_FAILING = "webhook_failing"
    ACTIVE = "active"


LEAVING = (HookStatus.REMOVING.value, HookStatus.REMOVED.value)
_WELL = (HookStatus.ACTIVE.value, HookStatus.UNVERIFIED.value)
_NOBODY = "unbound"
_BY_CHOICE = "by_choice"


@dataclass(frozen=True, slots=True)
class Stand:
    """`reason`: a code of the catalogue where there is one, else a word. `until`: when a trigger
    that waits is given up."""

    status: Standing
    reason: str | None
    binding: str | None
    webhook: str | None
    until: datetime | None = None


def stood(rows: QuerySet[Trigger]) -> QuerySet[Trigger]:
    """These triggers, with what `stand_of` reads. `standing` is a column to filter by."""
    live = Binding.objects.filter(
        tenant_id=OuterRef("tenant_id"),
        instance_id=OuterRef("instance_id"),
        host_id=OuterRef("repository__host_id"),
        unbound_at=None,
    ).exclude(status="pending")
    hooks = Hook.objects.filter(
        tenant_id=OuterRef("tenant_id"),
        repository_id=OuterRef("repository_id"),
        binding__unbound_at=None,
    ).exclude(status__in=LEAVING)
    newest = hooks.order_by("-id")
    return rows.select_related("repository__host").annotate(
        served_by=Subquery(live.values("id")[:1]),
        served_mode=Subquery(live.values("mode")[:1]),
        hook_id=Subquery(newest.values("id")[:1]),
        hook_status=Subquery(newest.values("status")[:1]),
        hook_trouble=Subquery(newest.values("trouble")[:1]),
        standing=Case(
            When(Q(waiting_since__isnull=False) | ~Exists(live), then=Value(Standing.WAITING)),
            When(enabled=False, then=Value(Standing.DISABLED)),
            When(mode=TriggerMode.MANUAL.value, then=Value(Standing.MANUAL_ONLY)),
            When(~Exists(hooks.filter(status__in=_WELL)), then=Value(Standing.WEBHOOK_FAILING)),
            default=Value(Standing.ACTIVE),
            output_field=CharField(),
        ),
    )


def stand_of(trigger: Any) -> Stand:
    """Where a trigger of `stood` stands."""
    status = Standing(trigger.standing)
    return Stand(
        status=status,
        reason=_reason(trigger, status),
        binding=_public(Binding.PREFIX, trigger.served_by),
        webhook=_public(Hook.PREFIX, trigger.hook_id),
        until=trigger.waiting_since + KEPT if trigger.waiting_since else None,
    )


def _reason(trigger: Any, status: Standing) -> str | None:
    if status is Standing.WAITING:
        return _NOBODY
    if status is Standing.MANUAL_ONLY:
        prefix = problems.prefix_of(trigger.repository.host.provider)
        cannot = trigger.served_mode == Mode.MANUAL
        return problems.existing(prefix, "SCOPE-02") if cannot else _BY_CHOICE
    if status is Standing.WEBHOOK_FAILING:
        return trigger.hook_trouble or trigger.hook_status or HookStatus.MISSING.value
    return None


def _public(prefix: str, key: Any) -> str | None:
    return None if key is None else ids.public(prefix, key)
