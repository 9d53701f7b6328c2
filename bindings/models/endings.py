"""Endings: what is left to do at the code host after an unbinding, and the receipt."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from bindings.models.bindings import Binding
from portal.tenants.models import Tenant, TenantQuerySet


class Ending(models.Model):
    """`steps` is the list of the receipt's items in the order they are worked off: hooks first,
    revocation, then the ciphertext. `give_up_at` is when the rest is left to a person."""

    binding = models.OneToOneField(
        Binding, models.CASCADE, primary_key=True, related_name="ending", db_constraint=False
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    steps = models.JSONField(default=list)
    by = models.JSONField(default=dict)
    next_try_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    give_up_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "binding"], name="ending_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["next_try_at"], condition=Q(finished_at=None), name="ending_open"),
        ]

    def __str__(self) -> str:
        return f"ending of {self.binding_id}"
