"""Who acts, and the only permission code: finding a thing and being allowed to are one call."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from portal.ground import bearer, ids, redis, rls
from portal.ground.refusals import NotAllowed, NotYours, Refusal
from portal.tenants import roles
from portal.tenants.models import (
    Instance,
    Membership,
    ServiceToken,
    Tenant,
    TenantModel,
    User,
)
from portal.tenants.models.lookup import token_by_digest

Row = TypeVar("Row", bound=TenantModel)

TOKEN_PREFIX = "mrg"  # noqa: S105 - the public first letters of every API token
SIGNED_IN = "signed_in_at"
"""Session key: when this browser last proved who sits there, in Unix seconds."""

RECENT = timedelta(minutes=15)
_FAILURES_PER_MINUTE = 30
_NAMES_SHOWN = 5
# How a row leads to its instance, nearest first.
_WAYS = ("binding", "hook", "trigger", "repository")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, in which tenant, with which rights, from where.

    `kind` is user, token, operator or system. `scopes` and `instances` None mean no limit beyond
    the role. `signed_in_at` is set for people in a browser.
    """

    kind: str
    person: User | None = None
    token: ServiceToken | None = None
    tenant: Tenant | None = None
    role: str = ""
    scopes: frozenset[str] | None = None
    instances: frozenset[UUID] | None = None
    ip: str = ""
    signed_in_at: datetime | None = None

    @property
    def name(self) -> str:
        """The name people read in the event log."""
        if self.token is not None:
            return self.token.name
        return "Mooring" if self.person is None else str(self.person)

    @property
    def public_id(self) -> str:
        who = self.token or self.person
        return "" if who is None else who.public_id

    def may(self, scope: str) -> bool:
        """Do role and scopes allow it? Raises KeyError for a scope that does not exist."""
        if self.kind == "system":
            return True
        return self.holds(scope) and roles.allows(self.role, scope)

    def holds(self, scope: str) -> bool:
        """Is the scope among those of the token? People in a browser hold all."""
        return self.scopes is None or scope in self.scopes

    def event(self) -> dict[str, Any]:
        """The `actor` of an event: kind, id, name, ip."""
        return {"kind": self.kind, "id": self.public_id, "name": self.name, "ip": self.ip}

    def recent(self, now: datetime) -> bool:
        """Did this person prove who they are within 15 minutes? Tokens need not (`X-AUTH-03`)."""
        if self.kind in ("token", "system"):
            return True
        return self.signed_in_at is not None and now - self.signed_in_at < RECENT


class Request(HttpRequest):
    """A request as pages below `/t/<tenant>/` see it; the middleware sets these, nobody makes one.
    Elsewhere `actor` may be without a tenant, or None."""

    actor: Actor
    tenant: Tenant
    memberships: Sequence[Membership]
    ip: str
    trace_id: str


def system(tenant: Tenant) -> Actor:
    """The server itself, working for one tenant."""
    return Actor("system", tenant=tenant)


def operator(
    person: User, tenant: Tenant, *, ip: str = "", signed_in_at: datetime | None = None
) -> Actor:
    """A member of the staff looking into a tenant. Raises NotYours for anybody else."""
    if not (person.is_staff and person.is_active):
        raise NotYours
    return Actor("operator", person, None, tenant, "operator", ip=ip, signed_in_at=signed_in_at)


def memberships(person: User) -> list[Membership]:
    """The tenants this person is in now, last used first; needs no scope."""
    found = Membership.objects.filter(user=person, left_at=None).select_related("tenant")
    return sorted(found, key=lambda member: member.seen_at or member.created_at, reverse=True)


