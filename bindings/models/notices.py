"""Notices: what people were told about a binding, so that nothing is told twice."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from bindings.models.bindings import Binding
from portal.tenants.models import TenantModel


class Notice(TenantModel):
    """`cycle` is the credential's generation: a new token climbs the ladder anew."""

    binding = models.ForeignKey(
        Binding, models.CASCADE, db_constraint=False, related_name="notices"
    )
    kind = models.CharField(max_length=40)
    step = models.SmallIntegerField(default=0)
    cycle = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["binding", "kind", "step", "cycle"], name="notice_once"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["tenant"], condition=Q(closed_at=None), name="notice_open"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.step}"
