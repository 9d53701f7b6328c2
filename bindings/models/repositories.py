"""Repositories a binding has listed or uses."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from bindings.models.hosts import CodeHost
from portal.tenants.models import Instance, TenantModel

_SPACE = uuid.UUID("6d6f6f72-696e-4670-8000-7265706f7321")


def repository_key(instance_id: uuid.UUID, host_id: uuid.UUID, remote_id: str) -> uuid.UUID:
    """The key of a repository: it survives renames, unbinding, and being forgotten."""
    return uuid.uuid5(_SPACE, f"{instance_id}/{host_id}/{remote_id}")


class Repository(TenantModel):
    """A repository as an instance knows it; unused ones go 30 days after they were last seen."""

    PREFIX = "rep"

    instance = models.ForeignKey(
        Instance, models.CASCADE, db_constraint=False, related_name="repositories"
    )
    host = models.ForeignKey(CodeHost, models.CASCADE, related_name="+")
    remote_id = models.CharField(max_length=200)
    path = models.CharField(max_length=1000)
    clone_url = models.CharField(max_length=1500)
    web_url = models.CharField(max_length=1500, blank=True)
    default_branch = models.CharField(max_length=300, blank=True)
    visibility = models.CharField(max_length=10, default="private")
    archived = models.BooleanField(default=False)
    seen_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)  # to the day: when a build last asked

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="repository_tenant_id"),
            models.UniqueConstraint(
                fields=["instance", "host", "remote_id"], name="repository_once"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["tenant", "path"], name="repository_path"),
        ]

    def __str__(self) -> str:
        return self.path
