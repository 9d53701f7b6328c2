"""Rows for tests, one function a table; each returns what it made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from portal.ground import rls
from portal.tenants.models import Instance, Membership, Tenant, User
from portal.tenants.services import tenants

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
PASSWORD = "a test password, long enough"


def person(name: str, **more: Any) -> User:
    """Somebody with the address `<name>@example.com`."""
    email = more.pop("email", f"{name}@example.com")
    return User.objects.create_user(email, PASSWORD, name=name.capitalize(), **more)


def tenant(slug: str, owner: User) -> Tenant:
    """A tenant with its first owner."""
    return tenants.open_tenant(slug=slug, name=slug.capitalize(), owner=owner, now=NOW)


def member(of: Tenant, who: User, role: str) -> Membership:
    """Somebody in a tenant."""
    return Membership.objects.create(tenant=of, user=who, role=role)


def instance(of: Tenant, name: str, **more: Any) -> Instance:
    """An open registry instance."""
    with rls.tenant(of.pk):
        return Instance.objects.create(tenant=of, name=name, region="default", **more)
