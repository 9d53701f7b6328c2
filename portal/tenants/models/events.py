"""The append-only event log of a tenant, chained by keyed hashes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from portal.tenants.models.base import TenantModel
from portal.tenants.models.tenants import Tenant


class Event(TenantModel):
    """One thing that happened. Never changed, never removed before its time (security.md 11)."""

    PREFIX = "evt"

    seq = models.BigIntegerField()
    type = models.CharField(max_length=60)
    actor = models.JSONField(default=dict)  # kind, id, name, ip
    instance_id = models.UUIDField(null=True, blank=True)
    binding_id = models.UUIDField(null=True, blank=True)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
    previous = models.BinaryField(max_length=32)
    mac = models.BinaryField(max_length=32)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "seq"], name="event_seq"),
            models.UniqueConstraint(fields=["tenant", "id"], name="event_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["tenant", "binding_id", "-id"], name="event_binding"),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.seq}"


class ChainHead(models.Model):
    """The last link of a tenant's chain; locked last in a transaction, in tenant order."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, primary_key=True, related_name="+")
    seq = models.BigIntegerField(default=0)
    mac = models.BinaryField(max_length=32, default=bytes(32))

    def __str__(self) -> str:
        return f"{self.tenant_id} #{self.seq}"
