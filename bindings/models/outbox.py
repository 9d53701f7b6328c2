"""The outbox: who wants to hear of events, and what still has to be told to whom.

The events themselves are the tenant's log (`portal.tenants.models.Event`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from bindings.models.fields import SealedField
from portal.tenants.models import Event, TenantModel


class Endpoint(TenantModel):
    """Where a tenant's builder listens. `kinds` are exact types or `build.*`; `instances` null
    means all. `failing_since`: since when nothing but failures; `why` says why it is off."""

    PREFIX = "end"

    name = models.CharField(max_length=80)
    url = models.CharField(max_length=2000)
    secret = SealedField(null=True)
    previous_secret = SealedField(null=True)
    previous_until = models.DateTimeField(null=True, blank=True)
    key_id = models.CharField(max_length=20, blank=True)
    secret_set_at = models.DateTimeField(default=timezone.now)
    kinds = ArrayField(models.CharField(max_length=60))
    instances = ArrayField(models.UUIDField(), null=True, blank=True)
    enabled = models.BooleanField(default=True)
    why = models.CharField(max_length=20, blank=True)  # gone (410), failures, by_hand
    disabled_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    last_delivery_at = models.DateTimeField(null=True, blank=True)
    made_by = models.UUIDField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="endpoint_tenant_id"),
            models.UniqueConstraint(fields=["tenant", "name"], name="endpoint_name"),
        ]

    def __str__(self) -> str:
        return self.name


class DispatchState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    ABANDONED = "abandoned", "Abandoned"


class Dispatch(TenantModel):
    """One event on its way to one endpoint; written in the transaction of the event. `lane` holds
    what must stay in order (a repository's ref), `seq` that order, the event's own. `body` is what
    is sent, the same bytes at every attempt. `next_at` is also the lease of whoever sends."""

    PREFIX = "odl"

    event = models.ForeignKey(Event, models.CASCADE, db_constraint=False, related_name="+")
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, db_constraint=False, related_name="dispatches"
    )
    lane = models.CharField(max_length=500, blank=True)
    seq = models.BigIntegerField()
    body = models.TextField()
    state = models.CharField(
        max_length=10, choices=DispatchState.choices, default=DispatchState.WAITING.value
    )
    tries = models.PositiveSmallIntegerField(default=0)
    attempts = models.JSONField(default=list)  # {"at", "ms", "http_status", "error"}, the last 20
    next_at = models.DateTimeField(null=True, default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="dispatch_tenant_id"),
            models.UniqueConstraint(fields=["event", "endpoint"], name="dispatch_once"),
            models.CheckConstraint(
                condition=Q(state__in=DispatchState.values), name="dispatch_state"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["endpoint", "next_at"],
                condition=Q(state="waiting"),
                name="dispatch_due",
            ),
            models.Index(
                fields=["endpoint", "seq"],
                condition=Q(state="waiting"),
                name="dispatch_order",
            ),
            models.Index(
                fields=["created_at"], condition=Q(state="abandoned"), name="dispatch_dead"
            ),
            models.Index(fields=["endpoint", "-created_at"], name="dispatch_of_endpoint"),
            models.Index(fields=["created_at"], name="dispatch_age"),
        ]

    def __str__(self) -> str:
        return self.public_id