def enter(
    person: User,
    slug: str,
    *,
    ip: str = "",
    signed_in_at: datetime | None = None,
    among: Sequence[Membership] | None = None,
) -> Actor:
    """This person inside one tenant. `slug` "" means their only one: X-TENANT-01 when there are
    several. `among` saves the query when the memberships are known. Raises NotYours."""
    known = memberships(person) if among is None else among
    if not slug and len(known) > 1:
        raise Refusal("X-TENANT-01")
    for member in known:
        if slug in ("", member.tenant.slug):
            return Actor(
                "user", person, None, member.tenant, member.role, ip=ip, signed_in_at=signed_in_at
            )
    raise NotYours


def by_token(text: str, ip: str) -> Actor:
    """Whose API token this is: one indexed read, no write. Raises Refusal X-AUTH-02, or X-RATE-01
    once an address has failed more than 30 times in a minute; a right token always passes."""
    found = _token(text)
    if found is None or not _from_its_networks(found[0], ip):
        raise _failed(ip)
    return _as_token(*found, ip)


def by_token_id(key: UUID, *, now: datetime) -> Actor:
    """Whoever this API token is, as long as it could be used now. Raises NotYours. Needs no scope;
    for what a token has left behind, like the address of a calendar."""
    rows = ServiceToken.objects.select_related("tenant", "owner")
    token = rows.filter(pk=key, revoked_at=None).first()
    if token is None or (token.expires_at and token.expires_at <= now):
        raise NotYours
    if token.owner is None:
        return _as_token(token, token.role, "")
    owner = member(token.tenant_id, token.owner.pk)
    if owner is None or not token.owner.is_active:
        raise NotYours
    return _as_token(token, owner.role, "")


def member(tenant_id: UUID, user_id: UUID) -> Membership | None:
    """The membership of a person in a tenant now, with both; needs no scope."""
    rows = Membership.objects.of(tenant_id).filter(user=user_id, left_at=None)
    return rows.select_related("tenant", "user").first()


def _as_token(token: ServiceToken, role: str, ip: str) -> Actor:
    return Actor(
        "token",
        person=token.owner,
        token=token,
        tenant=token.tenant,
        role=role,
        scopes=roles.granted(token.scopes),
        instances=None if token.instances is None else frozenset(token.instances),
        ip=ip,
    )


def signed_in_at(session: Mapping[str, Any]) -> datetime | None:
    """When the person of this browser session last proved who they are."""
    seconds = session.get(SIGNED_IN)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def demand(actor: Actor, scope: str) -> None:
    """Raises NotAllowed: X-SCOPE-01 when the token lacks the scope, X-ROLE-01 when the role does,
    with what is needed and the names of those who have it."""
    if actor.kind == "system":
        return
    if not actor.holds(scope):
        raise NotAllowed("X-SCOPE-01", scope=scope, extra={"needed_scope": scope})
    if not roles.allows(actor.role, scope):
        raise _role_too_low(actor, roles.LEAST[scope])


def demand_role(actor: Actor, least: str) -> None:
    """Raises NotAllowed X-ROLE-01 unless the actor's role is `least` or stronger."""
    if actor.kind != "system" and not roles.at_least(actor.role, least):
        raise _role_too_low(actor, least)


def demand_recent(actor: Actor, *, now: datetime, action: object) -> None:
    """Raises NotAllowed X-AUTH-03 when a browser's sign-in is older than 15 minutes; `action`
    completes "Confirm it is you before you …"."""
    if not actor.recent(now):
        raise NotAllowed("X-AUTH-03", action=action)


def get(
    actor: Actor,
    rows: type[Row] | QuerySet[Row],
    public_id: str,
    scope: str,
    *,
    own: str = "",
) -> Row:
    """The row with this public id, if the actor may do `scope` with it.

    `own` names a column of people ("bound_by"): whose row it is may do it whatever their role.
    Raises NotAllowed; NotYours for other tenants', other instances' and unknown ids alike.
    """
    asked = rows if isinstance(rows, QuerySet) else QuerySet(rows)
    refused: NotAllowed | None = None
    try:
        demand(actor, scope)
    except NotAllowed as refusal:
        if not (own and actor.person and actor.holds(scope)):
            raise
        refused = refusal
    if refused is not None:
        asked = asked.filter(**{own: actor.person})
    try:
        return _one(actor, asked, public_id)
    except NotYours:
        raise refused or NotYours() from None


