"""What every tenant table has: a UUIDv7 key, its tenant, the time it was made."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar
from uuid import UUID

from django.db import models
from django.utils import timezone

from portal.ground import ids

Row = TypeVar("Row", bound=models.Model, covariant=True)


class TenantQuerySet(models.QuerySet[Row]):
    """Tenant first in every query."""

    def of(self, tenant: UUID | models.Model | models.OuterRef) -> Self:
        """The rows of one tenant, given as its row or its key."""
        return self.filter(tenant_id=getattr(tenant, "pk", tenant))


class TenantModel(models.Model):
    """Base of all tables that belong to one tenant."""

    PREFIX: ClassVar[str] = ""  # of the public id

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    # The real key is composite: see portal.ground.operations.TenantKey.
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        return ids.public(self.PREFIX, self.pk)
