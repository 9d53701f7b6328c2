"""How many requests of git run at once: eight of a lease, and a share of a tenant's.

All processes count together in Redis; without it each counts its own. A place that nobody keeps is
free again after some minutes, so that a killed process blocks nobody.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bindings.models import Lease
from bindings.services.clone import words
from portal.ground import redis

OF_TENANT = 64
_HELD_MS = 180_000  # well over two idle deadlines: each look keeps the place
_alone: Counter[str] = Counter()
_guard = threading.Lock()


class Place:
    """One running request."""

    def __init__(self, lease: Lease) -> None:
        self._names = [f"mooring:clones:{lease.pk}", f"mooring:clones:of:{lease.tenant_id}"]
        self._word = secrets.token_hex(8)
        self._by_itself = False

    def take(self) -> None:
        """Raises TurnedAway 429 when there is none."""
        limits = (words.AT_ONCE, OF_TENANT)
        try:
            full = redis.script(_TAKE)(
                keys=self._names, args=[*limits, _HELD_MS, self._word], client=redis.client()
            )
        except redis.Away as away:
            redis.say_away("counting clones", away, now=time.time())
            full = self._take_alone(limits)
        if full:
            raise words.too_many() if full == 1 else words.too_many_of_tenant()

    def keep(self) -> None:
        """Still here."""
        self._if_there(_KEEP)

    def leave(self) -> None:
        if self._by_itself:
            with _guard:
                _alone.subtract(self._names)
                for name in self._names:
                    if _alone[name] <= 0:
                        del _alone[name]
        else:
            self._if_there(_LEAVE)

    def _take_alone(self, limits: tuple[int, int]) -> int:
        with _guard:
            for number, (name, most) in enumerate(zip(self._names, limits, strict=True), 1):
                if _alone[name] >= most:
                    return number
            _alone.update(self._names)
            self._by_itself = True
        return 0

    def _if_there(self, script: str) -> None:
        if self._by_itself:
            return
        try:
            redis.script(script)(
                keys=self._names, args=[self._word, _HELD_MS], client=redis.client()
            )
        except redis.Away as away:
            redis.say_away("counting clones", away, now=time.time())


@contextmanager
def place(lease: Lease) -> Iterator[Place]:
    """A place for as long as the block runs. Raises TurnedAway 429."""
    found = Place(lease)
    found.take()
    try:
        yield found
    finally:
        found.leave()


_NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""
_TAKE = f"""{_NOW}
-- KEYS: places of the lease, of the tenant. ARGV: the most of each, ms until given up, a word
for at = 1, 2 do
  redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', now - tonumber(ARGV[3]))
  if redis.call('ZCARD', KEYS[at]) >= tonumber(ARGV[at]) then return at end
end
for at = 1, 2 do
  redis.call('ZADD', KEYS[at], now, ARGV[4])
  redis.call('PEXPIRE', KEYS[at], ARGV[3])
end
return 0
"""
_KEEP = f"""{_NOW}
for at = 1, 2 do
  redis.call('ZADD', KEYS[at], 'XX', now, ARGV[1])
  redis.call('PEXPIRE', KEYS[at], ARGV[2])
end
"""
_LEAVE = """
for at = 1, 2 do redis.call('ZREM', KEYS[at], ARGV[1]) end
"""
