"""Members of a tenant: who joins, with which role, and who leaves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db.models import Q

from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access, roles
from portal.tenants.access import Actor
from portal.tenants.models import Membership, Role, User
from portal.tenants.services import events

SEEN_EVERY = timedelta(minutes=5)


class Reaction(Protocol):
    """What somebody's leaving means elsewhere; runs in the same transaction, in the tenant's
    scope."""

    def __call__(self, member: Membership, *, actor: Actor, now: datetime) -> None: ...


_when_left: list[Reaction] = []


def when_left(react: Reaction) -> None:
    """Called once, while the applications load."""
    _when_left.append(react)


def join(*, actor: Actor, person: User, role: str, now: datetime) -> Membership:
    """Take a person into the actor's tenant. Raises NotAllowed; Refusal X-NAME-01 when they are in
    it already. Who left and comes back keeps their row."""
    _demand(actor, role)
    tenant = access.tenant_of(actor)
    with rls.tenant(tenant.pk):
        member, new = Membership.objects.of(tenant).get_or_create(
            user=person, tenant=tenant, defaults={"role": role}
        )
        if not new and member.left_at is None:
            raise Refusal("X-NAME-01", field="email", name=person.email)
        if not new:
            member.role, member.left_at = role, None
            member.save(update_fields=["role", "left_at"])
        _tell("member.joined", actor, member, now, role=role)
    return member


def change_role(*, actor: Actor, member: Membership, role: str, now: datetime) -> Membership:
    """Give a member another role. Raises NotAllowed (only owners make or unmake owners), NotYours,
    and Refusal X-LAST-01 for the last owner."""
    _demand(actor, role)
    if role not in roles.RANK:
        raise Refusal("X-FORM-03", field="role", why=", ".join(roles.RANK))
    with rls.tenant(member.tenant_id):
        row = _held(actor, member, losing=role != Role.OWNER)
        before, row.role = row.role, role
        row.save(update_fields=["role"])
        _tell("member.changed", actor, row, now, role=role, before=before)
    return row


def remove(*, actor: Actor, member: Membership, now: datetime) -> None:
    """End a membership, one's own included. What the person bound stays; their personal tokens
    stop at once. Raises NotAllowed, NotYours, and Refusal X-LAST-01 for the last owner."""
    if actor.person is None or actor.person.pk != member.user_id:
        access.demand(actor, "members:write")
    with rls.tenant(member.tenant_id):
        row = _held(actor, member, losing=True)
        row.left_at = now
        row.save(update_fields=["left_at"])
        for react in _when_left:
            react(row, actor=actor, now=now)
        _tell("member.left", actor, row, now, role=row.role)


def seen(*, member_id: UUID, now: datetime) -> None:
    """Note that a member was here, at most once in five minutes. Needs no open scope."""
    Membership.objects.filter(pk=member_id).filter(
        Q(seen_at=None) | Q(seen_at__lt=now - SEEN_EVERY)
    ).update(seen_at=now)


def speak(*, person: User, language: str) -> None:
    """Keep the language a person chose. Needs no open scope."""
    User.objects.filter(pk=person.pk).update(language=language)


def _demand(actor: Actor, role: str) -> None:
    access.demand(actor, "members:write")
    if role == Role.OWNER:
        access.demand_role(actor, Role.OWNER)


def _held(actor: Actor, member: Membership, *, losing: bool) -> Membership:
    """The row as it is now, locked, with all owners' rows in one order: two owners cannot leave at
    once. An owner's row is for owners; `losing` says that it will not be an owner's any more."""
    locked = list(
        access.visible(actor, Membership.objects.filter(left_at=None))
        .filter(Q(role=Role.OWNER) | Q(pk=member.pk))
        .order_by("pk")
        .select_for_update()
    )
    row = next((one for one in locked if one.pk == member.pk), None)
    if row is None:
        raise NotYours
    if row.role != Role.OWNER:
        return row
    if actor.person is None or actor.person.pk != row.user_id:
        access.demand_role(actor, Role.OWNER)
    if losing and len([one for one in locked if one.role == Role.OWNER]) == 1:
        raise Refusal("X-LAST-01")
    return row


def _tell(type: str, actor: Actor, member: Membership, now: datetime, **more: str) -> None:
    events.record(
        tenant_id=member.tenant_id,
        type=type,
        actor=actor.event(),
        at=now,
        data={"member": {"id": member.public_id}, **more},
    )
