"""Whoever began something that is finished later, or by somebody else: their rights now."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from portal.ground.refusals import NotYours
from portal.tenants import access, roles
from portal.tenants.access import Actor
from portal.tenants.models import Instance, Membership, ServiceToken, Tenant

_PERSON = ("user__email", "user__name", "user__is_active")
"""What a tenant's scope may read of people."""


def still(
    *,
    tenant: Tenant,
    person_id: UUID | None,
    token_id: UUID | None,
    instance: Instance,
    scope: str,
) -> Actor:
    """The maker of something, a token or else a person, who may still do `scope` on the instance.

    Needs the tenant's scope. Raises NotYours when they are gone, NotAllowed when they may no
    longer.
    """
    actor = _by_token(tenant, token_id) if token_id else _in_person(tenant, person_id)
    access.demand(actor, scope)
    if actor.instances is not None and instance.pk not in actor.instances:
        raise NotYours
    return actor


def _in_person(tenant: Tenant, person_id: UUID | None) -> Actor:
    member = _member(tenant, person_id)
    return Actor("user", member.user, tenant=tenant, role=member.role)


def _by_token(tenant: Tenant, token_id: UUID) -> Actor:
    token = ServiceToken.objects.of(tenant).filter(pk=token_id, revoked_at=None).first()
    if token is None or (token.expires_at and token.expires_at <= timezone.now()):
        raise NotYours
    member = _member(tenant, token.owner_id) if token.owner_id else None
    return Actor(
        "token",
        member.user if member else None,
        token,
        tenant,
        member.role if member else token.role,
        scopes=roles.granted(token.scopes),
        instances=None if token.instances is None else frozenset(token.instances),
    )


def _member(tenant: Tenant, person_id: UUID | None) -> Membership:
    if person_id is None:
        raise NotYours
    found = (
        Membership.objects.of(tenant)
        .select_related("user")
        .only("tenant", "role", *_PERSON)
        .filter(user_id=person_id, left_at=None, user__is_active=True)
        .first()
    )
    if found is None:
        raise NotYours
    return found
