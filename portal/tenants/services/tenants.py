"""Tenants: open one with its first owner, rename it, and say what of it needs attention."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils.translation import gettext as _

from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.models import Membership, Role, Tenant, User
from portal.tenants.models.tenants import NAME
from portal.tenants.services import events


def open_tenant(*, slug: str, name: str, owner: User, now: datetime) -> Tenant:
    """A new tenant with its first owner. Raises Refusal X-NAME-01 when the slug is taken,
    X-FORM-03 when it cannot be one."""
    try:
        NAME(slug)
    except ValidationError:
        why = _("3 to 40 lower-case letters, numbers and single hyphens")
        raise Refusal("X-FORM-03", field="slug", why=why) from None
    tenant = Tenant(slug=slug, name=name)
    with rls.login():
        try:
            with rls.attempt():
                tenant.save(force_insert=True)
        except IntegrityError:
            raise Refusal("X-NAME-01", field="slug", name=slug) from None
        Membership.objects.create(tenant=tenant, user=owner, role=Role.OWNER)
        with rls.tenant(tenant.pk):
            events.record(
                tenant_id=tenant.pk,
                type="tenant.opened",
                actor=access.system(tenant).event(),
                at=now,
                data={"tenant": {"id": tenant.public_id, "slug": slug, "owner": owner.public_id}},
            )
    return tenant


_attention: Callable[[UUID], int] | None = None


def count_attention_with(counter: Callable[[UUID], int]) -> None:
    """Called once, while the applications load: how many bindings of a tenant need attention is
    known above. `counter` gets the tenant's key inside its scope."""
    global _attention
    _attention = counter


def attention(tenants: Iterable[Tenant]) -> dict[UUID, int]:
    """How many bindings of each tenant need attention. Needs no open scope, opens one for each."""
    found: dict[UUID, int] = {}
    for tenant in tenants if _attention else ():
        with rls.tenant(tenant.pk):
            found[tenant.pk] = _attention(tenant.pk) if _attention else 0
    return found
