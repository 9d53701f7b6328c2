"""How often hosts are asked: a budget for any minute, which all processes share through Redis.

Sweeps take places before they claim, evenly spread. Calls that somebody waits for go first: while
people use a host, a part of its budget is kept for them. Without Redis each process keeps to its
share; never is there no limit.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any, TypeVar

from bindings.models import CodeHost
from portal.ground import metrics, redis
from providers.catalogue import REGISTRY
from providers.errors import RateLimited
from providers.http import Pace
from providers.types import Headers

PROCESSES = 4
"""That ask hosts: among so many a budget is divided while they cannot count together."""
OURS = "pace"
"""The reason of a RateLimited that we raise ourselves: nothing was asked, the host said nothing."""
THEIRS = "of-tenants"
"""The label of all servers that tenants typed."""
PATIENCE = 10.0
"""Seconds that one call waits for its turn."""
_MARGIN = 1.01  # requests arrive a little after they were counted

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Budget:
    """`most` requests in any window to the host that is called `name` among all hosts. `provider`
    and `label`: how the figures call it."""

    name: str
    most: int
    provider: str = ""
    label: str = ""


def budget_of(host: CodeHost) -> Budget:
    """What an operator allows for this host, else what its provider bears (performance.md 6).

    Hosts share nothing (product.md M3). The name is made of what makes a host unique, not of its
    key, so that an address somebody tries again and again is one host before it is stored.
    """
    most = host.per_minute or REGISTRY[host.provider].spec.per_minute
    # The name of a tenant's own server says who the tenant is; it never stands in a figure.
    label = host.slug if host.owner_id is None else THEIRS
    name = f"{host.owner_id or ''}:{host.provider}:{host.base_url}"
    return Budget(name, most, host.provider, label)


class Pacer:
    """Counts the requests of all processes to each origin. `window`: seconds."""

    def __init__(self, *, window: float = 60.0, processes: int = PROCESSES) -> None:
        self._window, self._processes = window, processes
        self._alone: dict[str, float] = {}
        self._guard = threading.Lock()

    def take(self, wanted: Mapping[Key, tuple[Budget, int]]) -> tuple[dict[Key, int], float]:
        """Places for requests that nobody waits for: how many of those wanted may be sent now,
        and the seconds until there may be one more."""
        if not wanted:
            return {}, 0.0
        try:
            with redis.client().pipeline(transaction=False) as pipe:
                for budget, places in wanted.values():
                    self._ask(pipe, budget, places, someone_waits=False)
                found = pipe.execute()
        except redis.Away as away:
            redis.say_away("pacing", away, now=time.time())
            found = [self._share(budget, places) for budget, places in wanted.values()]
        granted = {key: int(n) for key, (n, _) in zip(wanted, found, strict=True)}
        return granted, min(int(ms) for _, ms in found) / 1000

    def people(self, budget: Budget) -> Pace:
        """The pace of calls that somebody waits for."""
        return _Turns(self, budget)

    def paid(self, budget: Budget) -> Pace:
        """The pace of a sweep's calls about one binding: the first has its place already."""
        return _Turns(self, budget, paid=1)

    def one(self, budget: Budget) -> float:
        """Take one place; 0, or the seconds after which to try again."""
        try:
            granted, ms = self._ask(redis.client(), budget, 1, someone_waits=True)
        except redis.Away:
            granted, ms = self._share(budget, 1)
        return 0.0 if granted else max(int(ms), 1) / 1000

    def _ask(self, to: redis.Client, budget: Budget, places: int, *, someone_waits: bool) -> Any:
        name = f"mooring:pace:{budget.name}"
        window = int(self._window * _MARGIN * 1000)
        given: list[int | str] = [budget.most, window, places, int(someone_waits)]
        given.append(secrets.token_hex(6))
        return redis.script(_TAKE)(
            keys=[name, f"{name}:next", f"{name}:people"], args=given, client=to
        )

    def _share(self, budget: Budget, places: int) -> tuple[int, int]:
        """What `_TAKE` answers, for this process alone."""
        gap = self._window * self._processes / budget.most
        now = time.monotonic()
        with self._guard:
            at = max(self._alone.get(budget.name, 0.0), now - max(gap, 1.0))
            granted = min(places, floor((now - at) / gap))
            self._alone[budget.name] = at = at + granted * gap
        return granted, int(max(at + gap - now, 0.0) * 1000)


class _Turns:
    """One caller's requests, each in its turn."""

    def __init__(self, pacer: Pacer, budget: Budget, *, paid: int = 0) -> None:
        self._pacer, self._budget, self._paid = pacer, budget, paid
        self._sent = time.monotonic()

    def wait(self, origin: str) -> None:
        if self._paid:
            self._paid -= 1
        else:
            self._queue()
        self._sent = time.monotonic()

    def _queue(self) -> None:
        ends = time.monotonic() + PATIENCE
        while pause := self._pacer.one(self._budget):
            if time.monotonic() + pause > ends:
                raise RateLimited(OURS, "more was asked than this host bears", retry_after=pause)
            time.sleep(pause)

    def learn(self, origin: str, headers: Headers, status: int) -> None:
        """Counted; what a host says of its own limits is the weather's, and the binding's."""
        budget, took = self._budget, time.monotonic() - self._sent
        outcome = _outcome(status)
        metrics.provider_requests.labels(budget.provider, budget.label, outcome).inc()
        metrics.provider_request_seconds.labels(budget.provider).observe(took)


def _outcome(status: int) -> str:
    """A status in one word. 0: no usable answer came."""
    if status == 0:
        return "unreachable"
    if status < 400:
        return "ok"
    known = {401: "refused", 403: "refused", 429: "rate_limited"}
    return known.get(status, "rejected" if status < 500 else "failed")


PACER = Pacer()
"""The one of this process."""


_TAKE = """
-- KEYS: requests of the last window by time; when the next of a sweep is due; are people about?
-- ARGV: budget, window in ms, places wanted, does somebody wait?, a word nobody else has
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local budget, window, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local used = redis.call('ZCARD', KEYS[1])
local granted, wait, kept = math.min(wanted, budget - used), 0, 0
if ARGV[4] == '1' then
  redis.call('SET', KEYS[3], 1, 'PX', 5 * window)
else
  kept = math.ceil(budget * (redis.call('EXISTS', KEYS[3]) == 1 and 0.3 or 0.02))
  if budget - kept < 1 then kept = budget - 1 end
  -- Evenly: a second's worth at once, five at least, then one each `gap`.
  local gap = window / budget
  local idle = now - math.max(5 * gap, 1000)
  local due = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), idle)
  granted = math.max(math.min(wanted, budget - used - kept, math.floor((now - due) / gap)), 0)
  due = due + granted * gap
  redis.call('SET', KEYS[2], string.format('%.3f', due), 'PX', 2 * window)
  wait = math.max(math.ceil(due + gap - now), 1)
end
granted = math.max(granted, 0)
for place = 1, granted do redis.call('ZADD', KEYS[1], now, ARGV[5] .. place) end
if granted > 0 then redis.call('PEXPIRE', KEYS[1], 2 * window) end
local over = used + granted + kept + 1 - budget
if over > 0 and used + granted > 0 then
  local oldest = redis.call('ZRANGE', KEYS[1], math.min(over, used + granted) - 1, -1, 'WITHSCORES')
  wait = math.max(wait, oldest[2] + window - now + 1)
end
return {granted, wait}
"""
