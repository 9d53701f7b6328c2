"""One-time secrets for minutes: sealed, in Redis, so that a lost answer can be repeated."""

from __future__ import annotations

from uuid import UUID

from portal.ground import redis, sealing

MINUTES = 10
_FIELD = "strongbox.secret"


def put(key: UUID, secret: str) -> None:
    """Keep a secret for 10 minutes. Without Redis it is not kept at all."""
    try:
        redis.client().set(_name(key), sealing.seal(secret, _FIELD, key), ex=MINUTES * 60)
    except redis.Away:
        return


def take(key: UUID) -> str | None:
    """The secret, as often as asked; None when its time is over or Redis has lost it."""
    try:
        sealed = redis.client().get(_name(key))
    except redis.Away:
        return None
    return sealing.unseal(sealed, _FIELD, key) if isinstance(sealed, bytes) else None


def _name(key: UUID) -> str:
    return f"mooring:strongbox:{key}"
