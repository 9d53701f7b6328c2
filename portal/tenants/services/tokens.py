"""API tokens: make one and show its secret once, revoke it, note that it was used."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from portal.ground import bearer, rls
from portal.ground.refusals import NotAllowed, NotYours, Refusal
from portal.tenants import access, roles
from portal.tenants.access import Actor
from portal.tenants.models import Instance, ServiceToken
from portal.tenants.services import events

MOST_DAYS = 365  # product.md G37
UNUSED_AFTER = timedelta(days=90)
_USED_EVERY = timedelta(seconds=60)
_HINT = 8  # "mrg_" and four characters
_MOST_NAME, _MOST_NETWORKS = 80, 20


@dataclass(frozen=True, slots=True)
class TokenAsk:
    """A wish for a token, as typed. `personal`: of the person who asks, limited by their role as it
    is at each call; otherwise the tenant's own with `role`. `instances` are public ids or None."""

    name: str
    scopes: Sequence[str]
    personal: bool = False
    role: str = "developer"
    instances: Sequence[str] | None = None
    networks: Sequence[str] = ()
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made, with its secret: shown once, kept nowhere."""

    token: ServiceToken
    secret: str = field(repr=False)


def create(*, actor: Actor, ask: TokenAsk, now: datetime) -> NewToken:
    """Make a token that can do no more than who makes it. Raises NotAllowed; Refusal X-FORM-03
    with one error for each field that cannot be taken."""
    tenant = access.tenant_of(actor)
    if ask.personal and actor.person is None:
        raise NotYours
    if not (ask.personal and actor.holds("tokens:write")):
        access.demand(actor, "tokens:write")
    role = actor.role if ask.personal else ask.role
    _refuse_all(
        [
            lambda: _check_name(ask.name),
            lambda: _check_role(actor, role),
            lambda: _check_scopes(actor, role, ask.scopes),
            lambda: _check_end(ask, now),
            lambda: _check_networks(ask.networks),
            lambda: _check_instances(actor, ask.instances),
        ]
    )
    secret = bearer.make(access.TOKEN_PREFIX)
    token = ServiceToken(
        tenant=tenant,
        name=ask.name.strip(),
        hint=secret[:_HINT],
        digest=bearer.digest(secret),
        role=role,
        scopes=sorted(set(ask.scopes)),
        instances=_instances(actor, ask.instances),
        networks=[str(ipaddress.ip_network(word, strict=False)) for word in ask.networks],
        owner=actor.person if ask.personal else None,
        made_by=actor.person,
        expires_at=_end(ask.expires_on),
    )
    with rls.tenant(tenant.pk):
        token.save(force_insert=True)
        _tell("token.created", actor, token, now)
    return NewToken(token, secret)


def visible_to(actor: Actor) -> QuerySet[ServiceToken]:
    """The tokens this actor may see, newest first: all of the tenant, or their own. Raises
    NotAllowed for a token without the scope."""
    live = ServiceToken.objects.filter(revoked_at=None).order_by("-id")
    try:
        access.demand(actor, "tokens:read")
    except NotAllowed:
        if actor.person is None or not actor.holds("tokens:read"):
            raise
        live = live.filter(owner=actor.person)
    return access.visible(actor, live)


def find(*, actor: Actor, public_id: str, scope: str = "tokens:read") -> ServiceToken:
    """One live token; `self` is the caller's own, without scope. Raises NotAllowed, NotYours."""
    if actor.token is not None and public_id in ("self", actor.token.public_id):
        return actor.token
    live = ServiceToken.objects.filter(revoked_at=None)
    return access.get(actor, live, public_id, scope, own="owner")


def revoke(*, actor: Actor, public_id: str, now: datetime) -> None:
    """End a token at once. Raises NotAllowed, NotYours."""
    token = find(actor=actor, public_id=public_id, scope="tokens:write")
    with rls.tenant(token.tenant_id):
        ended = ServiceToken.objects.of(token.tenant_id).filter(pk=token.pk, revoked_at=None)
        if ended.update(revoked_at=now):
            _tell("token.revoked", actor, token, now)


