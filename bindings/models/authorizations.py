"""Authorizations: one attempt to bind by redirect, or one link handed to somebody else."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from bindings.models.bindings import Binding, Mode
from bindings.models.hosts import CodeHost
from portal.tenants.models import Instance, TenantModel, User


class Authorization(TenantModel):
    """`intent` is bind, reconnect or switch. `digest` is of the link's code, `opened_by` of the
    browser session that opened it. `made_by_token` names an API token, which is no person. Without
    a `host` whoever opens a hand-off link types the server's address."""

    PREFIX = "ath"

    instance = models.ForeignKey(Instance, models.CASCADE, db_constraint=False, related_name="+")
    host = models.ForeignKey(CodeHost, models.CASCADE, null=True, related_name="+")
    provider = models.CharField(max_length=20)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.FULL)
    intent = models.CharField(max_length=10, default="bind")
    binding = models.ForeignKey(
        Binding, models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )
    replaces = models.ForeignKey(
        Binding, models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )
    handoff = models.BooleanField(default=False)
    digest = models.BinaryField(max_length=32, unique=True)
    opened_by = models.BinaryField(max_length=32, null=True)
    status = models.CharField(max_length=12, default="waiting")
    problem = models.JSONField(null=True, blank=True)  # {"code", "facts"}
    made_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", db_constraint=False
    )
    made_by_token = models.UUIDField(null=True)
    made_by_name = models.CharField(max_length=120, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="authorization_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["expires_at"], condition=Q(status="waiting"), name="authorization_waits"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.intent} {self.provider}: {self.status}"
