"""Answers of code hosts, kept for a while: per binding and credential, never shared across them.

Redis may lose them at any moment. What is kept past its time is only shown when the host does not
answer, and then with its age.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.utils import timezone

from bindings.models import Binding, Credential
from bindings.services.custody.use import use
from portal.ground import rls
from providers.base import Provider
from providers.errors import BadAnswer, RateLimited, Unreachable

FRESH = timedelta(minutes=10)  # product.md G16
KEPT = timedelta(days=7)
_SHAPE = 1
"""Of the kept values. Raise it when they change: two versions of the server run side by side."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A plain value, when it was fetched, and whether the host failed to give a newer one."""

    value: Any
    fetched_at: datetime
    source: str = "platform"
    stale: bool = False


def ask(
    binding: Binding, what: str, fetch: Callable[[Provider], Any], *, fresh: bool = False
) -> Kept:
    """`fetch(provider)`, or what it gave within the last ten minutes.

    `what` names the question within the binding; the value has to be plain JSON. When the host is
    away, or its answer cannot be used, the last good one comes back as stale; without one, and for
    every other failure, the ProviderError travels on. Raises what `custody.use` raises.
    """
    key = _key(binding, what)
    known = _read(key)
    if known is not None and not fresh and timezone.now() - known.fetched_at < FRESH:
        return known
    try:
        with use(binding, why=f"browse {what.partition(':')[0]}") as provider:
            value = fetch(provider)
    except (Unreachable, RateLimited, BadAnswer):
        if known is None:
            raise
        return Kept(known.value, known.fetched_at, "cache", stale=True)
    now = timezone.now()
    stamped = {"value": value, "at": now.timestamp()}
    cache.set(key, stamped, int(KEPT.total_seconds()))
    return Kept(value, now)


def _key(binding: Binding, what: str) -> str:
    """Hashed, because hosts and people choose parts of `what`."""
    with rls.tenant(binding.tenant_id):
        rows = Credential.objects.of(binding.tenant_id).filter(pk=binding.pk)
        generation = rows.values_list("generation", flat=True).first()
    asked = f"{_SHAPE}/{binding.tenant_id}/{binding.pk}/{generation}/{what}"
    return f"browse:{hashlib.sha256(asked.encode()).hexdigest()}"


def _read(key: str) -> Kept | None:
    found = cache.get(key)
    if found is None:
        return None
    return Kept(found["value"], datetime.fromtimestamp(found["at"], UTC), "cache")
