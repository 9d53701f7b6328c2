"""How long things are kept (`product.md` 7), and their removal in small batches."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from bindings.models import (
    Authorization,
    Check,
    Delivery,
    Dispatch,
    Drill,
    Ending,
    HealthDay,
    Lease,
    Mail,
    Repository,
    Telling,
    Trigger,
)
from portal.ground import rls
from portal.tenants.models import Reply, Tenant

CHECKS = timedelta(days=30)
STRIP = timedelta(days=31)
FORGOTTEN = timedelta(days=30)
ATTEMPTS = timedelta(days=30)
RECEIPTS = timedelta(days=30)
WAITING = timedelta(days=30)  # product.md G28
LEASES = timedelta(days=30)
TOLD = timedelta(days=90)
DRILLS = timedelta(days=400)
BATCH = 1000


def purge(now: datetime, *, dry_run: bool = False) -> dict[str, int]:
    """Remove what is past its time; how many rows of each kind. `dry_run` only counts.

    Each batch is a transaction of the fleet, so that nothing waits long for a lock.
    """
    kept = timedelta(days=settings.MOORING_DELIVERY_DAYS)
    old: dict[str, QuerySet] = {  # type: ignore[type-arg]  # rows of several models
        "deliveries": Delivery.objects.filter(received_at__lt=now - kept),
        "triggers": Trigger.objects.filter(waiting_since__lt=now - WAITING),
        "checks": Check.objects.filter(started_at__lt=now - CHECKS),
        "health days": HealthDay.objects.filter(day__lt=(now - STRIP).date()),
        "attempts": Authorization.objects.filter(expires_at__lt=now - ATTEMPTS),
        "receipts": Ending.objects.filter(finished_at__lt=now - RECEIPTS),
        "notices told": Telling.objects.filter(created_at__lt=now - TOLD),
        "mails": Mail.objects.filter(created_at__lt=now - TOLD),
        "repositories": Repository.objects.filter(
            seen_at__lt=now - FORGOTTEN, hooks=None, triggers=None
        ).exclude(used_at__gt=now - FORGOTTEN - timedelta(days=1)),
        "drills": Drill.objects.filter(ended_at__lt=now - DRILLS),
        "events sent": Dispatch.objects.filter(
            created_at__lt=now - timedelta(days=settings.MOORING_DELIVERY_DAYS)
        ),
        "replies": Reply.objects.filter(until__lt=now),
    }
    leases = sum(_leases(tenant, now - LEASES, dry_run=dry_run) for tenant in _tenants())
    return {name: _remove(rows, dry_run=dry_run) for name, rows in old.items()} | {"leases": leases}


def _tenants() -> list[UUID]:
    with rls.fleet("whose leases are past their time"):
        return list(Tenant.objects.values_list("pk", flat=True))


def _leases(tenant_id: UUID, before: datetime, *, dry_run: bool) -> int:
    """Leases are no business of the fleet: each tenant's go in its own scope."""
    gone = 0
    while True:
        with rls.tenant(tenant_id):
            old = Lease.objects.of(tenant_id).filter(created_at__lt=before)
            if dry_run:
                return old.count()
            batch = list(old.values_list("pk", flat=True)[:BATCH])
            Lease.objects.of(tenant_id).filter(pk__in=batch)._raw_delete(old.db)
        gone += len(batch)
        if len(batch) < BATCH:
            return gone


def _remove(rows: QuerySet, *, dry_run: bool) -> int:  # type: ignore[type-arg]  # as above
    if dry_run:
        with rls.fleet("count what is past its time"):
            return rows.count()
    gone = 0
    while True:
        with rls.fleet("remove what is past its time"):
            batch = list(rows.values_list("pk", flat=True)[:BATCH])
            rows.model._default_manager.filter(pk__in=batch)._raw_delete(rows.db)
        gone += len(batch)
        if len(batch) < BATCH:
            return gone
