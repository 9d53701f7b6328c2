"""What all bindings of one host say together: is it away, and when may it be asked again?

A host that does not answer costs one probe, not one per binding. Rows of the host are few and
change rarely; what a sweep learns stays in memory until something has turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import F

from bindings import state
from bindings.models import Binding, CodeHost, facts
from bindings.services.tell import outbox
from bindings.state import Reach, Verdict
from portal.ground import rls
from portal.tenants.services import events
from providers.catalogue import REGISTRY
from providers.errors import MAX_WAIT, ProviderError, RateLimited, Unreachable
from providers.types import Inspection

log = structlog.get_logger(__name__)

BREAKS_AFTER = 5  # failures in a row (security.md 6)
FIRST_PAUSE, LAST_PAUSE = timedelta(minutes=1), timedelta(minutes=15)
_DARK = state.UNREACHABLE_AFTER  # for all bindings of a host as for one of them (G14)
_BATCH = 1000


class Heard(StrEnum):
    """What one answer says about its host."""

    ANSWER = "answer"
    FAILURE = "failure"
    WAIT = "wait"  # the host asks everybody to wait


@dataclass(frozen=True, slots=True)
class Sky:
    """One host. `ask_after` None: it may be asked at any time."""

    down: bool = False
    failing_since: datetime | None = None
    failures: int = 0
    ask_after: datetime | None = None

    def after(self, heard: Heard, now: datetime, wait: float = 0.0) -> Sky:
        """The sky after one more answer; `wait`: the seconds that WAIT asks for."""
        if heard is Heard.ANSWER:
            if self == _CLEAR:
                return self
            # One that was under way when the host asked to wait does not end the waiting.
            waits = not self.down and self.ask_after is not None and self.ask_after > now
            return Sky(ask_after=self.ask_after if waits else None)
        if heard is Heard.WAIT:
            until = now + timedelta(seconds=min(wait, MAX_WAIT))
            return replace(self, ask_after=max(until, self.ask_after or until))
        since, count = self.failing_since or now, self.failures + 1
        if count < BREAKS_AFTER and not self.down:
            return Sky(False, since, count)
        # One probe a minute at first, then a tenth of the time that it has been away.
        pause = min(max((now - since) / 10, FIRST_PAUSE), LAST_PAUSE)
        return Sky(True, since, count, now + pause)

    def is_dark(self, now: datetime) -> bool:
        """Has it been away for so long that all its bindings are out of reach?"""
        count, span = _DARK
        since = self.failing_since
        return self.failures >= count and since is not None and now - since >= span


_CLEAR = Sky()


@dataclass(frozen=True, slots=True)
class Saying:
    """Why a host is away, as its bindings are going to say it."""

    why: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def sky_of(host: CodeHost) -> Sky:
    """What is stored about a host."""
    return Sky(host.weather == "down", host.failing_since, host.failures, host.ask_after)


def heard_in(
    answer: Inspection | ProviderError, verdict: Verdict, provider: str
) -> tuple[Heard, float]:
    """What an answer and its verdict say about the host, and the seconds it asks all to wait."""
    if isinstance(answer, RateLimited):
        own = answer.reason == "login_lockout" or (
            answer.reason == "limit" and REGISTRY[provider].spec.quota_per_account
        )
        return (Heard.ANSWER, 0.0) if own else (Heard.WAIT, answer.retry_after)
    if isinstance(answer, Unreachable) and answer.retry_after is not None:
        return Heard.WAIT, answer.retry_after
    failed = verdict.facts.failures > verdict.was.failures
    return (Heard.FAILURE if failed else Heard.ANSWER), 0.0


def turn(host_id: UUID, was: Sky, now_is: Sky, now: datetime, said: Saying | None = None) -> None:
    """Store what has turned, and let the bindings follow: dark when it has been away for a quarter
    of an hour, asked again when it is back. Opens the fleet's scope."""
    if now_is == was:
        return
    with rls.fleet("the weather of a host"):
        CodeHost.objects.filter(pk=host_id).update(
            weather="down" if now_is.down else "ok",
            failing_since=now_is.failing_since,
            failures=now_is.failures,
            ask_after=now_is.ask_after,
        )
    if now_is.down and said is not None and now_is.is_dark(now):
        log.warning("a host is away", host=str(host_id), bindings=_darken(host_id, said, now))
    elif was.down and not now_is.down:
        log.info("a host is back", host=str(host_id), bindings=wake(host_id, now))


