"""Platform accounts: the cloud account that an operator connected for a tenant."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from bindings.models.fields import SealedField
from bindings.models.hosts import CodeHost
from portal.tenants.models import TenantModel


class PlatformAccount(TenantModel):
    """One cloud account at one host, which brings a binding to every instance of its tenant.

    Each of those bindings has a sealed copy of `secret` in its own credential. What was proven of
    the account stands here too, so that a new instance is bound without asking anybody. `secret`
    is None once the account was disconnected; the row stays, because bindings that have ended
    name it.
    """

    PREFIX = "pac"

    host = models.ForeignKey(CodeHost, models.PROTECT, related_name="+")
    secret = SealedField(null=True)
    key_id = models.CharField(max_length=32)
    fingerprint = models.CharField(max_length=12)
    entered_at = models.DateTimeField(default=timezone.now)
    entered_by_name = models.CharField(max_length=120, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    cloud_account = models.CharField(max_length=200)  # as the platform calls it
    account_id = models.CharField(max_length=200)
    account_name = models.CharField(max_length=200, blank=True)
    account_url = models.CharField(max_length=500, blank=True)
    proofs = models.JSONField(default=dict)
    repositories_seen = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = "cloud account"
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "host"], name="platform_account_once"),
            models.UniqueConstraint(fields=["tenant", "id"], name="platform_account_tenant_id"),
        ]

    def __str__(self) -> str:
        return f"{self.cloud_account} of {self.tenant_id}"
