"""The outbox as the relay sees it: what is due is leased, what came of it is stored.

A lease is `next_at` moved ahead: after a crash the row is simply due again, under the same event
id. Of one lane (a repository's ref) the next event waits until the one before was tried once.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from bindings.models import Endpoint
from bindings.services.tell import outbox
from portal.ground import bulk, ids, metrics, rls
from portal.tenants.models import Event
from portal.tenants.services.events import Entry, plain

LEASE = timedelta(seconds=60)
MARGIN = timedelta(seconds=20)
"""A lease with less left is not begun: an attempt takes up to 15 seconds."""
PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (10, 60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
)
"""Between attempts, ±10 % (api.md 6.1); after the last one it is abandoned."""
PATIENCE = timedelta(days=5)
"""With nothing but failures for so long an endpoint is switched off."""
_ASKED_AT_MOST = timedelta(hours=1)
_ATTEMPTS_KEPT = 20
_TEXT_KEPT = 1024
_HTTP_GONE = 410
_HTTP_ASKS_TO_WAIT = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Leased:
    """One dispatch that is ours until `lease`."""

    id: UUID
    tenant_id: UUID
    endpoint_id: UUID
    event: str
    seq: int
    tries: int
    lease: datetime
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """What an endpoint answered: `status` 0 and the `error` in one word when it did not."""

    at: datetime
    ms: int
    status: int
    error: str = ""
    text: bytes = field(default=b"", repr=False)
    retry_after: str = ""

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a dispatch. `word`: delivered, failed, abandoned or gone."""

    row: Leased
    answered: Answered
    word: str
    next_at: datetime | None


# Endpoints stand in the index one after the other: this jumps from one to the next.
_WITH_SOMETHING = """
WITH RECURSIVE found AS (
  (SELECT endpoint_id FROM bindings_dispatch WHERE state = 'waiting'
   ORDER BY endpoint_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.endpoint_id FROM bindings_dispatch d
          WHERE d.state = 'waiting' AND d.endpoint_id > found.endpoint_id
          ORDER BY d.endpoint_id LIMIT 1)
  FROM found WHERE found.endpoint_id IS NOT NULL)
SELECT e.* FROM found JOIN bindings_endpoint e ON e.id = found.endpoint_id
WHERE e.enabled AND (e.id = ANY(%s::uuid[]) OR EXISTS (
  SELECT FROM bindings_dispatch d
  WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.next_at <= %s))
"""


def endpoints(now: datetime, busy: Sequence[UUID] = ()) -> list[Endpoint]:
    """The endpoints that are on and have something due, or leased like those in `busy`. Opens the
    fleet's scope."""
    with rls.fleet("endpoints with something due"):
        return list(Endpoint.objects.raw(_WITH_SOMETHING, [list(busy), now]))


_CLAIM = """
WITH due AS (
  SELECT picked.id FROM unnest(%(endpoints)s::uuid[], %(places)s::int[]) AS asked (id, places)
  CROSS JOIN LATERAL (
    SELECT d.id FROM bindings_dispatch d
    WHERE d.endpoint_id = asked.id AND d.state = 'waiting' AND d.next_at <= %(now)s
      AND NOT EXISTS (
        SELECT FROM bindings_dispatch before
        WHERE before.endpoint_id = d.endpoint_id AND before.lane = d.lane AND before.lane <> ''
          AND before.state = 'waiting' AND before.tries = 0 AND before.seq < d.seq)
    ORDER BY d.next_at, d.seq LIMIT asked.places FOR UPDATE SKIP LOCKED) AS picked)
UPDATE bindings_dispatch d SET next_at = %(lease)s FROM due WHERE d.id = due.id
RETURNING d.id, d.tenant_id, d.endpoint_id, d.event_id, d.seq, d.tries, d.next_at, d.body
"""


def claim(asked: Mapping[UUID, int], *, now: datetime) -> list[Leased]:
    """Lease up to so many due rows of each endpoint, the oldest first. Opens the fleet's scope."""
    given: dict[str, Any] = {
        "endpoints": list(asked),
        "places": list(asked.values()),
        "now": now,
        "lease": now + LEASE,
    }
    with rls.fleet("claim what is due"), connection.cursor() as cursor:
        cursor.execute(_CLAIM, given)
        rows = cursor.fetchall()
    found = [
        Leased(id, tenant, endpoint, ids.public(Event.PREFIX, event), seq, tries, lease, body)
        for id, tenant, endpoint, event, seq, tries, lease, body in rows
    ]
    return sorted(found, key=lambda row: row.seq)


_GIVE_BACK = """
UPDATE bindings_dispatch d SET next_at = %s
FROM unnest(%s::uuid[], %s::timestamptz[]) AS r (id, lease)
WHERE d.id = r.id AND d.next_at = r.lease AND d.state = 'waiting'
"""


def give_back(rows: Iterable[Leased], *, now: datetime) -> None:
    """Make what was leased and not begun due again. Opens the fleet's scope."""
    given = [(row.id, row.lease) for row in rows]
    if given:
        keys, leases = zip(*given, strict=True)
        with rls.fleet("hand unused leases back"), connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK, [now, list(keys), list(leases)])


def judge(row: Leased, answered: Answered, *, now: datetime) -> Outcome:
    """What an attempt means for its dispatch."""
    if answered.taken:
        return Outcome(row, answered, "delivered", None)
    if answered.status == _HTTP_GONE:
        return Outcome(row, answered, outbox.GONE, now)
    if row.tries >= len(PAUSES):
        return Outcome(row, answered, "abandoned", None)
    pause = PAUSES[row.tries] * random.uniform(0.9, 1.1)  # noqa: S311 - spreads, hides nothing
    return Outcome(row, answered, "failed", now + (_asked_pause(answered) or pause))


