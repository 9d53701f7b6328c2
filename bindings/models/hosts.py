"""Code hosts: concrete servers, owned by operators or by one tenant."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from bindings.models.fields import SealedField
from portal.ground import ids
from portal.tenants.models import Tenant


class CodeHost(models.Model):
    """One server that speaks one provider's API. `owner` null is an operator's, offered to all
    tenants or to those in HostOffer; a tenant's own was made by the address it typed."""

    PREFIX: ClassVar[str] = "hst"

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    owner = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="+")
    slug = models.SlugField(max_length=80, unique=True)
    provider = models.CharField(max_length=20)
    label = models.CharField(max_length=80)
    base_url = models.CharField(max_length=300)
    api_url = models.CharField(max_length=300)
    client_id = models.CharField(max_length=200, blank=True)
    client_secret = SealedField(null=True)
    client_secret_set_at = models.DateTimeField(null=True, blank=True)
    scopes = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    ca_bundle = models.TextField(blank=True)
    private_cidrs = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    proxy_url = models.CharField(max_length=300, blank=True)
    options = models.JSONField(default=dict, blank=True)  # over Spec.options
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    at_once = models.PositiveSmallIntegerField(null=True, blank=True)
    profile = models.CharField(max_length=10, blank=True)  # "" follows MOORING_PROFILE
    offered = models.BooleanField("offered to all tenants", default=True)
    enabled = models.BooleanField(default=True)
    # As all its bindings saw it: `down` after failures in a row, then one probe at a time.
    weather = models.CharField(max_length=20, default="ok")
    failing_since = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    ask_after = models.DateTimeField(null=True, blank=True)  # no check before this
    held_since = models.DateTimeField(null=True, blank=True)  # the mass guard holds its verdicts
    released_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("provider", "slug")
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["owner", "provider", "base_url"],
                name="host_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(fields=["id", "provider"], name="host_id_provider"),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def public_id(self) -> str:
        return ids.public(self.PREFIX, self.pk)


class HostOffer(models.Model):
    """An operator's host that is offered to chosen tenants only."""

    host = models.ForeignKey(CodeHost, models.CASCADE, related_name="offers")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["host", "tenant"], name="offer_once"),
        ]

    def __str__(self) -> str:
        return f"{self.host_id} to {self.tenant_id}"