def get_instance(
    actor: Actor, name_or_id: str, scope: str, *, rows: QuerySet[Instance] | None = None
) -> Instance:
    """The open instance with this name or `ins_…` id; `rows` may say what to read with it.
    Raises as `get`."""
    demand(actor, scope)
    live = (Instance.objects.all() if rows is None else rows).filter(closed_at=None)
    if "_" in name_or_id:  # no name has one
        return _one(actor, live, name_or_id)
    with rls.tenant(tenant_of(actor).pk):
        found: Instance | None = visible(actor, live).filter(name=name_or_id).first()
    if found is None:
        raise NotYours
    return found


def visible(actor: Actor, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Of these rows, those of the actor's tenant, and for a token limited to instances of those."""
    mine = rows.filter(tenant_id=tenant_of(actor).pk)
    way = "" if actor.instances is None else _way_to_instance(rows.model)
    return mine.filter(**{f"{way}__in": actor.instances}) if way else mine


def _one(actor: Actor, rows: QuerySet[Row], public_id: str) -> Row:
    key = ids.key(rows.model.PREFIX, public_id)
    if key is None:
        raise NotYours
    with rls.tenant(tenant_of(actor).pk):
        found = visible(actor, rows).filter(pk=key).first()
    if found is None:
        raise NotYours
    return found


def tenant_of(actor: Actor) -> Tenant:
    """The tenant the actor is in. Raises NotYours for somebody outside."""
    if actor.tenant is None:
        raise NotYours
    return actor.tenant


def _way_to_instance(model: type[Model]) -> str:
    if model is Instance:
        return "pk"
    fields = {field.name: field for field in model._meta.get_fields()}
    if "instance" in fields or "instance_id" in fields:
        return "instance_id"
    for step in _WAYS:
        parent = fields[step].related_model if step in fields else None
        if parent is not None:
            return f"{step}__{_way_to_instance(parent)}"
    return ""


def _role_too_low(actor: Actor, least: str) -> NotAllowed:
    return NotAllowed(
        "X-ROLE-01",
        role=actor.role,
        names=who_has(tenant_of(actor), least),
        extra={"needed_role": least},
    )


def who_has(tenant: Tenant, least: str) -> list[str]:
    """The names of members with a role that is strong enough, the strongest needed at least."""
    helpers = [role for role in roles.RANK if roles.at_least(role, max(least, "admin", key=_rank))]
    with rls.tenant(tenant.pk):
        people = (
            Membership.objects.of(tenant)
            .filter(role__in=helpers, left_at=None, user__is_active=True)
            .order_by("created_at")
            .values_list("user__name", "user__email")[:_NAMES_SHOWN]
        )
        return [name or email for name, email in people]


def _rank(role: str) -> int:
    return roles.RANK.index(role)


def _token(text: str) -> tuple[ServiceToken, str] | None:
    """The token and its role now; None when it cannot be used, for whatever reason."""
    found = bearer.well_formed(TOKEN_PREFIX, text) and token_by_digest(bearer.digest(text))
    if not found:
        return None
    token, role_now = found
    if token.revoked_at is not None or (token.expires_at and token.expires_at <= timezone.now()):
        return None
    if token.owner is None:
        return token, token.role
    return (token, role_now) if token.owner.is_active and role_now else None


def _from_its_networks(token: ServiceToken, ip: str) -> bool:
    if not token.networks:
        return True
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in token.networks)


def _failed(ip: str) -> Refusal:
    now = time.time()
    if redis.count(f"auth-failed:{ip}", window=60, now=now) <= _FAILURES_PER_MINUTE:
        return Refusal("X-AUTH-02")
    wait = redis.seconds_left(window=60, now=now)
    return Refusal("X-RATE-01", retry_after=wait, n=wait)
