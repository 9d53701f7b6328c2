"""The relay: sends what waits in the outbox, at least once, until it is taken or given up.

The main thread claims, opens secrets and stores; threads get frozen values, post them through the
door and touch no database. Rows are leased one by one, so a second relay beside it does no harm.
An endpoint holds two threads at most, and of one lane one event, until that was tried once: what
is slow or away holds up nobody else.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from uuid import UUID

import structlog
from django.conf import settings

from bindings.models import Dispatch, Endpoint
from bindings.services.custody import sealed
from bindings.services.custody.door import rules_for_endpoints
from bindings.services.custody.sealed import Undecryptable
from bindings.services.tell import post, waiting, wake
from bindings.services.tell.post import Parcel
from bindings.services.tell.waiting import Answered, Leased, Outcome
from portal.ground import rls
from portal.ground.refusals import NotYours
from portal.tenants.access import Actor
from portal.tenants.services import events
from providers.fanout import Crew
from providers.types import Rules

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""Threads one endpoint may hold; one while it fails."""
IN_A_ROW = 4
"""Events one thread sends to an endpoint one after the other."""
AHEAD = 32
"""Rows leased for one endpoint, those on their way included."""
LOOK_SECONDS = 1.0
FLUSH_ROWS, FLUSH_SECONDS = 500, 0.1


@dataclass
class Result:
    """What one slice did."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        found = ", ".join(f"{name} {n}" for name, n in sorted(self.outcomes.items()))
        return f"{self.sent} sent" + (f" ({found})" if found else "")


def utc_now() -> datetime:
    return datetime.now(UTC)


def run(
    *,
    budget_s: float = 55.0,
    once: bool = False,
    clock: Callable[[], datetime] = utc_now,
    stopping: Callable[[], bool] = lambda: False,
) -> Result:
    """Send what is due until `budget_s` has passed, or with `once` until nothing is due any more.

    `stopping` is asked all the time: then nothing more is claimed, running requests end, their
    answers are stored, and unused leases are handed back. After a crash they run out.
    """
    return _Relay(budget_s, once, clock, stopping).run()


def replay(*, actor: Actor, dispatch: Dispatch) -> None:
    """Send a dispatch once more, now: the same event and body, a new time and signature. Raises
    NotYours."""
    now = utc_now()
    with rls.tenant(dispatch.tenant_id):
        found = Dispatch.objects.of(dispatch.tenant_id).filter(pk=dispatch.pk)
        if not found.update(state="waiting", tries=0, next_at=now, delivered_at=None):
            raise NotYours
        events.record(
            tenant_id=dispatch.tenant_id,
            type="delivery.replayed",
            actor=actor.event(),
            at=now,
            data={"delivery": dispatch.public_id, "endpoint": dispatch.endpoint.public_id},
        )
        wake.ring()


@dataclass
class _Lane:
    """One endpoint: what is leased for it, and how much of that is on its way."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)
    failing: bool
    leased: deque[Leased] = field(default_factory=deque)
    under_way: int = 0
    drained: bool = False  # the last claim found less than was asked for

    @property
    def at_once(self) -> int:
        return 1 if self.failing else AT_ONCE

    @property
    def wanted(self) -> int:
        held = len(self.leased) + self.under_way * IN_A_ROW
        if self.drained:
            return 0
        return AHEAD - held if held * 2 <= AHEAD else 0