def hear(
    host: CodeHost,
    answer: Inspection | ProviderError,
    verdict: Verdict,
    said: Mapping[str, Any],
    now: datetime,
) -> None:
    """Take in one answer that came outside a sweep. Opens the fleet's scope."""
    with rls.fleet("the weather of a host"):
        was = sky_of(CodeHost.objects.get(pk=host.pk))
    heard, wait = heard_in(answer, verdict, host.provider)
    turn(host.pk, was, was.after(heard, now, wait), now, Saying(verdict.facts.reach_why, said))


def take_probe(host: CodeHost, *, now: datetime) -> bool:
    """Whether we are the one to ask a host that is away. One of its bindings is made due, if none
    is. Opens the fleet's scope."""
    with rls.fleet("probe a host that is away"):
        mine = CodeHost.objects.filter(pk=host.pk, weather="down", ask_after__lte=now).update(
            ask_after=now + FIRST_PAUSE
        )
        if mine:
            with connection.cursor() as cursor:
                cursor.execute(_NEXT, {"host": host.pk, "now": now})
    return bool(mine)


_NEXT = """
UPDATE bindings_schedule SET next_check_at = %(now)s
WHERE next_check_at > %(now)s AND binding_id = (
  SELECT s.binding_id FROM bindings_schedule s
  WHERE s.host_id = %(host)s AND s.next_check_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM bindings_binding b WHERE b.id = s.binding_id AND b.drill <> '')
  ORDER BY s.next_check_at LIMIT 1 FOR UPDATE OF s SKIP LOCKED)
"""


def wake(host_id: UUID, now: datetime) -> int:
    """The host is back: its dark bindings are due, and asked at the pace of the host. How many.
    Opens the fleet's scope, once a batch."""
    woken = 0
    while True:
        with rls.fleet("a host is back"), connection.cursor() as cursor:
            cursor.execute(_WAKE, {"host": host_id, "now": now, "most": _BATCH})
            rows = int(cursor.rowcount)
        woken += rows
        if rows < _BATCH:
            return woken


_WAKE = """
UPDATE bindings_schedule SET next_check_at = %(now)s
WHERE binding_id IN (
  SELECT s.binding_id FROM bindings_schedule s
  JOIN bindings_binding b ON b.id = s.binding_id
  WHERE b.host_id = %(host)s AND b.unbound_at IS NULL AND b.reach = 'unreachable'
    AND s.next_check_at > %(now)s
  LIMIT %(most)s FOR UPDATE OF s SKIP LOCKED)
"""


def _darken(host_id: UUID, said: Saying, now: datetime) -> int:
    """All bindings of a host are out of reach, though only probes were made: one UPDATE a batch,
    and nothing about credentials. How many turned."""
    turned, after = 0, UUID(int=0)
    while True:
        with rls.fleet("a host is away"):
            rows = list(
                Binding.objects.select_for_update(skip_locked=True)
                .filter(host_id=host_id, unbound_at=None, drill="", pk__gt=after)
                .exclude(reach=Reach.UNREACHABLE)
                .order_by("pk")[:_BATCH]
            )
            found = [(row, state.darkened(facts.of(row), said.why, now)) for row in rows]
            turned += _store([(row, verdict) for row, verdict in found if verdict.changed], said)
        if not rows:
            return turned
        after = rows[-1].pk


def _store(found: list[tuple[Binding, Verdict]], said: Saying) -> int:
    if not found:
        return 0
    _, first = found[0]
    Binding.objects.filter(pk__in=[row.pk for row, _ in found]).update(
        reach=first.reach,
        reach_since=first.facts.reach_since,
        reach_why=said.why,
        reach_facts=dict(said.facts),
        reach_until=None,
        version=F("version") + 1,
    )
    entries = []
    for row, verdict in found:
        facts.apply(row, verdict.facts)
        row.version += 1
        entries += outbox.of_verdict(row, verdict, at=first.facts.reach_since or row.reach_since)
    events.record_many(entries)
    return len(found)
