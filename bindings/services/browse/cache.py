"""Answers of code hosts, kept for a while: per binding and credential, never shared across them.

Redis may lose them at any moment. What is kept past its time is only shown when the host does not
answer, and then with its age.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.core.cache import cache
from django.utils import timezone

from bindings.models import Binding, Credential
from bindings.services.browse import flight
from bindings.services.custody.use import use
from portal.ground import rls
from providers.base import Provider
from providers.errors import BadAnswer, RateLimited, Unreachable

log = structlog.get_logger(__name__)

FRESH = timedelta(minutes=10)  # product.md G16
KEPT = timedelta(days=7)
BIGGEST = 4 * 1024 * 1024
"""Bytes of one packed answer: some 50,000 repositories. Anything bigger is not kept."""
_SILENT = 15
"""Seconds during which a host that gave no usable answer is not asked again in passing."""
_SHAPE = 2
"""Of the kept values. Raise it when they change: two versions of the server run side by side."""

Fetch = Callable[[Provider, Any], Any]
"""Asks a host. The second argument is the last good value, however old, or None: what a
conditional question compares with."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A plain value, when it was fetched, and whether the host failed to give a newer one."""

    value: Any
    fetched_at: datetime
    source: str = "platform"
    stale: bool = False

    @property
    def fresh(self) -> bool:
        return timezone.now() - self.fetched_at < FRESH


def ask(
    binding: Binding,
    what: str,
    fetch: Fetch,
    *,
    fresh: bool = False,
    remember: Callable[[Any], None] | None = None,
) -> Kept:
    """What `fetch` gives, or gave within the last ten minutes; however many ask at once, the host
    is asked once.

    `what` names the question within the binding; the value has to be plain JSON. Whoever asks
    the host hands its value to `remember` before anybody sees it. When the host is away, or its
    answer cannot be used, the last good one comes back as stale; without one, and for every other
    failure, the ProviderError travels on. Raises what `custody.use` raises.
    """
    key = _key(binding, what)
    began = timezone.now()  # before the look: what is left after it was asked for at the same time
    kept = _read(key)
    if kept is not None and not fresh:
        if kept.fresh:
            return kept
        if cache.get(f"{key}:silent"):
            return Kept(kept.value, kept.fetched_at, "cache", stale=True)

    def left() -> Kept | None:
        found = _read(key)
        return found if found is not None and found.fetched_at >= began else None

    return flight.once(key, partial(_fetched, binding, what, fetch, remember, key), left)


def known(binding: Binding, what: str) -> Kept | None:
    """What is kept of an answer, without asking anybody; None when nothing is. Stale when it is old
    and the host has just failed to give a newer one."""
    key = _key(binding, what)
    kept = _read(key)
    if kept is None or kept.fresh or not cache.get(f"{key}:silent"):
        return kept
    return Kept(kept.value, kept.fetched_at, "cache", stale=True)


def _fetched(
    binding: Binding,
    what: str,
    fetch: Fetch,
    remember: Callable[[Any], None] | None,
    key: str,
) -> Kept:
    before = _read(key)
    try:
        with use(binding, why=f"browse {what.partition(':')[0]}") as provider:
            value = fetch(provider, before.value if before else None)
    except (Unreachable, RateLimited, BadAnswer):
        cache.set(f"{key}:silent", 1, _SILENT)
        if before is None:
            raise
        return Kept(before.value, before.fetched_at, "cache", stale=True)
    now = timezone.now()
    if remember is not None:
        remember(value)
    _write(key, value, now)
    return Kept(value, now)


def _key(binding: Binding, what: str) -> str:
    """Hashed, because hosts and people choose parts of `what`."""
    with rls.tenant(binding.tenant_id):
        rows = Credential.objects.of(binding.tenant_id).filter(pk=binding.pk)
        generation = rows.values_list("generation", flat=True).first()
    asked = f"{_SHAPE}/{binding.tenant_id}/{binding.pk}/{generation}/{what}"
    return f"browse:{hashlib.sha256(asked.encode()).hexdigest()}"


def _write(key: str, value: Any, now: datetime) -> None:
    packed = zlib.compress(json.dumps({"value": value, "at": now.timestamp()}).encode(), 1)
    if len(packed) > BIGGEST:
        log.warning("too big to be kept", bytes=len(packed))
        return
    cache.set(key, packed, int(KEPT.total_seconds()))


def _read(key: str) -> Kept | None:
    packed = cache.get(key)
    if packed is None:
        return None
    found = json.loads(zlib.decompress(packed))
    return Kept(found["value"], datetime.fromtimestamp(found["at"], UTC), "cache")
