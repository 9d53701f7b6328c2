"""Bindings: the tie between one instance and one account on one code host."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from bindings.models.hosts import CodeHost
from bindings.state import Reach, State, Status, one_word
from portal.tenants.models import Instance, TenantModel, User
from providers.types import Identity, Quality

ABILITIES = ("list", "refs", "clone", "hooks")


class Kind(models.TextChoices):
    TOKEN = "token", "Access token"
    OAUTH = "oauth", "OAuth"
    PLATFORM = "platform", "Cloud account"


class Mode(models.TextChoices):
    FULL = "full", "Full"
    MANUAL = "manual", "Manual builds only"


class Binding(TenantModel):
    """At most one live row per instance and provider, which the database holds. Holds no secret:
    see Credential. `version` guards every write of a worker."""

    PREFIX = "bnd"

    instance = models.ForeignKey(
        Instance, models.CASCADE, db_constraint=False, related_name="bindings"
    )
    host = models.ForeignKey(CodeHost, models.PROTECT, db_constraint=False, related_name="bindings")
    provider = models.CharField(max_length=20)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.FULL.value)
    labels = models.JSONField(default=dict, blank=True)
    auto_rotate = models.BooleanField(default=False)

    account_id = models.CharField(max_length=200)
    account_login = models.CharField(max_length=200)
    account_name = models.CharField(max_length=200, blank=True)
    account_url = models.CharField(max_length=500, blank=True)
    robot = models.BooleanField(default=False)
    username = models.CharField(max_length=200, blank=True)
    clone_username = models.CharField(max_length=200, blank=True)
    organization = models.CharField(max_length=200, blank=True)

    status = models.CharField(max_length=20, choices=[(s.value, s.value) for s in Status])
    status_since = models.DateTimeField(default=timezone.now)
    why = models.CharField(max_length=20, blank=True)  # a word of bindings.state.Why
    why_facts = models.JSONField(default=dict, blank=True)  # for the sentence people read
    before = models.CharField(max_length=20, blank=True)  # kept while paused or undecryptable
    before_why = models.CharField(max_length=20, blank=True)
    reach = models.CharField(
        max_length=20, choices=[(r.value, r.value) for r in Reach], default=Reach.OK.value
    )
    reach_since = models.DateTimeField(default=timezone.now)
    reach_why = models.CharField(max_length=30, blank=True)
    reach_facts = models.JSONField(default=dict, blank=True)
    reach_until = models.DateTimeField(null=True, blank=True)  # a rate limit ends then
    first_failure_at = models.DateTimeField(null=True, blank=True)
    suspicion = models.PositiveSmallIntegerField(default=0)
    refused_at = models.DateTimeField(null=True, blank=True)

    # A copy of the credential's end, because lists and the ladder must not touch ciphertext rows.
    expires_at = models.DateTimeField(null=True, blank=True)
    quality = models.CharField(max_length=10, choices=[(q.value, q.value) for q in Quality])
    stated_by = models.CharField(max_length=80, blank=True)
    renews = models.BooleanField(default=False)

    proofs = models.JSONField(default=dict)  # ability → {"ok", "code", "proven_at"}
    repositories_seen = models.PositiveIntegerField(null=True, blank=True)
    # The scenario of a fire drill while one runs. Verdicts are rehearsed then; use goes on.
    drill = models.CharField(max_length=20, blank=True, default="", db_default="")
    used_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    bound_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False
    )
    bound_by_name = models.CharField(max_length=120, blank=True)
    bound_at = models.DateTimeField(null=True, blank=True)
    confirm_until = models.DateTimeField(null=True, blank=True)  # of a pending binding
    unbound_by_name = models.CharField(max_length=120, blank=True)
    unbound_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["instance", "provider"],
                condition=Q(unbound_at=None),
                name="one_live_binding",
            ),
            models.UniqueConstraint(fields=["tenant", "id"], name="binding_tenant_id"),
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in Status]), name="binding_status"
            ),
            models.CheckConstraint(
                condition=Q(reach__in=[r.value for r in Reach]), name="binding_reach"
            ),
            models.CheckConstraint(
                condition=Q(quality__in=[q.value for q in Quality]), name="binding_quality"
            ),
            models.CheckConstraint(
                condition=~Q(account_id="") | Q(status=Status.PENDING.value), name="binding_account"
            ),
            models.CheckConstraint(
                condition=Q(quality__in=["exact", "stated"], expires_at__isnull=False)
                | Q(quality="idle")
                | Q(quality__in=["unknown", "never"], expires_at__isnull=True),
                name="binding_date_has_quality",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                F("tenant"),
                F("expires_at"),
                condition=Q(unbound_at=None, expires_at__isnull=False),
                name="binding_ends",
            ),
            models.Index(F("host"), condition=Q(unbound_at=None), name="binding_live_host"),
            models.Index(
                F("expires_at"),
                condition=Q(unbound_at=None, expires_at__isnull=False),
                name="binding_ladder",
            ),
            # Operators look for accounts by their exact name, and for servers that do not answer.
            models.Index(F("account_login"), name="binding_account"),
            models.Index(
                F("reach"),
                condition=Q(unbound_at=None) & ~Q(reach="ok"),
                name="binding_unreached",
            ),
            # The few that have ended, among the many that live.
            models.Index(
                F("unbound_at"), condition=Q(unbound_at__isnull=False), name="binding_ended"
            ),
            # The mass guard counts these per host; healthy rows, the many, are not in it.
            models.Index(
                F("host"),
                condition=Q(unbound_at=None)
                & (~Q(status__in=["active", "expiring"]) | Q(suspicion__gt=0)),
                name="binding_unwell",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_login} on {self.provider}"

    @property
    def state(self) -> State:
        """The one word for people and filters."""
        return one_word(Status(self.status), Reach(self.reach), suspicion=self.suspicion)

    def take_identity(self, who: Identity) -> None:
        """Take over what the platform calls the account, cut to what the columns hold: a host may
        say anything."""
        self.account_id, self.account_login = who.id[:200], who.login[:200]
        self.account_name, self.account_url = (who.name or "")[:200], (who.web_url or "")[:500]
        self.robot = who.bot
