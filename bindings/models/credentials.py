"""Credentials: the sealed secret of a binding, one to one and apart from it, and its renewal."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from bindings.models.bindings import Binding
from bindings.models.fields import SealedField
from portal.tenants.models import Tenant, TenantQuerySet
from providers.types import Quality


class Credential(models.Model):
    """`generation` grows with every new token; whoever writes after a check names the one it saw.
    `previous_access` waits for a rollback until `rollback_until`; `previous` is what a person had
    said of it: clone_username, stated_by, ends_on. `previous_refresh` waits until the new pair has
    worked once. `renew_at`: when we renew it by ourselves, None for never."""

    binding = models.OneToOneField(
        Binding, models.CASCADE, primary_key=True, related_name="credential", db_constraint=False
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    generation = models.PositiveIntegerField(default=1)
    access = SealedField(null=True)
    refresh = SealedField(null=True)
    previous_access = SealedField(null=True)
    previous_refresh = SealedField(null=True)
    previous = models.JSONField(null=True, blank=True)
    rollback_until = models.DateTimeField(null=True, blank=True)
    key_id = models.CharField(max_length=32)
    scopes = ArrayField(models.CharField(max_length=100), null=True, blank=True)
    issued_at = models.DateTimeField(default=timezone.now)
    replaced_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    quality = models.CharField(max_length=10, choices=[(q.value, q.value) for q in Quality])
    refresh_expires_at = models.DateTimeField(null=True, blank=True)
    fingerprint = models.CharField(max_length=12)
    token_id = models.CharField(max_length=100, blank=True)
    token_name = models.CharField(max_length=200, blank=True)
    # Where the consent came back to: GitLab compares it again at every refresh.
    redirect_uri = models.CharField(max_length=500, blank=True, default="", db_default="")
    renew_at = models.DateTimeField(null=True, blank=True)
    renew_failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    renew_failing_since = models.DateTimeField(null=True, blank=True)
    renew_refused_at = models.DateTimeField(null=True, blank=True)  # the first of two refusals

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "binding"], name="credential_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["key_id"], name="credential_key"),
            models.Index(fields=["tenant", "fingerprint"], name="credential_fingerprint"),
            models.Index(
                F("renew_at"), condition=Q(renew_at__isnull=False), name="credential_renewal"
            ),
            models.Index(
                fields=["rollback_until"],
                condition=Q(rollback_until__isnull=False),
                name="credential_put_back",
            ),
        ]

    def __str__(self) -> str:
        return f"credential {self.fingerprint}"


class Renewal(models.TextChoices):
    REFRESH = "refresh", "Refresh"
    ROTATE = "rotate", "Rotate"


class RefreshIntent(models.Model):
    """One request that may spend a token: written and committed before it is sent, removed in the
    transaction that stores its outcome. One that stays says which credential is in doubt, and
    since when. `attempt` names the request; `deadline` is when it is over, whatever came of it."""

    binding = models.OneToOneField(
        Binding, models.CASCADE, primary_key=True, related_name="intent", db_constraint=False
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=10, choices=Renewal.choices)
    generation = models.PositiveIntegerField()
    attempt = models.UUIDField()
    worker = models.CharField(max_length=100)
    started_at = models.DateTimeField()
    deadline = models.DateTimeField()

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "binding"], name="refresh_intent_tenant_id"),
            models.CheckConstraint(
                condition=Q(purpose__in=Renewal.values), name="refresh_intent_purpose"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of generation {self.generation} by {self.worker}"
