"""Renewal ahead of the end: one slice of work over everything that is due, for so many seconds.

Claims and answers belong to the main thread, requests to others. Every answer that has come is
stored, whatever else goes wrong: it may be the only copy of a token.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.utils import timezone

from bindings import state
from bindings.models import RefreshIntent, Renewal
from bindings.services.custody import refresh, storing
from bindings.services.custody.intents import SETTLED_AFTER, Claim, Left, claim
from bindings.services.custody.sealed import Undecryptable
from portal.ground import rls
from providers.catalogue import REGISTRY
from providers.errors import ProviderError

log = structlog.get_logger(__name__)

THREADS = 20
BATCH = 500
_LOOK = 0.5


@dataclass
class Result:
    """What one slice did."""

    asked: int = 0
    replayed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        found = ", ".join(f"{name} {n}" for name, n in sorted(self.outcomes.items()))
        return f"{self.asked} asked" + (f" ({found})" if found else "")


@dataclass(frozen=True, slots=True)
class Due:
    """One credential that is due. `places`: how many of its host may be under way at once."""

    tenant_id: UUID
    binding_id: UUID
    host_id: UUID
    purpose: Renewal
    places: int


Clock = Callable[[], datetime]

# One host that is away is asked by one request; hosts that refuse our app, or ask to wait, by none.
_DUE = """
SELECT c.tenant_id, c.binding_id, b.host_id, c.refresh IS NOT NULL, h.at_once, h.weather, h.provider
FROM bindings_credential c
JOIN bindings_binding b ON b.id = c.binding_id
JOIN bindings_codehost h ON h.id = b.host_id
LEFT JOIN bindings_refreshintent i ON i.binding_id = c.binding_id
WHERE c.renew_at <= %(now)s AND b.unbound_at IS NULL AND b.status = ANY (%(usable)s)
  AND h.enabled
  AND (h.ask_after IS NULL OR h.ask_after <= %(now)s)
  AND (h.renew_after IS NULL OR h.renew_after <= %(now)s)
  AND (i.deadline IS NULL OR i.deadline <= %(now)s)
ORDER BY c.renew_at LIMIT %(most)s
"""


def due(now: datetime, *, most: int = BATCH) -> list[Due]:
    """What is to be renewed now, longest due first. Opens the fleet's scope."""
    given: dict[str, Any] = {
        "now": now,
        "usable": [status.value for status in state.USABLE],
        "most": most,
    }
    with rls.fleet("credentials that are due for renewal"), connection.cursor() as cursor:
        cursor.execute(_DUE, given)
        rows = cursor.fetchall()
    return [_due(*row) for row in rows]


def forget_ended(now: datetime) -> int:
    """Drop intents of bindings that have ended: their endings look after what is left at the host.
    How many. Opens the fleet's scope."""
    with rls.fleet("intents of ended bindings"):
        over = RefreshIntent.objects.filter(
            binding__unbound_at__isnull=False, deadline__lt=now - SETTLED_AFTER
        )
        return int(over.delete()[0])


def run(
    *,
    budget_s: float = 55.0,
    clock: Clock = timezone.now,
    stopping: Callable[[], bool] = lambda: False,
    threads: int = THREADS,
) -> Result:
    """Renew what is due until nothing is left or `budget_s` has passed. `stopping` is asked before
    each claim; requests under way are waited for. Raises the first trouble there was, at the end.
    """
    return _Upkeep(budget_s, clock, stopping, threads).run()


class _Upkeep:
    def __init__(
        self, budget_s: float, clock: Clock, stopping: Callable[[], bool], threads: int
    ) -> None:
        self.until, self.clock, self.stopping = time.monotonic() + budget_s, clock, stopping
        self.threads, self.result = threads, Result()
        self.seen: set[UUID] = set()
        self.busy: Counter[UUID] = Counter()
        self.running: dict[Future[Any], Claim] = {}
        self.trouble: list[BaseException] = []

    def run(self) -> Result:
        now = self.clock()
        self.result.replayed = storing.replay(now=now)
        forget_ended(now)
        with ThreadPoolExecutor(self.threads, thread_name_prefix="renew") as crew:
            try:
                while not self._over() and (waiting := self._waiting()):
                    while waiting and not self._over():
                        self._begin(crew, waiting)
                        self._collect()
            finally:
                self._drain()
        if self.trouble:
            raise self.trouble[0]
        return self.result

    def _drain(self) -> None:
        """Take all answers that are still to come; what goes wrong with one stops no other."""
        try:
            while self.running:
                self._collect()
        finally:
            if self.running:
                self._drain()

    def _waiting(self) -> list[Due]:
        found = [one for one in due(self.clock()) if one.binding_id not in self.seen]
        self.seen.update(one.binding_id for one in found)
        return found

    def _over(self) -> bool:
        return bool(self.trouble) or time.monotonic() >= self.until or self.stopping()

    def _begin(self, crew: ThreadPoolExecutor, waiting: list[Due]) -> None:
        """Claim as many as there are free threads and places: a claim never waits for a thread, its
        deadline runs."""
        for one in [one for one in waiting if self.busy[one.host_id] < one.places]:
            if len(self.running) >= self.threads or self._over():
                return
            if self.busy[one.host_id] >= one.places:
                continue
            waiting.remove(one)
            mine = self._claim(one)
            if mine is not None:
                self.result.asked += 1
                self.busy[one.host_id] += 1
                self.running[crew.submit(refresh.ask, mine)] = mine

    def _claim(self, one: Due) -> Claim | None:
        try:
            found = claim(
                tenant_id=one.tenant_id,
                binding_id=one.binding_id,
                purpose=one.purpose,
                now=self.clock(),
                due=True,
            )
        except Undecryptable as shut:
            log.error("a credential that is due does not open", key=shut.key_id)
            return None
        except DatabaseTrouble as trouble:
            self.trouble.append(trouble)
            return None
        if isinstance(found, Left):
            self.result.outcomes[found.value] += 1
            return None
        return found

    def _collect(self) -> None:
        done, _ = wait(self.running, timeout=_LOOK, return_when=FIRST_COMPLETED)
        for future in done:
            mine = self.running.pop(future)
            self.busy[mine.host.pk] -= 1
            self._settle(mine, future)

    def _settle(self, mine: Claim, future: Future[Any]) -> None:
        bug = future.exception()
        if bug is not None and not isinstance(bug, ProviderError):
            self.trouble.append(bug)  # its intent stays, and says what is in doubt
            return
        answer = bug if isinstance(bug, ProviderError) else future.result()
        try:
            outcome = refresh.settle(mine, answer, now=self.clock())
        except DatabaseTrouble as trouble:
            self.trouble.append(trouble)
        else:
            self.result.outcomes[outcome.result.value] += 1


def _due(
    tenant_id: UUID,
    binding_id: UUID,
    host_id: UUID,
    pair: bool,
    at_once: int | None,
    weather: str,
    provider: str,
) -> Due:
    places = at_once or REGISTRY[provider].spec.at_once
    return Due(
        tenant_id=tenant_id,
        binding_id=binding_id,
        host_id=host_id,
        purpose=Renewal.REFRESH if pair else Renewal.ROTATE,
        places=1 if weather == "down" else places,
    )
