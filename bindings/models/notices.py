"""Notices: what happened to a binding that people should know, and who was told how.

A Notice is written in the transaction of what it is about. A job makes of it one Told per person
and one Telling, which is what that person reads; a Mail is a row before it is a message.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from bindings.models.bindings import Binding
from bindings.notices import Channel, Topic
from portal.ground import ids
from portal.tenants.models import ServiceToken, TenantModel, User


class Notice(TenantModel):
    """`cycle` makes one story of it: the credential's generation on the ladder, since a new token
    climbs it anew; else the version of the binding at that turn. `told_at`: people were told."""

    binding = models.ForeignKey(
        Binding, models.CASCADE, db_constraint=False, related_name="notices", null=True
    )
    kind = models.CharField(max_length=40)
    step = models.SmallIntegerField(default=0)
    cycle = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    data = models.JSONField(default=dict, db_default={})  # for the sentence; never a secret

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["binding", "kind", "step", "cycle"], name="notice_once"
            ),
            models.UniqueConstraint(fields=["tenant", "id"], name="notice_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["tenant"], condition=Q(closed_at=None), name="notice_open"),
            models.Index(
                fields=["tenant", "opened_at"], condition=Q(told_at=None), name="notice_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.step}"


class Mail(TenantModel):
    """One mail to one person. `digest`: of the key in its link to unsubscribe. `next_at` is also
    the lease of whoever sends it, null once nothing is left to do."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    topic = models.CharField(max_length=20)  # "" for a digest
    digest = models.BinaryField(max_length=32, unique=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="mail_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["next_at"], condition=~Q(next_at=None), name="mail_due"),
            models.Index(fields=["created_at"], name="mail_age"),
        ]

    def __str__(self) -> str:
        return f"{self.topic or 'digest'} to {self.user_id}"


class Telling(TenantModel):
    """One line that one person reads, about one binding or many of one server. `mail_at`: when a
    mail about it is due; `mail`: the one that tells it."""

    PREFIX = "ntc"

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    step = models.SmallIntegerField(default=0)
    host_id = models.UUIDField(null=True)
    channel = models.CharField(max_length=10, choices=[(c.value, c.value) for c in Channel])
    many = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    mail_at = models.DateTimeField(null=True, blank=True)
    mail = models.ForeignKey(
        Mail, models.CASCADE, db_constraint=False, related_name="tellings", null=True
    )

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="telling_tenant_id"),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["tenant", "user", "opened_at"], name="telling_of"),
            models.Index(
                fields=["mail_at"], condition=Q(mail=None) & ~Q(mail_at=None), name="telling_due"
            ),
            models.Index(fields=["created_at"], name="telling_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.step} to {self.user_id}"


class Told(TenantModel):
    """That a person was told of a notice: once, which the database holds. `at` is when the notice
    was opened, since one whose end was moved is opened again."""

    telling = models.ForeignKey(Telling, models.CASCADE, db_constraint=False, related_name="told")
    notice = models.ForeignKey(Notice, models.CASCADE, db_constraint=False, related_name="told")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="told_tenant_id"),
            models.UniqueConstraint(fields=["user", "notice", "at"], name="told_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} of {self.notice_id}"


class Preference(models.Model):
    """How a person wants to be told of a topic, in all their tenants; without a row the default."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    topic = models.CharField(max_length=20, choices=[(t.value, t.value) for t in Topic])
    channel = models.CharField(max_length=10, choices=[(c.value, c.value) for c in Channel])

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["user", "topic"], name="preference_once"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}: {self.channel}"


class Feed(TenantModel):
    """A calendar address of a person, or of an API token, in one tenant; kept as a digest."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+", null=True)
    token = models.ForeignKey(
        ServiceToken, models.CASCADE, db_constraint=False, related_name="+", null=True
    )
    digest = models.BinaryField(max_length=32, unique=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="feed_tenant_id"),
            models.UniqueConstraint(fields=["tenant", "user"], name="feed_of_person"),
            models.UniqueConstraint(fields=["tenant", "token"], name="feed_of_token"),
            models.CheckConstraint(condition=Q(user=None) ^ Q(token=None), name="feed_of_one"),
        ]

    def __str__(self) -> str:
        return f"feed of {self.user_id or self.token_id}"