class _Relay:
    def __init__(
        self,
        budget_s: float,
        once: bool,
        clock: Callable[[], datetime],
        stopping: Callable[[], bool],
    ) -> None:
        self.until, self.once = time.monotonic() + budget_s, once
        self.clock, self.stopping = clock, stopping
        self.rules: Rules = rules_for_endpoints()
        self.crew: Crew[Parcel, list[Answered]] = Crew(
            post.send, threads=settings.MOORING_SWEEP_THREADS
        )
        self.lanes: dict[UUID, _Lane] = {}
        self.shut: set[UUID] = set()
        self.enough = Event()
        self.outcomes: list[Outcome] = []
        self.result = Result()
        self.looked = self.flushed = 0.0
        self.rung = True

    def run(self) -> Result:
        try:
            while not self._over():
                self._claim()
                self._hand_out()
                if self.once and not self.crew.under_way and not self.outcomes:
                    break
                self._collect()
            self._finish()
        finally:
            self.enough.set()
            self.crew.close()
        return self.result

    def _over(self) -> bool:
        return time.monotonic() >= self.until or self.stopping()

    # -- claiming --------------------------------------------------------------------------------

    def _claim(self) -> None:
        """Lease more: of known lanes when they run low, of all when somebody rang or a second has
        passed."""
        now = time.monotonic()
        if self.rung or now - self.looked >= LOOK_SECONDS:
            self.looked, self.rung = now, False
            self._look()
        if not self.crew.free or not any(lane.wanted for lane in self.lanes.values()):
            return
        self._flush()  # the next of a lane can be claimed once the one before is stored
        asked = {key: lane.wanted for key, lane in self.lanes.items() if lane.wanted}
        found = waiting.claim(asked, now=self.clock())
        for row in found:
            self.lanes[row.endpoint_id].leased.append(row)
        many = Counter(row.endpoint_id for row in found)
        for key, places in asked.items():
            self.lanes[key].drained = many[key] < places

    def _look(self) -> None:
        """Find the endpoints that have something due or leased, as they are now."""
        now, known = self.clock(), self.lanes
        busy = [key for key, lane in known.items() if lane.leased or lane.under_way]
        self.lanes = {}
        for endpoint in waiting.endpoints(now, busy):
            secrets = self._secrets(endpoint, now)
            if secrets:
                lane = _Lane(endpoint.url, secrets, endpoint.failing_since is not None)
                if endpoint.pk in known:
                    lane.leased = known[endpoint.pk].leased
                    lane.under_way = known[endpoint.pk].under_way
                self.lanes[endpoint.pk] = lane
        for key in set(busy) - set(self.lanes):
            self._hand_back(known[key])  # switched off, or removed

    def _secrets(self, endpoint: Endpoint, now: datetime) -> tuple[str, ...]:
        try:
            return sealed.shared_secrets(endpoint, now=now)
        except Undecryptable:
            if endpoint.pk not in self.shut:
                self.shut.add(endpoint.pk)
                log.error("an endpoint's secret does not open", endpoint=endpoint.public_id)
            return ()

    # -- sending ---------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give the threads what they may begin at once; whoever was served goes to the end of the
        line. Leases that are nearly over are handed back."""
        stale: list[Leased] = []
        for key, lane in list(self.lanes.items()):
            while lane.leased and lane.under_way < lane.at_once and self.crew.free:
                rows = self._next(lane, stale)
                if rows:
                    lane.under_way += 1
                    self.crew.put(
                        Parcel(rows, lane.url, lane.secrets, self.rules, self.clock, self.enough)
                    )
                    self.lanes[key] = self.lanes.pop(key)
        waiting.give_back(stale, now=self.clock())

    def _next(self, lane: _Lane, stale: list[Leased]) -> tuple[Leased, ...]:
        """A few for one thread, so that it has work while others are claimed and stored."""
        now, rows = self.clock(), list[Leased]()
        most = 1 if lane.failing else max(1, min(IN_A_ROW, len(lane.leased) // lane.at_once))
        while lane.leased and len(rows) < most:
            row = lane.leased.popleft()
            (stale if row.lease - now < waiting.MARGIN else rows).append(row)
        return tuple(rows)

    def _collect(self) -> None:
        """Take what came back; with nothing under way, wait for the bell."""
        if not self.crew.under_way:
            self._flush()
            left = self.until - time.monotonic()
            self.rung = self.once or wake.wait(min(LOOK_SECONDS, max(0.01, left)))
            return
        came = False
        for parcel, answers in self.crew.answers(FLUSH_SECONDS):
            came = True
            self._settle(parcel, answers)
        if not came or time.monotonic() - self.flushed >= FLUSH_SECONDS:
            self._flush()
            self.rung = self.rung or wake.rung()

    def _settle(self, parcel: Parcel, answers: Sequence[Answered]) -> None:
        lane = self.lanes.get(parcel.rows[0].endpoint_id)
        left = parcel.rows[len(answers) :]
        if lane is not None:
            lane.under_way = max(0, lane.under_way - 1)
            lane.drained = False
            lane.leased.extendleft(reversed(left))
        else:
            waiting.give_back(left, now=self.clock())
        for row, answered in zip(parcel.rows, answers, strict=False):
            outcome = waiting.judge(row, answered, now=self.clock())
            self.outcomes.append(outcome)
            self.result.sent += 1
            self.result.outcomes[outcome.word] += 1
        if len(self.outcomes) >= FLUSH_ROWS:
            self._flush()

    # -- storing ---------------------------------------------------------------------------------

    def _flush(self) -> None:
        outcomes, self.outcomes = self.outcomes, []
        self.flushed = time.monotonic()
        if outcomes:
            for key in waiting.store(outcomes, now=self.clock()):
                lane = self.lanes.pop(key, None)  # it was switched off just now
                if lane is not None:
                    self._hand_back(lane)

    def _hand_back(self, lane: _Lane) -> None:
        waiting.give_back(lane.leased, now=self.clock())
        lane.leased.clear()

    def _finish(self) -> None:
        """Let running requests end, store their answers, and hand back what was not begun."""
        self.enough.set()
        for lane in self.lanes.values():
            self._hand_back(lane)
        self.lanes = {}
        while self.crew.under_way:
            for parcel, answered in self.crew.answers(FLUSH_SECONDS):
                self._settle(parcel, answered)
            self._flush()
        self._flush()
