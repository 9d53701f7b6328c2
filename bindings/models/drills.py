"""Fire drills: a rehearsed failure of one binding, and what reacted to it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone

from bindings.models.bindings import Binding
from portal.tenants.models import TenantModel


class Drill(TenantModel):
    """`kept`: the columns of the binding as they were when it began. `report`: what reacted; it is
    written when the drill ends. While it runs, `Binding.drill` names the scenario too."""

    PREFIX = "drl"

    binding = models.ForeignKey(Binding, models.CASCADE, db_constraint=False, related_name="drills")
    scenario = models.CharField(max_length=20)
    by = models.JSONField(default=dict)  # `Actor.event()`
    begun_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    kept = models.JSONField(default=dict)
    report = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="drill_tenant_id"),
            models.UniqueConstraint(
                fields=["binding"], condition=Q(ended_at=None), name="one_running_drill"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["until"], condition=Q(ended_at=None), name="drill_running"),
            models.Index(fields=["tenant", "binding", "-begun_at"], name="drill_of_binding"),
        ]

    def __str__(self) -> str:
        return f"drill: {self.scenario}"
