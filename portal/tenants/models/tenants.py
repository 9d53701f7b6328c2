"""Who owns what: tenants and their registry instances."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.ground import ids
from portal.tenants.models.base import TenantModel

# api.md 3.2: lower-case letters, numbers and single hyphens, 3 to 40 characters.
NAME = RegexValidator(r"\A(?=.{3,40}\Z)[a-z0-9](-?[a-z0-9])*\Z")


class Tenant(models.Model):
    """A customer of the service; nothing is ever visible across tenants."""

    PREFIX: ClassVar[str] = "tnt"

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    slug = models.CharField(max_length=40, unique=True, validators=[NAME])
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    suspended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        return ids.public(self.PREFIX, self.pk)


class Instance(TenantModel):
    """One registry instance: the thing that is bound. `name` and `region` never change."""

    PREFIX = "ins"

    name = models.CharField(max_length=40, validators=[NAME])
    display_name = models.CharField(max_length=80, blank=True)
    region = models.CharField(max_length=40)
    labels = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["tenant", "name"], condition=Q(closed_at=None), name="instance_name"
            ),
            models.UniqueConstraint(fields=["tenant", "id"], name="instance_tenant_id"),
        ]

    def __str__(self) -> str:
        return self.name
