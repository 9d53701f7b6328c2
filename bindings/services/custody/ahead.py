"""Refresh before a call: when an access token has less life left than the call needs.

Of several who find that at once one asks; the others wait for its answer instead of spending the
refresh token a second time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from django.utils import timezone

from bindings.models import Credential, Renewal
from bindings.services.custody import refresh
from bindings.services.custody.intents import SYSTEM, Claim, Left, claim
from bindings.services.custody.refresh import Outcome
from bindings.state import renewal
from providers.errors import Unreachable
from providers.types import Expiry, Quality

WAIT = 10.0
"""Seconds to wait for the refresh of somebody else."""
_LOOK = 0.1
_MARGIN = 30.0


def ensure(row: Credential, *, seconds: float, insist: bool = False) -> bool:
    """Refresh the pair in `row` if a call of `seconds` needs it; whether the row has moved since.

    `row` comes with its binding and host. Without `insist` the pause after a failure is kept. An
    access token that still lives is used when nothing better can be had; else the ProviderError
    that stood in the way is raised.
    """
    now = timezone.now()
    if not _is_short(row, now, seconds):
        return False
    if not _may_ask(row, now, insist=insist):
        return _or_live_on(row, Unreachable("timeout"))
    found = once(row.tenant_id, row.pk, generation=row.generation)
    if isinstance(found, Outcome) and found.error is not None:
        return _or_live_on(row, found.error)
    return _or_live_on(row, Unreachable("timeout")) if found is Left.BUSY else True


def once(
    tenant_id: UUID,
    binding_id: UUID,
    *,
    generation: int,
    purpose: Renewal = Renewal.REFRESH,
    rotate_to: date | None = None,
    by: Mapping[str, str] = SYSTEM,
) -> Outcome | Left:
    """Renew the credential of this generation, or wait a while for whoever is at it: BUSY when
    that took too long, MOVED when there is another generation now."""
    until = time.monotonic() + WAIT
    while True:
        found = claim(
            tenant_id=tenant_id,
            binding_id=binding_id,
            purpose=purpose,
            now=timezone.now(),
            seen=generation,
            rotate_to=rotate_to,
            by=by,
        )
        if isinstance(found, Claim):
            return refresh.renew(found)
        if found is not Left.BUSY or time.monotonic() >= until:
            return found
        time.sleep(_LOOK)


def is_refreshable(row: Credential) -> bool:
    """Whether there is a refresh token that anybody would still ask with."""
    lost = row.renew_refused_at is not None and row.renew_at is None
    return row.refresh is not None and not lost


def _is_short(row: Credential, now: datetime, seconds: float) -> bool:
    end = Expiry(row.expires_at, Quality(row.quality))
    return is_refreshable(row) and renewal.is_short(end, row.issued_at, now, seconds + _MARGIN)


def _may_ask(row: Credential, now: datetime, *, insist: bool) -> bool:
    host = row.binding.host
    if host.renew_after is not None and host.renew_after > now:
        return False
    failed = bool(row.renew_failures or row.renew_refused_at)
    return insist or not failed or (row.renew_at is not None and row.renew_at <= now)


def _or_live_on(row: Credential, error: Exception) -> bool:
    """Go on with the access token if it still lives: a failed refresh has not ended it."""
    if row.expires_at is None or row.expires_at <= timezone.now():
        raise error from None
    return False
