"""Request limits: fixed windows per caller, and the two headers that tell where one stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings

from portal.ground import redis
from portal.ground.refusals import Refusal

WINDOW = 60  # seconds


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands with one policy: what is left of `quota` for `reset` more seconds."""

    policy: str
    quota: int
    left: int
    reset: int


def quota_of(policy: str) -> int:
    """Requests per window and caller: `default` for all calls, `provider` for those that may reach
    a code host."""
    return int(
        {"default": settings.MOORING_RATE_DEFAULT}.get(policy, settings.MOORING_RATE_PROVIDER)
    )


def take(policy: str, who: str, now: float) -> Standing:
    """Count one request of `who` at `now` (Unix seconds); `left` is -1 when it is one too many."""
    quota = quota_of(policy)
    used = redis.count(f"rate:{policy}:{who}", window=WINDOW, now=now)
    left = max(quota - used, -1)
    return Standing(policy, quota, left, redis.seconds_left(window=WINDOW, now=now))


def judge(standings: Collection[Standing]) -> None:
    """Raises Refusal X-RATE-01 when one of them is used up."""
    waits = [standing.reset for standing in standings if standing.left < 0]
    if waits:
        wait = max(waits)
        raise Refusal("X-RATE-01", retry_after=wait, n=wait)


def headers(standings: Collection[Standing]) -> dict[str, str]:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers)."""
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{s.policy}";q={s.quota};w={WINDOW}' for s in standings),
        "RateLimit": ", ".join(f'"{s.policy}";r={max(s.left, 0)};t={s.reset}' for s in standings),
    }
