"""The sweep: one slice of work that asks about everything due, for at most so many seconds.

Claiming, asking and storing overlap. Threads get frozen values and touch no database; this module
runs in the main thread. Another sweep may run beside it: rows are leased one by one.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings

from bindings import state
from bindings.models import CodeHost
from bindings.services.custody.door import door, host_for_accounts, rules_for
from bindings.services.custody.pace import OURS, PACER, Budget, budget_of
from bindings.services.custody.sealed import Undecryptable
from bindings.services.keep import abilities, claim, rehearsal, weather, write
from bindings.services.keep.abilities import Abilities
from bindings.services.keep.claim import Due, Lanes
from bindings.services.keep.guard import Guard
from bindings.services.keep.verdict import Said, context_of, judge, result_of, said
from bindings.services.keep.weather import BREAKS_AFTER, Heard, Saying, Sky
from bindings.services.keep.write import Finding
from portal.ground import metrics
from providers.catalogue import REGISTRY, connect
from providers.errors import ProviderError, RateLimited
from providers.fanout import fan_out
from providers.types import Credential, Host, Inspection, Rules

FLUSH_ROWS, FLUSH_SECONDS = 500, 0.2
ANSWER_WITHIN = 20.0
"""Seconds for all calls about one binding; as long as a worker that has to end waits for them."""


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
    at_once: int
    budget: Budget
    context: dict[str, str]

    @property
    def prefix(self) -> str:
        return REGISTRY[self.slug].spec.prefix

    @property
    def secure(self) -> bool:
        return self.value.api_url.startswith("https:")


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: Inspection | ProviderError
    ms: int


Question = tuple[Due, Credential]


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

    `hosts`: only these. `stopping` is asked between questions: then running requests end, their
    answers are stored, and unused leases are handed back. After a bug they run out by themselves.
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
        self.result, self.guard, self.lanes = Result(), Guard(), Lanes()
        self.places: dict[UUID, _Place] = {}
        self.stored: dict[UUID, Sky] = {}
        self.skies: dict[UUID, Sky] = {}
        self.findings: dict[UUID, Finding] = {}
        self.flushed = time.monotonic()
        self.leased: dict[UUID, Due] = {}

    def run(self) -> Result:
        self._open_lanes()
        threads = settings.MOORING_SWEEP_THREADS
        try:
            answers = fan_out(self._questions(), self._ask, threads=threads, idle=self._flush)
            for (due, _), heard in answers:
                self._judge(due, _Answered(heard, 0) if isinstance(heard, ProviderError) else heard)
        finally:
            self._flush()
            for host_id, sky in self.skies.items():
                weather.turn(host_id, self.stored[host_id], sky, self.clock())
        claim.give_back(self.leased.values(), at=self._again)
        return self.result

    def _open_lanes(self) -> None:
        now = self.clock()
        for host in claim.hosts_to_ask(now) if self.only is None else self.only:
            sky = weather.sky_of(host)
            if sky.down and self.only is None and not weather.take_probe(host, now=now):
                continue
            at_once = host.at_once or REGISTRY[host.provider].spec.at_once
            self.places[host.pk] = _Place(
                host.provider,
                host_for_accounts(host),
                rules_for(host),
                at_once,
                budget_of(host),
                context_of(host),
            )
            self.stored[host.pk] = self.skies[host.pk] = sky
            # Until it has answered once, no more are asked than it takes to know that it is away.
            self.lanes.limits[host.pk] = 1 if sky.down else min(at_once, BREAKS_AFTER)

    # -- asking ----------------------------------------------------------------------------------

    def _questions(self) -> Iterator[Question | None]:
        while not self.lanes.finished() and not self._over():
            asked = self._granted(self.lanes.places(self._left()))
            if not asked:
                yield None
                continue
            rows = claim.claim(asked, now=self.clock())
            self.lanes.took(rows, asked)
            self.leased.update((row.binding_id, row) for row in rows)
            for row in rows:
                if row.drill:
                    self._rehearse(row)
                elif isinstance(row.secret, Undecryptable):
                    self._shut(row, row.secret)
                elif row.host_id in self.lanes.closed or self._over():
                    self.lanes.done(row.host_id)  # its lease is handed back at the end
                else:
                    self.result.asked += 1
                    yield row, row.secret
            while self.lanes.busy() and not self.lanes.places(self._left()):
                yield None

    def _granted(self, wanted: dict[UUID, int]) -> dict[UUID, int]:
        """So many of the places as the hosts' budgets have left. While there are none, and nobody
        answers whose answer could be stored, this waits for the next one."""
        budgets = {host: (self.places[host].budget, n) for host, n in wanted.items()}
        granted, _ = PACER.take(budgets)
        if not any(granted.values()) and not self.lanes.busy():
            self._flush()
            time.sleep(FLUSH_SECONDS)
        return {host: places for host, places in granted.items() if places}

    def _left(self) -> int | None:
        return None if self.limit is None else self.limit - self.result.asked

    def _over(self) -> bool:
        enough = self.limit is not None and self.result.asked >= self.limit
        return enough or time.monotonic() >= self.until or self.stopping()

    def _again(self, host_id: UUID) -> datetime:
        """When a lease that was not used is due again: behind the probe of a host that is away."""
        now, after = self.clock(), self.skies[host_id].ask_after
        return now if after is None else max(now, after)

    def _ask(self, question: Question) -> _Answered:
        """In a thread: frozen values only."""
        due, secret = question
        place, begun = self.places[due.host_id], time.monotonic()
        way = door().within(ANSWER_WITHIN).paced(PACER.paid(place.budget))
        account = connect(place.slug, place.value, secret, door=way, rules=place.rules)
        try:
            answer: Inspection | ProviderError = account.inspect()
        except ProviderError as error:
            answer = error
        return _Answered(answer, int((time.monotonic() - begun) * 1000))

    # -- judging ---------------------------------------------------------------------------------

    def _judge(self, due: Due, heard: _Answered) -> None:
        if isinstance(heard.answer, RateLimited) and heard.answer.reason == OURS:
            self.lanes.done(due.host_id)  # we were too many; its lease is handed back at the end
            return
        now, place = self.clock(), self.places[due.host_id]
        verdict = judge(
            due.facts,
            heard.answer,
            host_id=due.host_id,
            generation=due.facts.generation,
            guard=None if due.drill else self.guard,
            now=now,
        )
        why = said(
            heard.answer,
            verdict,
            provider=place.slug,
            login=due.login,
            context=place.context,
            now=now,
        )
        proofs = self._proofs(due, heard.answer, now)
        finding = Finding(due, verdict, heard.ms, why, proofs, secure=place.secure)
        self._settled(due, finding, result_of(heard.answer))
        if not due.drill:
            self._weather(due.host_id, heard.answer, verdict, why, now)

    def _rehearse(self, due: Due) -> None:
        """A fire drill: its scenario answers, and nobody is asked."""
        scenario, provider = rehearsal.Scenario(due.drill), self.places[due.host_id].slug
        answer = rehearsal.answer(scenario, due.facts, provider=provider, login=due.login)
        self._judge(due, _Answered(answer, 0))

    def _weather(
        self,
        host_id: UUID,
        answer: Inspection | ProviderError,
        verdict: state.Verdict,
        why: Said,
        now: datetime,
    ) -> None:
        heard, wait = weather.heard_in(answer, verdict, self.places[host_id].slug)
        was = self.skies[host_id]
        sky = self.skies[host_id] = was.after(heard, now, wait)
        if heard is Heard.ANSWER:
            self.lanes.limits[host_id] = self.places[host_id].at_once
        if heard is Heard.WAIT or sky.down:
            self.lanes.closed.add(host_id)
        if (sky.down, sky.ask_after) != (was.down, was.ask_after):
            self._flush()  # what a turn does to all bindings of a host builds on what is stored
            saying = Saying(verdict.facts.reach_why, why.reach)
            weather.turn(host_id, self.stored[host_id], sky, now, saying)
            self.stored[host_id] = sky

    def _proofs(
        self, due: Due, answer: Inspection | ProviderError, now: datetime
    ) -> Abilities | None:
        """The abilities that this answer has turned; most answers are not even looked at."""
        if not isinstance(answer, Inspection) or answer.identity.id != due.facts.account_id:
            return None
        if not answer.missing and '"ok": false' not in due.proofs:
            return None
        prefix = self.places[due.host_id].prefix
        return abilities.turned(json.loads(due.proofs), answer, prefix=prefix, now=now)

    def _shut(self, due: Due, shut: Undecryptable) -> None:
        """Nothing was asked: the credential does not open. Nothing of it is overwritten."""
        why = state.Why.KEY_MISSING if shut.missing else state.Why.WRONG_TAG
        verdict = state.undecryptable(due.facts, why, self.clock())
        code = f"{self.places[due.host_id].prefix}-TOK-09"
        self._settled(
            due, Finding(due, verdict, 0, Said(code, {"key": shut.key_id})), "undecryptable"
        )

    # -- storing ---------------------------------------------------------------------------------

    def _settled(self, due: Due, finding: Finding, outcome: str) -> None:
        self.lanes.done(due.host_id)
        self.leased.pop(due.binding_id, None)
        self.result.outcomes[outcome] += 1
        metrics.checks.labels(self.places[due.host_id].slug, outcome).inc()
        if due.binding_id in self.findings:
            self._flush()  # one statement holds one answer of a binding
        self.findings[due.binding_id] = finding
        waited = time.monotonic() - self.flushed
        if len(self.findings) >= FLUSH_ROWS or waited >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        findings, self.findings = list(self.findings.values()), {}
        self.result.changed += write.store(findings, now=self.clock())
        self.flushed = time.monotonic()
        if self.progress is not None:
            self.progress(self.result)
