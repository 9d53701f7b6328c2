"""Django's cache in Redis, which may be away: then it is empty, and nobody gets an error page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from portal.ground import redis

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class _Client(RedisCacheClient):
    """Django's, over the one connection of this process: its time-outs, its one retry."""

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        return redis.client()


class ForgetfulCache(RedisCache):
    """What Django and allauth keep here (request limits of sign-in) may be lost at any time.

    Nothing whose loss matters may use it: without Redis `add` says "added" to everybody.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return _or(True, lambda: super(ForgetfulCache, self).add(key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return _or(default, lambda: super(ForgetfulCache, self).get(key, default, version))

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        _or(None, lambda: super(ForgetfulCache, self).set(key, value, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return _or(False, lambda: super(ForgetfulCache, self).delete(key, version))


def _or(empty: Answer, ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except redis.Away as away:
        log.warning("the cache is away", extra={"reason": type(away).__name__})
        return empty
