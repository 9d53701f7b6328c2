"""The one Redis connection, and what is counted there. Redis is never the truth: it may be away."""

from __future__ import annotations

import logging
import os
import threading
from functools import lru_cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

log = logging.getLogger(__name__)

Client = redis.Redis
Away = redis.RedisError
"""What every call may raise: Redis is not there, or not now."""

_CONNECT_SECONDS = 0.25
_ANSWER_SECONDS = 2.0

_own: dict[str, tuple[int, int]] = {}  # name → (window, count), when Redis is away
_guard = threading.Lock()
_said: dict[str, int] = {}  # what goes on alone → the minute in which the log was last told


def client() -> redis.Redis:
    """The client of this process, made on first use so that every fork has its own."""
    return _client(os.getpid(), settings.REDIS_URL)


def script(text: str) -> Script:
    """A Lua script, to be called with `keys`, `args` and, in a pipeline, `client`."""
    return _script(text, os.getpid(), settings.REDIS_URL)


@lru_cache(maxsize=16)
def _script(text: str, _pid: int, _url: str) -> Script:
    return client().register_script(text)


@lru_cache(maxsize=2)
def _client(_pid: int, url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),  # one stale pooled connection is no outage
    )


def count(name: str, *, window: int, now: float) -> int:
    """Count one more `name` in the window of `window` seconds that holds `now` (Unix time).

    Returns how many there were, this one included. When Redis is away this process counts for
    itself: limits get looser, nobody is locked out.
    """
    slot = int(now) // window
    try:
        with client().pipeline(transaction=False) as pipe:
            pipe.incr(f"mooring:count:{name}:{slot}")
            pipe.expire(f"mooring:count:{name}:{slot}", window)
            return int(pipe.execute()[0])
    except Away as away:
        say_away("counting", away, now=now)
        return _count_alone(name, slot)


def seconds_left(*, window: int, now: float) -> int:
    """Seconds until the window that holds `now` ends."""
    return window - int(now) % window


def say_away(doing: str, away: Exception, *, now: float) -> None:
    """Tell the log, at most once a minute, that `doing` goes on alone. `now`: Unix time."""
    minute = int(now) // 60
    if _said.get(doing) != minute:
        _said[doing] = minute
        log.warning("%s alone, Redis is away", doing, extra={"reason": type(away).__name__})


def _count_alone(name: str, slot: int) -> int:
    with _guard:
        if len(_own) > 10_000:  # addresses are endless
            _own.clear()
        known, before = _own.get(name, (slot, 0))
        _own[name] = (slot, before + 1 if known == slot else 1)
        return _own[name][1]
