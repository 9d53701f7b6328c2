"""Calendar addresses: secret links that show the end dates of a tenant without a sign-in."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import translation

from bindings.models import Binding, Feed
from bindings.services.tell import calendar
from portal.ground import bearer, rls
from portal.ground.refusals import NotYours
from portal.tenants import access
from portal.tenants.access import Actor

PREFIX = "mrf"
AHEAD = timedelta(days=400)
SCOPE = "bindings:read"


def subscribe(*, actor: Actor) -> str:
    """A new address for this person or API token; the old one stops. Shown once."""
    tenant, secret = access.tenant_of(actor), bearer.make(PREFIX)
    with rls.tenant(tenant.pk):
        _end(actor)
        Feed.objects.create(
            tenant=tenant,
            user=None if actor.token else actor.person,
            token=actor.token,
            digest=bearer.digest(secret),
        )
    return f"{settings.MOORING_URL}/feeds/{secret}.ics"


def revoke(*, actor: Actor) -> None:
    """End the caller's address; without one nothing happens."""
    with rls.tenant(access.tenant_of(actor).pk):
        _end(actor)


def of(actor: Actor) -> Feed | None:
    """The caller's address, as far as it is kept: when it was made. Needs the tenant's scope."""
    return _mine(actor).first()


def read(*, key: str, now: datetime) -> bytes:
    """The calendar behind an address. Raises NotYours for a key that is wrong, or was ended, or
    whose owner may not look any more. Opens short scopes."""
    if not bearer.well_formed(PREFIX, key):
        raise NotYours
    with rls.fleet("somebody follows a calendar's address"):
        feed = Feed.objects.filter(digest=bearer.digest(key)).first()
    if feed is None:
        raise NotYours
    actor = _owner(feed, now)
    if not actor.may(SCOPE):
        raise NotYours
    return _calendar(actor, now)


def _calendar(actor: Actor, now: datetime) -> bytes:
    tenant = access.tenant_of(actor)
    language = actor.person.language if actor.person else ""
    with rls.tenant(tenant.pk), translation.override(language or settings.LANGUAGE_CODE):
        live = access.visible(actor, Binding.objects.filter(unbound_at=None, renews=False))
        dated = live.filter(quality__in=("exact", "stated"), expires_at__lte=now + AHEAD)
        return calendar.render(tenant, dated)


def _owner(feed: Feed, now: datetime) -> Actor:
    if feed.token_id is not None:
        return access.by_token_id(feed.token_id, now=now)
    return _member(feed.tenant_id, feed.user_id)


def _member(tenant_id: UUID, user_id: UUID | None) -> Actor:
    found = access.member(tenant_id, user_id) if user_id else None
    if found is None or not found.user.is_active:
        raise NotYours
    return Actor("user", found.user, None, found.tenant, found.role)


def _mine(actor: Actor) -> QuerySet[Feed]:
    mine = Feed.objects.of(access.tenant_of(actor))
    return mine.filter(token=actor.token) if actor.token else mine.filter(user=actor.person)


def _end(actor: Actor) -> None:
    _mine(actor).delete()
