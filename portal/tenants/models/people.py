"""People, and what they may do in which tenant."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils import timezone

from portal.ground import ids
from portal.tenants.models.base import TenantModel


class People(BaseUserManager["User"]):
    """Makes people. The e-mail address is the user name, compared without case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        person = self.model(email=self.normalize_email(email).lower(), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. Operators are staff; everybody else acts through memberships."""

    PREFIX: ClassVar[str] = "usr"

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80, blank=True)
    language = models.CharField(max_length=10, blank=True)
    zone = models.CharField(max_length=40, default="UTC")
    is_staff = models.BooleanField("operator", default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = People()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("email",)

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def public_id(self) -> str:
        return ids.public(self.PREFIX, self.pk)

    def get_full_name(self) -> str:
        return self.name or self.email


class Role(models.TextChoices):
    """Roles inside a tenant, weakest first."""

    VIEWER = "viewer", "Viewer"
    DEVELOPER = "developer", "Developer"
    ADMIN = "admin", "Admin"
    OWNER = "owner", "Owner"


class Membership(TenantModel):
    """A person in a tenant. Leaving keeps the row, so that what they made keeps its author."""

    PREFIX = "mbr"

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    seen_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)
    # A copy, because the frame of every page shows it and reads memberships anyway.
    unread = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once"),
            models.UniqueConstraint(fields=["tenant", "id"], name="membership_tenant_id"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.role}"


class Invitation(TenantModel):
    """A single-use link into a tenant; only its digest is kept."""

    PREFIX = "inv"

    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role.choices)
    digest = models.BinaryField(max_length=32, unique=True)
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["tenant", "id"], name="invitation_tenant_id"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="invitation_role"
            ),
        ]

    def __str__(self) -> str:
        return self.email