def _asked_pause(answered: Answered) -> timedelta | None:
    """How long the endpoint asks to be left alone, as far as it may."""
    word = answered.retry_after.strip()
    if answered.status not in _HTTP_ASKS_TO_WAIT or not (word.isascii() and word.isdigit()):
        return None
    wait = timedelta(seconds=int(word[:9]))
    return wait if timedelta() < wait <= _ASKED_AT_MOST else None


_STORE = """
UPDATE bindings_dispatch d
SET state = r.state, tries = d.tries + r.failed, next_at = r.next, delivered_at = r.delivered,
    attempts = (CASE WHEN jsonb_array_length(d.attempts) >= %b THEN d.attempts - 0
                ELSE d.attempts END) || r.attempt::jsonb
FROM unnest(%b::uuid[], %b::timestamptz[], %b::text[], %b::smallint[], %b::timestamptz[],
            %b::timestamptz[], %b::text[])
  AS r (id, lease, state, failed, next, delivered, attempt)
WHERE d.id = r.id AND d.next_at = r.lease
"""
_STATES = {"delivered": "delivered", "abandoned": "abandoned"}


def store(outcomes: Sequence[Outcome], *, now: datetime) -> set[UUID]:
    """Write what came of attempts, and what it means for their endpoints, in one transaction of
    the fleet. Returns the endpoints that were switched off. A row whose lease is not ours any more
    is somebody else's: it is sent again, under the same id.

    Endpoints come before their dispatches: people's transactions lock in that order.
    """
    rows = [_row(outcome) for outcome in outcomes]
    with rls.fleet("store what the relay did"):
        off = _turn(outcomes, now)
        bulk.execute(_STORE, [_ATTEMPTS_KEPT, *map(list, zip(*rows, strict=True))])
        if off:
            _tell(off, now)
    for outcome in outcomes:
        metrics.outgoing_attempts.labels(outcome.word).inc()
    return off


def _row(outcome: Outcome) -> tuple[Any, ...]:
    taken = outcome.answered.taken
    return (
        outcome.row.id,
        outcome.row.lease,
        _STATES.get(outcome.word, "waiting"),
        int(not taken),
        outcome.next_at,
        outcome.answered.at if taken else None,
        orjson.dumps(_attempt(outcome.answered)).decode(),
    )


def _attempt(answered: Answered) -> dict[str, Any]:
    """One attempt as it is kept and shown (api.md 3.8)."""
    error = answered.error or None
    if not answered.taken and answered.text:
        error = plain(answered.text[:_TEXT_KEPT].decode(errors="replace"))
    return {
        "at": f"{answered.at:%Y-%m-%dT%H:%M:%SZ}",
        "ms": answered.ms,
        "http_status": answered.status or None,
        "error": error,
    }


_HEARD = """
UPDATE bindings_endpoint e
SET last_delivery_at = coalesce(r.delivered, e.last_delivery_at),
    failing_since = CASE WHEN r.delivered IS NOT NULL THEN NULL
                    ELSE coalesce(e.failing_since, r.failed) END
FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS r (id, delivered, failed)
WHERE e.id = r.id
"""
_OFF = """
UPDATE bindings_endpoint e
SET enabled = false, disabled_at = %(now)s, version = version + 1,
    why = CASE WHEN e.id = ANY(%(gone)s::uuid[]) THEN 'gone' ELSE 'failures' END
WHERE e.id = ANY(%(failed)s::uuid[]) AND e.enabled
  AND (e.id = ANY(%(gone)s::uuid[]) OR e.failing_since <= %(since)s)
RETURNING e.id
"""


def _turn(outcomes: Sequence[Outcome], now: datetime) -> set[UUID]:
    """What the attempts say about their endpoints: when they last took one, since when they take
    none, and that they are off."""
    delivered: dict[UUID, datetime] = {}
    failed: dict[UUID, datetime] = {}
    for outcome in sorted(outcomes, key=lambda one: one.answered.at):
        key, at = outcome.row.endpoint_id, outcome.answered.at
        if outcome.answered.taken:
            delivered[key] = at
        else:
            failed.setdefault(key, at)
    keys = sorted({*delivered, *failed})
    ends = [delivered.get(key) for key in keys], [failed.get(key) for key in keys]
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, [keys, *ends])
        if not failed:
            return set()
        gone = sorted({one.row.endpoint_id for one in outcomes if one.word == outbox.GONE})
        since = now - PATIENCE
        given: dict[str, Any] = {"now": now, "gone": gone, "failed": sorted(failed), "since": since}
        cursor.execute(_OFF, given)
        return {row[0] for row in cursor.fetchall()}


def _tell(off: set[UUID], now: datetime) -> None:
    rows = Endpoint.objects.filter(pk__in=off).order_by("pk").defer("secret", "previous_secret")
    outbox.record(
        [
            Entry(
                tenant_id=endpoint.tenant_id,
                type="endpoint.disabled",
                actor=outbox.SYSTEM,
                at=now,
                data={
                    "endpoint": {
                        "id": endpoint.public_id,
                        "name": endpoint.name,
                        "made_by": str(endpoint.made_by or ""),
                    },
                    "reason": endpoint.why,
                },
            )
            for endpoint in rows
        ]
    )
