"""Hooks: webhooks we have at code hosts, the deliveries they bring, and the heads we know of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from bindings.models.bindings import Binding
from bindings.models.fields import SealedField
from bindings.models.repositories import Repository
from portal.ground import ids
from portal.tenants.models import Tenant, TenantModel, TenantQuerySet


class HookStatus(models.TextChoices):
    """`removed` rows stay for their deliveries; every other status has a hook at the host, or
    wants one."""

    UNVERIFIED = "unverified", "Nothing received yet"
    ACTIVE = "active", "Active"
    MISSING = "missing", "Gone at the platform"
    MISMATCH = "mismatch", "Secret or address differs"
    DISABLED = "disabled", "Switched off by the platform"
    FAILING = "failing", "Failing"
    REMOVING = "removing", "Being removed"
    REMOVED = "removed", "Removed"


TROUBLED = frozenset(
    {HookStatus.MISSING, HookStatus.MISMATCH, HookStatus.DISABLED, HookStatus.FAILING}
)
"""It may not deliver what is pushed."""


class Proof(models.TextChoices):
    """What the platform's signature covers. After `time` and `token` the ref is read back."""

    HMAC = "hmac", "Body"
    SIGNED = "signed", "Id, time and body"
    TIME = "time", "Time only"
    TOKEN = "token", "Shared word"


class Hook(TenantModel):
    """A webhook of ours at a repository of a binding. Its public id is its address."""

    PREFIX = "hok"

    binding = models.ForeignKey(Binding, models.CASCADE, db_constraint=False, related_name="hooks")
    repository = models.ForeignKey(
        Repository, models.CASCADE, db_constraint=False, related_name="hooks"
    )
    remote_id = models.CharField(max_length=200, blank=True)  # "" until the host has told it
    secret = SealedField(null=True)
    previous_secret = SealedField(null=True)
    previous_until = models.DateTimeField(null=True, blank=True)
    key_id = models.CharField(max_length=20, blank=True)  # the ring's key both are sealed with
    proof = models.CharField(max_length=10, choices=Proof.choices)
    status = models.CharField(
        max_length=12, choices=HookStatus.choices, default=HookStatus.UNVERIFIED.value
    )
    status_since = models.DateTimeField(default=timezone.now)
    trouble = models.CharField(max_length=40, blank=True)  # a code of the catalogue
    checked_at = models.DateTimeField(null=True, blank=True)  # compared with the host
    check_at = models.DateTimeField(null=True, default=timezone.now)  # the next comparison
    failures = models.PositiveSmallIntegerField(default=0)  # comparisons the host did not answer
    heard_at = models.DateTimeField(null=True, blank=True)  # the last authentic delivery
    baseline_at = models.DateTimeField(null=True, blank=True)  # since when heads are known
    made_by = models.UUIDField(null=True, blank=True)  # the person, for notices

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="hook_tenant_id"),
            models.UniqueConstraint(
                fields=["binding", "repository"],
                condition=~Q(status="removed"),
                name="hook_once",
            ),
            models.CheckConstraint(condition=Q(status__in=HookStatus.values), name="hook_status"),
            models.CheckConstraint(condition=Q(proof__in=Proof.values), name="hook_proof"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["check_at"],
                condition=~Q(status="removed") & Q(check_at__isnull=False),
                name="hook_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.status})"


def compare_soon(bindings: Iterable[UUID], now: datetime) -> int:
    """Let the webhooks of these bindings be compared with their hosts next; how many. Needs an open
    scope."""
    rows = Hook.objects.filter(binding_id__in=list(bindings), check_at__gt=now)
    return rows.exclude(status=HookStatus.REMOVED).update(check_at=now)


class Head(models.Model):
    """The commit of one branch or tag as we last knew it: what gap fill compares with."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    hook = models.ForeignKey(Hook, models.CASCADE, db_constraint=False, related_name="heads")
    ref = models.CharField(max_length=400)
    sha = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="head_tenant_id"),
            models.UniqueConstraint(fields=["hook", "ref"], name="head_once"),
        ]

    def __str__(self) -> str:
        return self.ref


class Origin(models.TextChoices):
    PROVIDER = "provider", "Sent by the platform"
    RECOVERED = "recovered", "Found by comparing heads"


class Outcome(models.TextChoices):
    QUEUED = "queued", "Queued"
    MATCHED = "matched", "Matched"
    NO_TRIGGER = "no_trigger", "No trigger"
    IGNORED = "ignored", "Ignored"
    UNREADABLE = "unreadable", "Unreadable"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"


class Signature(models.TextChoices):
    VALID = "valid", "Valid"
    MISMATCH = "mismatch", "Mismatch"
    MISSING = "missing", "Missing"
    STALE = "stale", "Stale"


class Delivery(TenantModel):
    """One delivery as it came: verified, stored, answered, and only then read. `next_at` null:
    nothing is left to do. A refused one keeps neither id nor body: a forgery must not block the
    real one, nor fill the disk."""

    PREFIX = "dlv"

    hook = models.ForeignKey(Hook, models.CASCADE, db_constraint=False, related_name="deliveries")
    key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null is not "", which is once
    body_hash = models.BinaryField(max_length=32, null=True)
    event = models.CharField(max_length=80, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.PROVIDER.value)
    signature = models.CharField(
        max_length=10, choices=Signature.choices, default=Signature.VALID.value
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.QUEUED.value)
    trouble = models.CharField(max_length=40, blank=True)  # a code or reason, for people
    # The refs it moved: {"ref", "before", "after", "forced"}; the first one is shown in lists.
    refs = models.JSONField(default=list)
    events = models.JSONField(default=list)  # keys of the events it made, for replays
    duplicates = models.PositiveIntegerField(default=0)
    replays = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    received_at = models.DateTimeField(default=timezone.now)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="delivery_tenant_id"),
            models.UniqueConstraint(fields=["hook", "key"], name="delivery_once"),
            models.UniqueConstraint(
                fields=["hook", "body_hash"],
                condition=Q(body_hash__isnull=False),
                name="delivery_body_once",
            ),
            models.CheckConstraint(condition=Q(origin__in=Origin.values), name="delivery_origin"),
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values), name="delivery_outcome"
            ),
            models.CheckConstraint(
                condition=Q(signature__in=Signature.values), name="delivery_signature"
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["next_at"], condition=Q(next_at__isnull=False), name="delivery_due"
            ),
            models.Index(
                fields=["hook", "received_at"],
                condition=Q(next_at__isnull=False),
                name="delivery_in_turn",
            ),
            models.Index(fields=["hook", "received_at"], name="delivery_of_hook"),
            models.Index(fields=["received_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return self.public_id
