"""Wake the relay: one letter on a Redis list. A signal, never the work: without Redis the relay
looks every second by itself."""

from __future__ import annotations

import time

from portal.ground import redis, rls

BELL = "mooring:outbox"


def ring() -> None:
    """Tell the relay that something was queued, once the open transaction has committed."""
    rls.after(_ring)


def wait(seconds: float) -> bool:
    """Return once somebody has rung, at the latest after `seconds` (1 at most); whether it was
    rung. Without Redis this is a pause."""
    begun = time.monotonic()
    try:
        return redis.client().blpop([BELL], timeout=seconds) is not None
    except redis.Away as away:
        redis.say_away("looking for events", away, now=time.time())
        time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
        return False


def rung() -> bool:
    """Has somebody rung since the last look?"""
    try:
        return redis.client().delete(BELL) > 0
    except redis.Away:
        return False


def _ring() -> None:
    try:
        with redis.client().pipeline(transaction=False) as pipe:
            pipe.lpush(BELL, 1)
            pipe.ltrim(BELL, 0, 0)
            pipe.execute()
    except redis.Away as away:
        redis.say_away("ringing for the relay", away, now=time.time())