def used(*, token_id: UUID, now: datetime) -> None:
    """Note that a token was used, at most once a minute. Meant for after the answer; needs no
    open scope."""
    ServiceToken.objects.filter(pk=token_id).filter(
        Q(used_at=None) | Q(used_at__lt=now - _USED_EVERY)
    ).update(used_at=now)


def worth_noting(token: ServiceToken, now: datetime) -> bool:
    """Was the last noted use long enough ago for another write?"""
    return token.used_at is None or token.used_at < now - _USED_EVERY


def _refuse_all(checks: Sequence[Callable[[], None]]) -> None:
    refused = []
    for check in checks:
        try:
            check()
        except Refusal as refusal:
            refused.append(refusal)
    if refused:
        first = refused[0]
        raise Refusal(first.code, field=first.field, errors=refused, **first.facts)


def _wrong(field: str, why: str) -> Refusal:
    return Refusal("X-FORM-03", field=field, why=why)


def _check_name(name: str) -> None:
    if not name.strip():
        raise Refusal("X-FORM-01", field="name")
    if len(name.strip()) > _MOST_NAME or not name.isprintable():
        raise _wrong("name", _("1 to %(n)d printable characters") % {"n": _MOST_NAME})


def _check_role(actor: Actor, role: str) -> None:
    if role not in roles.RANK or not roles.at_least(actor.role, role):
        raise _wrong("role", _("a role no stronger than yours"))


def _check_scopes(actor: Actor, role: str, scopes: Sequence[str]) -> None:
    if not scopes:
        raise Refusal("X-FORM-01", field="scopes")
    for scope in scopes:
        fits = role not in roles.RANK or (scope in roles.LEAST and roles.allows(role, scope))
        if scope not in roles.LEAST or not fits or not actor.may(scope):
            raise _wrong("scopes", _("%(scope)s is more than may be given here") % {"scope": scope})


def _check_end(ask: TokenAsk, now: datetime) -> None:
    if ask.expires_on is None:
        if not ask.personal:
            raise Refusal("X-FORM-01", field="expires_on")
        return
    days = (ask.expires_on - now.astimezone(UTC).date()).days
    if not 1 <= days <= MOST_DAYS:
        raise _wrong("expires_on", _("1 to %(n)d days ahead") % {"n": MOST_DAYS})


def _check_networks(networks: Sequence[str]) -> None:
    if len(networks) > _MOST_NETWORKS:
        raise _wrong("networks", _("at most %(n)d networks") % {"n": _MOST_NETWORKS})
    for word in networks:
        try:
            ipaddress.ip_network(word, strict=False)
        except ValueError:
            why = _("write networks like 203.0.113.0/24")
            raise _wrong("networks", why) from None


def _check_instances(actor: Actor, wanted: Sequence[str] | None) -> None:
    try:
        found = _instances(actor, wanted)
    except NotYours:
        raise _wrong("instances", _("there is no such instance")) from None
    if found is None and actor.instances is not None:
        raise _wrong("instances", _("name the instances: this token is limited to some"))


def _instances(actor: Actor, wanted: Sequence[str] | None) -> list[UUID] | None:
    if wanted is None:
        return None
    live = Instance.objects.filter(closed_at=None)
    return [access.get(actor, live, public_id, "instances:read").pk for public_id in wanted]


def _end(on: date | None) -> datetime | None:
    return None if on is None else datetime.combine(on, time(), UTC)


def _tell(type: str, actor: Actor, token: ServiceToken, now: datetime) -> None:
    events.record(
        tenant_id=token.tenant_id,
        type=type,
        actor=actor.event(),
        at=now,
        data={"token": {"id": token.public_id, "name": token.name, "scopes": token.scopes}},
    )
