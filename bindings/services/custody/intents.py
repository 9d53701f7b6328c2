"""Intents: who may send the one request that spends a token, over all workers (`security.md` 4).

An intent is committed before the request is sent, so that no crash leaves a loss without a name;
when that commit fails nothing is sent. Nobody sends a second request while the first may still be
under way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import Enum
from uuid import UUID, uuid4

from django.conf import settings

from bindings.models import Binding, CodeHost, Credential, RefreshIntent, Renewal
from bindings.services.custody import sealed
from bindings.services.custody.door import host_for_accounts, rules_for
from portal.ground import rls
from providers import oauth
from providers.catalogue import REGISTRY
from providers.types import Credential as Secret
from providers.types import Host, OAuthDialect, Rules

SETTLED_AFTER = timedelta(seconds=30)
"""Past its deadline a request is given this long before somebody else looks after it."""
SYSTEM: Mapping[str, str] = {"kind": "system", "id": "", "name": "Mooring", "ip": ""}


class Left(Enum):
    """Why there is nothing to send: somebody else is at it, it is done, or it has ended."""

    BUSY = "busy"
    MOVED = "moved"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one request. Frozen: it crosses threads. `until`: on this process's own
    clock; `recovers`: an earlier request of this generation has an outcome nobody knows."""

    tenant_id: UUID
    binding_id: UUID
    label: str
    purpose: Renewal
    generation: int
    attempt: UUID
    started_at: datetime
    until: float
    recovers: bool
    host: CodeHost
    value: Host
    rules: Rules
    dialect: OAuthDialect | None
    redirect_uri: str
    rotate_to: date | None
    by: Mapping[str, str]
    secret: Secret = field(repr=False)

    @property
    def provider(self) -> str:
        return self.host.provider

    @property
    def seconds_left(self) -> float:
        """How long the request may still take. Of a process that was frozen nothing is left."""
        return self.until - time.monotonic()


def claim(
    *,
    tenant_id: UUID,
    binding_id: UUID,
    purpose: Renewal = Renewal.REFRESH,
    now: datetime,
    seen: int | None = None,
    due: bool = False,
    rotate_to: date | None = None,
    by: Mapping[str, str] = SYSTEM,
) -> Claim | Left:
    """Write the intent of a request and commit it; or say why none has to be sent.

    `seen`: only for the credential of this generation; `due`: only when it is time. An intent that
    is past its deadline is taken over, with its purpose. Raises WrongScope inside a transaction,
    Undecryptable, and what the database raises: then nothing may be sent.
    """
    begun = time.monotonic()
    with rls.alone(tenant_id):
        row = _locked(tenant_id, binding_id)
        if row is None:
            return _why_not(tenant_id, binding_id)
        if _is_settled(row, now, seen, due):
            return Left.MOVED
        if row.binding.unbound_at is not None:
            return Left.GONE
        earlier = RefreshIntent.objects.of(tenant_id).filter(pk=binding_id).first()
        if earlier is not None and not _is_over(earlier, row.binding.host, now):
            return Left.BUSY
        made = _claim(row, earlier, purpose, now, begun + oauth.SECONDS)
        RefreshIntent.objects.of(tenant_id).filter(pk=binding_id).delete()
        _intent(made).save(force_insert=True)
    return replace(made, rotate_to=rotate_to, by=by)


def close(mine: Claim, *, now: datetime, doubt: bool) -> None:
    """The request is over. The intent goes, or stays when nobody knows what came of this request
    or of the one before it. Needs a scope."""
    rows = RefreshIntent.objects.of(mine.tenant_id).filter(pk=mine.binding_id, attempt=mine.attempt)
    if doubt:
        rows.filter(deadline__gt=now).update(deadline=now)
    else:
        rows.delete()


def callback_of(host: CodeHost) -> str:
    """Where consents at this host come back to, as the pages of consent have it."""
    return f"{settings.MOORING_URL}/oauth/callback/{host.slug}/"


def _locked(tenant_id: UUID, binding_id: UUID) -> Credential | None:
    """The credential, held; None when somebody else holds it, or when there is none."""
    found: Credential | None = (
        Credential.objects.of(tenant_id)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("binding__host")
        .filter(pk=binding_id)
        .first()
    )
    return found


def _why_not(tenant_id: UUID, binding_id: UUID) -> Left:
    held = Credential.objects.of(tenant_id).filter(pk=binding_id, binding__unbound_at=None)
    return Left.BUSY if held.exists() else Left.GONE


def _is_settled(row: Credential, now: datetime, seen: int | None, due: bool) -> bool:
    late = row.renew_at is not None and row.renew_at <= now
    return (seen is not None and row.generation != seen) or (due and not late)


def _is_over(earlier: RefreshIntent, host: CodeHost, now: datetime) -> bool:
    """May somebody else look after it? Sooner only where a token may be spent twice by mistake."""
    dialect = REGISTRY[host.provider].spec.oauth
    harmless = earlier.purpose == Renewal.REFRESH and dialect is not None and dialect.grace > 0
    return earlier.deadline + (timedelta() if harmless else SETTLED_AFTER) <= now


def _claim(
    row: Credential, earlier: RefreshIntent | None, purpose: Renewal, now: datetime, until: float
) -> Claim:
    binding, host = row.binding, row.binding.host
    recovers = earlier is not None and earlier.generation == row.generation
    if recovers and earlier is not None:
        purpose = Renewal(earlier.purpose)
    dialect = REGISTRY[host.provider].spec.oauth
    return Claim(
        tenant_id=row.tenant_id,
        binding_id=row.pk,
        label=binding.public_id,
        purpose=purpose,
        generation=row.generation,
        attempt=uuid4(),
        started_at=now,
        until=until,
        recovers=recovers,
        host=host,
        value=host_for_accounts(host),
        rules=rules_for(host),
        dialect=dialect,
        redirect_uri=row.redirect_uri or callback_of(host),
        rotate_to=None,
        by=SYSTEM,
        secret=_secret(row, binding, dialect, now),
    )


def _secret(
    row: Credential, binding: Binding, dialect: OAuthDialect | None, now: datetime
) -> Secret:
    """What is sent. Refused once, a pair that has never worked is retried with the token before
    it, where that still serves."""
    secret = sealed.secret_of(row, binding)
    grace = timedelta(seconds=dialect.grace) if dialect is not None else timedelta()
    if row.renew_refused_at is None or now - row.issued_at >= grace:
        return secret
    before = sealed.spent_before(row)
    return replace(secret, refresh_token=before) if before else secret


def _intent(made: Claim) -> RefreshIntent:
    return RefreshIntent(
        binding_id=made.binding_id,
        tenant_id=made.tenant_id,
        purpose=made.purpose,
        generation=made.generation,
        attempt=made.attempt,
        worker=f"{os.uname().nodename}:{os.getpid()}"[:100],
        started_at=made.started_at,
        deadline=made.started_at + timedelta(seconds=oauth.SECONDS),
    )
