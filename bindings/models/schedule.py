"""When a binding is checked next, and what checks found."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from bindings.models.bindings import Binding
from portal.tenants.models import TenantModel


class Schedule(models.Model):
    """The narrow table the sweep claims from: no tenant, no secret, and exactly one due index.
    A wider row costs three times the log volume (`performance.md` A12, trap 7)."""

    binding = models.OneToOneField(
        Binding, models.CASCADE, primary_key=True, related_name="schedule"
    )
    host_id = models.UUIDField()
    next_check_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(
                F("host_id"),
                F("next_check_at"),
                condition=Q(next_check_at__isnull=False),
                name="schedule_due",
            ),
        ]

    def __str__(self) -> str:
        return f"next check {self.next_check_at}"


class Check(TenantModel):
    """One verification a person started, or whose result changed something. Kept 30 days."""

    PREFIX = "chk"

    binding = models.ForeignKey(Binding, models.CASCADE, db_constraint=False, related_name="checks")
    cause = models.CharField(max_length=10)  # bind, manual, schedule, use, confirm
    status = models.CharField(max_length=10)  # running, ok, warn, failed
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    ms = models.PositiveIntegerField(null=True, blank=True)
    code = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=20, blank=True)
    steps = models.JSONField(default=list)
    drill = models.BooleanField(
        default=False, db_default=False
    )  # of a fire drill: nobody was asked

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="check_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["tenant", "binding", "-started_at"], name="check_of_binding"),
            models.Index(
                fields=["started_at"], condition=Q(status="running"), name="check_running"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cause} check: {self.status}"


class HealthDay(TenantModel):
    """What the checks of one day added up to; the 30-day strip is drawn from these."""

    binding = models.ForeignKey(Binding, models.CASCADE, db_constraint=False, related_name="days")
    day = models.DateField()
    checks = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    slow = models.PositiveIntegerField(default=0)
    worst = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["binding", "day"], name="health_day_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.checks} checks"
