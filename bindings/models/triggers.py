"""Triggers: which pushes start a build, and what they have already started."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from bindings.models.hooks import Delivery
from bindings.models.repositories import Repository
from portal.tenants.models import Instance, TenantModel


class TriggerMode(models.TextChoices):
    AUTOMATIC = "automatic", "Automatic"
    MANUAL = "manual", "Manual"


class Trigger(TenantModel):
    """Belongs to a repository of an instance, not to a binding: it waits when nothing is bound
    (`waiting_since`) and serves the next binding that sees the repository. Empty `branches` and
    `tags` mean the default branch. `endpoints` null means all that want the event."""

    PREFIX = "trg"

    instance = models.ForeignKey(
        Instance, models.CASCADE, db_constraint=False, related_name="triggers"
    )
    repository = models.ForeignKey(
        Repository, models.CASCADE, db_constraint=False, related_name="triggers"
    )
    name = models.CharField(max_length=80)
    mode = models.CharField(
        max_length=10, choices=TriggerMode.choices, default=TriggerMode.AUTOMATIC.value
    )
    enabled = models.BooleanField(default=True)
    branches = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    tags = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    variables = models.JSONField(default=dict, blank=True)
    endpoints = ArrayField(models.UUIDField(), null=True, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    last_event_at = models.DateTimeField(null=True, blank=True)
    made_by = models.UUIDField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="trigger_tenant_id"),
            models.UniqueConstraint(fields=["instance", "name"], name="trigger_name"),
            models.CheckConstraint(condition=Q(mode__in=TriggerMode.values), name="trigger_mode"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["repository"], condition=Q(enabled=True), name="trigger_of_repository"
            ),
            models.Index(
                fields=["waiting_since"],
                condition=Q(waiting_since__isnull=False),
                name="trigger_waiting",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Firing(TenantModel):
    """One build a trigger has asked for. The same ref and commit fires a trigger once, however
    many deliveries report it; builds by hand are not counted. `event` is a key of the log."""

    PREFIX = "fir"

    trigger = models.ForeignKey(
        Trigger, models.CASCADE, db_constraint=False, related_name="firings"
    )
    delivery = models.ForeignKey(
        Delivery, models.SET_NULL, null=True, db_constraint=False, related_name="firings"
    )
    ref = models.CharField(max_length=400)
    sha = models.CharField(max_length=64)
    event = models.UUIDField()
    manual = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="firing_tenant_id"),
            models.UniqueConstraint(
                fields=["trigger", "ref", "sha"],
                condition=Q(manual=False),
                name="firing_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref} {self.sha}"
