"""Service tokens of build systems and automation: kept as a digest, shown once."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.tenants.models.base import TenantModel
from portal.tenants.models.people import Role, User


class ServiceToken(TenantModel):
    """`mrg_…`, "API token" on screen. `owner` is set on personal tokens; `instances` null means
    all; `hint` is the first characters after the prefix, too few to guess with."""

    PREFIX = "tok"

    name = models.CharField(max_length=80)
    hint = models.CharField(max_length=12)
    digest = models.BinaryField(max_length=32, unique=True)
    role = models.CharField(max_length=10, choices=Role.choices)
    scopes = ArrayField(models.CharField(max_length=40))
    instances = ArrayField(models.UUIDField(), null=True, blank=True)
    networks = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    owner = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="+")
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="token_tenant_id"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="token_role"),
        ]

    def __str__(self) -> str:
        return self.name
