"""What we answered to an Idempotency-Key, so that a repeated request repeats the answer."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from portal.tenants.models.base import TenantModel


class Reply(TenantModel):
    """One remembered answer. `status` is null while the first request still runs. A one-time
    secret is never part of `body`; `secret` says that one was left out."""

    actor = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    route = models.CharField(max_length=255)
    body_hash = models.BinaryField(max_length=32)
    status = models.SmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)
    secret = models.BooleanField(default=False)
    until = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "actor", "route", "key"], name="reply_once"),
        ]
        indexes: ClassVar[list[Any]] = [models.Index(fields=["until"], name="reply_until")]

    def __str__(self) -> str:
        return self.key
