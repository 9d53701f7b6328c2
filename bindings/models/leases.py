"""Leases: a few minutes of reading one repository, without the tenant's token."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q, QuerySet

from bindings.models.bindings import Binding
from bindings.models.repositories import Repository
from portal.tenants.models import TenantModel


class LeaseKind(models.TextChoices):
    PROXIED = "proxied", "Through the git proxy"
    PROVIDER_TOKEN = "provider_token", "Minted by the platform"


class Lease(TenantModel):
    """One repository, for minutes. `digest` is of the secret of a proxied lease; `remote_id` is
    what the host calls a minted one. `ended_at`: its binding ended or broke before its time."""

    PREFIX = "lse"

    binding = models.ForeignKey(Binding, models.CASCADE, db_constraint=False, related_name="leases")
    repository = models.ForeignKey(
        Repository, models.CASCADE, db_constraint=False, related_name="leases"
    )
    kind = models.CharField(max_length=20, choices=LeaseKind.choices)
    path = models.CharField(max_length=1000)  # as the repository was called when it was lent
    digest = models.BinaryField(max_length=32, unique=True, null=True)
    remote_id = models.CharField(max_length=200, blank=True)
    build = models.CharField(max_length=100, blank=True)
    issued_to = models.JSONField(default=dict)  # kind, id, name
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="lease_tenant_id"),
            models.CheckConstraint(condition=Q(kind__in=LeaseKind.values), name="lease_kind"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["binding", "expires_at"],
                condition=Q(revoked_at=None, ended_at=None),
                name="lease_live",
            ),
            models.Index(fields=["created_at"], name="lease_age"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @staticmethod
    def live_of(binding: Binding, *, now: datetime) -> QuerySet[Lease]:
        """The leases of a binding that have not ended, whatever the binding's state."""
        return Lease.objects.of(binding.tenant_id).filter(
            binding_id=binding.pk, revoked_at=None, ended_at=None, expires_at__gt=now
        )

    @staticmethod
    def end_of(binding: Binding, *, now: datetime) -> int:
        """End them: their binding ends or stands still. Needs the tenant's scope."""
        return Lease.live_of(binding, now=now).update(ended_at=now)
