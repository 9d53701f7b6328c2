"""The sweep: one slice of work that asks about everything due, for at most so many seconds.

Claiming, asking and storing overlap. Threads get frozen values and touch no database; this module
runs in the main thread. Another sweep may run beside it: rows are leased one by one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import structlog
from django.conf import settings

from bindings import problems, state
from bindings.models import CodeHost
from bindings.services.custody.door import door, host_value, rules_for
from bindings.services.custody.sealed import Undecryptable
from bindings.services.keep import claim, write
from bindings.services.keep.claim import Due, Lanes
from bindings.services.keep.weather import Breaker, Guard
from bindings.services.keep.write import Finding
from providers.catalogue import REGISTRY, connect
from providers.errors import BadAnswer, ProviderError, RateLimited, TokenRejected
from providers.fanout import fan_out
from providers.types import Host, Inspection, Rules

log = structlog.get_logger(__name__)

FLUSH_ROWS, FLUSH_SECONDS = 500, 0.2


@dataclass
class Result:
    """What one slice did."""

    asked: int = 0
    changed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        found = ", ".join(f"{name} {n}" for name, n in sorted(self.outcomes.items()))
        return f"{self.asked} checked, {self.changed} changed" + (f" ({found})" if found else "")


@dataclass(frozen=True, slots=True)
class _Place:
    """A host as the threads may know it."""

    slug: str
    value: Host
    rules: Rules


@dataclass(frozen=True, slots=True)
class _Heard:
    answer: Inspection | ProviderError
    ms: int


def utc_now() -> datetime:
    return datetime.now(UTC)


def run(
    *,
    budget_s: float = 55.0,
    limit: int | None = None,
    hosts: list[CodeHost] | None = None,
    clock: Callable[[], datetime] = utc_now,
    progress: Callable[[Result], None] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Result:
    """Check what is due until nothing is left, `budget_s` has passed, or `limit` were asked.

    `hosts`: only these. `stopping` is asked between claims: then running requests end, their
    answers are stored, and unused leases are handed back.
    """
    return _Sweep(budget_s, limit, hosts, clock, progress, stopping).run()


class _Sweep:
    def __init__(
        self,
        budget_s: float,
        limit: int | None,
        hosts: list[CodeHost] | None,
        clock: Callable[[], datetime],
        progress: Callable[[Result], None] | None,
        stopping: Callable[[], bool],
    ) -> None:
        self.until, self.limit = time.monotonic() + budget_s, limit
        self.only, self.clock = hosts, clock
        self.progress, self.stopping = progress, stopping
        self.result = Result()
        self.places: dict[UUID, _Place] = {}
        self.lanes = Lanes({})
        self.guard, self.breaker = Guard(), Breaker()
        self.findings: list[Finding] = []
        self.flushed = time.monotonic()
        self.asked: set[UUID] = set()
        self.leased: dict[UUID, Due] = {}

    def run(self) -> Result:
        self._open_lanes()
        try:
            answers = fan_out(self._questions(), self._ask, threads=settings.MOORING_SWEEP_THREADS)
            for due, heard in answers:
                self._judge(due, heard if isinstance(heard, _Heard) else _Heard(heard, 0))
        finally:
            self._flush()
            claim.give_back(self.leased.values(), now=self.clock())
        return self.result

    def _open_lanes(self) -> None:
        for host in self.only if self.only is not None else claim.hosts_with_work(self.clock()):
            try:
                value = host_value(host)
            except Undecryptable:
                log.error("the client secret of a host does not open", host=host.slug)
                value = Host(host.base_url, host.api_url)
            self.places[host.pk] = _Place(host.provider, value, rules_for(host))
            self.lanes.limits[host.pk] = host.at_once or REGISTRY[host.provider].spec.at_once

    def _questions(self) -> Iterator[Due | None]:
        while not self.lanes.finished() and not self._over():
            asked = self._places()
            rows = claim.claim(asked, now=self.clock())
            self.lanes.took(rows, asked)
            self.leased.update((row.binding_id, row) for row in rows)
            for row in rows:
                if row.shut is not None:
                    self._closed(row, row.shut)
                elif row.host_id not in self.lanes.closed:
                    self.result.asked += 1
                    yield row
                else:
                    self.lanes.done(row.host_id)
            yield from claim.waiting(self.lanes)

    def _places(self) -> dict[UUID, int]:
        places = self.lanes.places()
        if self.limit is None:
            return places
        left = self.limit - self.result.asked
        return {host: min(free, left) for host, free in places.items()}

    def _over(self) -> bool:
        enough = self.limit is not None and self.result.asked >= self.limit
        return enough or time.monotonic() >= self.until or self.stopping()

    def _ask(self, due: Due) -> _Heard:
        """In a thread: frozen values only."""
        place, begun = self.places[due.host_id], time.monotonic()
        if due.secret is None:
            raise BadAnswer("protocol")
        account = connect(place.slug, place.value, due.secret, door=door(), rules=place.rules)
        try:
            answer: Inspection | ProviderError = account.inspect()
        except ProviderError as error:
            answer = error
        return _Heard(answer, int((time.monotonic() - begun) * 1000))

    def _judge(self, due: Due, heard: _Heard) -> None:
        now = self.clock()
        self.lanes.done(due.host_id)
        self.leased.pop(due.binding_id, None)
        if self.breaker.heard(due.host_id, heard.answer):
            self.lanes.closed.add(due.host_id)
        verdict = self._verdict(due, heard.answer, now)
        code, said = self._why(due, heard.answer, verdict, now)
        self._add(Finding(due, verdict, heard.ms, code, said))
        self.result.outcomes[_outcome(heard.answer)] += 1

    def _verdict(
        self, due: Due, answer: Inspection | ProviderError, now: datetime
    ) -> state.Verdict:
        confirm = settings.MOORING_CONFIRM_SECONDS
        judged = state.verdict(
            due.facts, answer, now, asked=due.facts.generation, confirm_seconds=confirm
        )
        grave = judged.flips or isinstance(answer, TokenRejected)
        if grave and self.guard.holds(due.host_id, now=now):
            return state.verdict(
                due.facts,
                answer,
                now,
                mass=True,
                asked=due.facts.generation,
                confirm_seconds=confirm,
            )
        return judged

    def _why(
        self, due: Due, answer: Inspection | ProviderError, verdict: state.Verdict, now: datetime
    ) -> tuple[str, dict[str, str]]:
        prefix = REGISTRY[self.places[due.host_id].slug].spec.prefix
        if isinstance(answer, ProviderError):
            code, facts = problems.explain(answer, prefix=prefix, status=verdict.status)
            return code, _plain(facts)
        found = problems.of_status(
            verdict.facts, now, prefix=prefix, missing=verdict.missing, has=answer.scopes
        )
        if verdict.status is not state.Status.INSUFFICIENT or found is None:
            return "", {}
        return found[0], _plain(found[1])

    def _closed(self, due: Due, shut: Undecryptable) -> None:
        """Nothing was asked: the credential does not open. Nothing of it is overwritten."""
        why = state.Why.KEY_MISSING if shut.missing else state.Why.WRONG_TAG
        verdict = state.undecryptable(due.facts, why, self.clock())
        self.lanes.done(due.host_id)
        self.leased.pop(due.binding_id, None)
        prefix = REGISTRY[self.places[due.host_id].slug].spec.prefix
        said = {"key": shut.key_id}
        self._add(Finding(due, verdict, 0, f"{prefix}-TOK-09", said))
        self.result.outcomes["undecryptable"] += 1

    def _add(self, finding: Finding) -> None:
        self.findings.append(finding)
        waited = time.monotonic() - self.flushed
        if len(self.findings) >= FLUSH_ROWS or waited >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        self.result.changed += write.store(self.findings, now=self.clock())
        self.findings, self.flushed = [], time.monotonic()
        if self.progress is not None:
            self.progress(self.result)


def _outcome(answer: Inspection | ProviderError) -> str:
    if isinstance(answer, Inspection):
        return "ok"
    if isinstance(answer, TokenRejected):
        return "refused"
    return "rate_limited" if isinstance(answer, RateLimited) else "unreachable"


def _plain(facts: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items() if value not in ("", None)}
