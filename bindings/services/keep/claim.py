"""Take what is due: leased row by row per host, sealed credential and all, in one statement.

The lease is `next_check_at` moved ahead: after a crash the row is simply due again. Claims skip
what another worker holds, so two sweeps never ask about the same binding at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from bindings.models import CodeHost
from bindings.services.custody.sealed import Undecryptable, open_access
from bindings.state import Facts, Reach, Status, Why
from portal.ground import rls
from providers.types import Credential, Expiry, Method, Quality

LEASE = timedelta(minutes=10)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Due:
    """One binding to ask about. `shut` holds why its credential does not open, then `secret` is
    None. `lease` is what `next_check_at` was moved to: whoever stores the answer compares it."""

    binding_id: UUID
    tenant_id: UUID
    instance_id: UUID
    host_id: UUID
    facts: Facts
    lease: datetime
    secret: Credential | None = field(default=None, repr=False)
    shut: Undecryptable | None = None


_STATEMENT = """
WITH due AS (
  SELECT s.binding_id
  FROM unnest(%(hosts)s::uuid[], %(places)s::int[]) AS lane (host_id, places)
  CROSS JOIN LATERAL (
    SELECT binding_id FROM bindings_schedule
    WHERE host_id = lane.host_id AND next_check_at <= %(now)s
    ORDER BY next_check_at LIMIT lane.places FOR UPDATE SKIP LOCKED
  ) s
), leased AS (
  UPDATE bindings_schedule s SET next_check_at = %(lease)s
  FROM due WHERE s.binding_id = due.binding_id
  RETURNING s.binding_id, s.failures
)
SELECT b.id, b.tenant_id, b.instance_id, b.host_id, leased.failures,
       b.status, b.reach, b.kind, b.mode = 'manual', b.account_id, b.version, c.generation,
       b.status_since, b.why, b.before, b.before_why, b.reach_since, b.reach_why, b.reach_until,
       b.suspicion, b.refused_at, b.first_failure_at, b.expires_at, b.quality, b.renews,
       c.expires_at, b.used_at, c.access, b.username, b.clone_username, b.organization, c.scopes,
       c.quality
FROM leased
JOIN bindings_binding b ON b.id = leased.binding_id
JOIN bindings_credential c ON c.binding_id = leased.binding_id
WHERE b.unbound_at IS NULL
"""


def claim(lanes: Mapping[UUID, int], *, now: datetime) -> list[Due]:
    """Lease up to so many due bindings per host, oldest first. Opens the fleet's scope."""
    wanted = {host: places for host, places in lanes.items() if places > 0}
    if not wanted:
        return []
    lease = now + LEASE
    with rls.fleet("claim what is due"), connection.cursor() as cursor:
        cursor.execute(
            _STATEMENT,
            {
                "hosts": list(wanted),
                "places": [min(places, BATCH) for places in wanted.values()],
                "now": now,
                "lease": lease,
            },
        )
        rows = cursor.fetchall()
    return [_due(row, lease) for row in rows]


def give_back(rows: Iterable[Due], *, now: datetime) -> None:
    """Hand leases back that were not used, so that nobody waits ten minutes for them."""
    ids = [row.binding_id for row in rows]
    if not ids:
        return
    with rls.fleet("hand unused leases back"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bindings_schedule SET next_check_at = %s WHERE binding_id = ANY(%s::uuid[])",
            [now, ids],
        )


def hosts_with_work(now: datetime) -> list[CodeHost]:
    """The enabled hosts that have something due."""
    with rls.fleet("hosts with something due"):
        return list(
            CodeHost.objects.raw(
                "SELECT h.* FROM bindings_codehost h WHERE h.enabled AND EXISTS ("
                " SELECT FROM bindings_schedule s"
                " WHERE s.host_id = h.id AND s.next_check_at <= %s)",
                [now],
            )
        )


@dataclass
class Lanes:
    """How many more bindings each host may have under way now."""

    limits: dict[UUID, int]
    under_way: Counter[UUID] = field(default_factory=Counter)
    empty: set[UUID] = field(default_factory=set)
    closed: set[UUID] = field(default_factory=set)

    def places(self) -> dict[UUID, int]:
        """Free places per host that may have more work. A host is asked for more once half of its
        places are free, so that claims stay few."""
        return {
            host: limit - self.under_way[host]
            for host, limit in self.limits.items()
            if host not in self.empty | self.closed and self.under_way[host] * 2 <= limit
        }

    def took(self, rows: Iterable[Due], asked: Mapping[UUID, int]) -> None:
        found = Counter(row.host_id for row in rows)
        self.under_way.update(found)
        self.empty |= {host for host, places in asked.items() if found[host] < places}

    def done(self, host: UUID) -> None:
        self.under_way[host] -= 1

    def finished(self) -> bool:
        return set(self.limits) <= self.empty | self.closed


def waiting(lanes: Lanes) -> Iterator[None]:
    """Say "nothing to ask just now" until a place is free."""
    while any(lanes.under_way.values()) and not lanes.places() and not lanes.finished():
        yield None


def _due(row: tuple[Any, ...], lease: datetime) -> Due:
    facts = Facts(
        failures=row[4],
        status=Status(row[5]),
        reach=Reach(row[6]),
        kind=Method(row[7]),
        manual_only=row[8],
        account_id=row[9],
        version=row[10],
        generation=row[11],
        since=row[12],
        why=Why(row[13]),
        before=Status(row[14]) if row[14] else None,
        before_why=Why(row[15]),
        reach_since=row[16],
        reach_why=row[17],
        reach_until=row[18],
        suspicion=row[19],
        refused_at=row[20],
        first_failure_at=row[21],
        end=Expiry(row[22], Quality(row[23])),
        renews=row[24],
        access_until=row[25],
        used_at=row[26],
        next_check_at=lease,
    )
    secret, shut = None, None
    try:
        secret = Credential(
            token=open_access(bytes(row[27]), row[0]),
            username=row[28],
            clone_username=row[29],
            organization=row[30],
            scopes=None if row[31] is None else frozenset(row[31]),
            expiry=Expiry(row[25], Quality(row[32])),
            kind=facts.kind,
        )
    except Undecryptable as closed:
        shut = closed
    return Due(row[0], row[1], row[2], row[3], facts, lease, secret, shut)
