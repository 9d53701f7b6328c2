"""One-time secrets for minutes: sealed, in Redis, so that a lost answer can be repeated.

The vault lives above, with the product; it is handed in at start-up by `lock_with`.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from portal.ground import redis

MINUTES = 10

Seal = Callable[[str, UUID], bytes]
Unseal = Callable[[bytes, UUID], str]
_lock: tuple[Seal, Unseal] | None = None


def lock_with(seal: Seal, unseal: Unseal) -> None:
    """Called once, while the applications load."""
    global _lock
    _lock = (seal, unseal)


def put(key: UUID, secret: str) -> None:
    """Keep a secret for 10 minutes. Without Redis it is not kept at all."""
    seal, _ = _locked()
    try:
        redis.client().set(_name(key), seal(secret, key), ex=MINUTES * 60)
    except redis.Away:
        return


def take(key: UUID) -> str | None:
    """The secret, as often as asked; None when its time is over or Redis has lost it."""
    _, unseal = _locked()
    try:
        sealed = redis.client().get(_name(key))
    except redis.Away:
        return None
    return unseal(sealed, key) if isinstance(sealed, bytes) else None


def _name(key: UUID) -> str:
    return f"mooring:strongbox:{key}"


def _locked() -> tuple[Seal, Unseal]:
    if _lock is None:
        raise LookupError("no lock has been handed in")
    return _lock
