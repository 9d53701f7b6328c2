"""Take what is due: leased row by row per host, sealed credential and all, in one statement.

The lease is `next_check_at` moved ahead: after a crash the row is simply due again. Claims skip
what another worker holds, so two sweeps never ask about the same binding at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from bindings.models import CodeHost
from bindings.services.custody.sealed import Undecryptable, open_access
from bindings.state import Facts, Reach, Status, Why
from portal.ground import bulk, rls
from providers.types import Credential, Expiry, Method, Quality

LEASE = timedelta(minutes=10)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Due:
    """One binding to ask about. `secret`: the opened credential, or why it does not open. `lease`
    is what `next_check_at` was moved to: whoever stores the answer compares it. `proofs` is the
    stored JSON, which few answers need to have read. `drill`: the scenario of a fire drill, which
    answers in the place of the host; "" for what is asked."""

    binding_id: UUID
    tenant_id: UUID
    instance_id: UUID
    host_id: UUID
    facts: Facts
    lease: datetime
    login: str
    proofs: str
    drill: str
    secret: Credential | Undecryptable = field(repr=False)


_STATEMENT = """
WITH due AS (
  SELECT s.binding_id
  FROM unnest(%(hosts)b::uuid[], %(places)b::int[]) AS lane (host_id, places)
  CROSS JOIN LATERAL (
    SELECT binding_id FROM bindings_schedule
    WHERE host_id = lane.host_id AND next_check_at <= %(now)b
    ORDER BY next_check_at LIMIT lane.places FOR UPDATE SKIP LOCKED
  ) s
), leased AS (
  UPDATE bindings_schedule s SET next_check_at = %(lease)b
  -- An array, because of a join the planner thinks that it is large, and reads the whole table.
  WHERE s.binding_id = ANY (ARRAY(SELECT binding_id FROM due))
  RETURNING s.binding_id, s.failures
)
SELECT b.id, b.tenant_id, b.instance_id, b.host_id, leased.failures,
       b.status, b.reach, b.kind, b.mode = 'manual', b.account_id, b.version, c.generation,
       b.status_since, b.why, b.before, b.before_why, b.reach_since, b.reach_why, b.reach_until,
       b.suspicion, b.refused_at, b.first_failure_at, b.expires_at, b.quality, b.renews,
       c.expires_at, b.used_at, c.access, b.username, b.clone_username, b.organization, c.scopes,
       c.quality, b.account_login, b.proofs::text, b.drill
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
    given = {
        "hosts": list(wanted),
        "places": [min(places, BATCH) for places in wanted.values()],
        "now": now,
        "lease": lease,
    }
    with rls.fleet("claim what is due"):
        rows = bulk.execute(_STATEMENT, given).fetchall()
    return [_due(row, lease) for row in rows]


def give_back(rows: Iterable[Due], *, at: Callable[[UUID], datetime]) -> None:
    """Hand leases back that were not used: due again at `at(host)`, so that nobody waits ten
    minutes for them. What was replaced or unbound meanwhile has made its own plan."""
    given = [(row.binding_id, row.lease, at(row.host_id)) for row in rows]
    if not given:
        return
    keys, leases, times = zip(*given, strict=True)
    with rls.fleet("hand unused leases back"), connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, [list(keys), list(leases), list(times)])


_GIVE_BACK = """
UPDATE bindings_schedule s SET next_check_at = r.at
FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS r (id, lease, at)
WHERE s.binding_id = r.id AND s.next_check_at = r.lease
"""


def hosts_to_ask(now: datetime) -> list[CodeHost]:
    """The enabled hosts that may be asked now and have something due, or are away and have to be
    probed. Opens the fleet's scope."""
    with rls.fleet("hosts to ask"):
        return list(
            CodeHost.objects.raw(
                "SELECT h.* FROM bindings_codehost h"
                " WHERE h.enabled AND (h.ask_after IS NULL OR h.ask_after <= %(now)s)"
                "   AND (h.weather = 'down' OR EXISTS ("
                "     SELECT FROM bindings_schedule s"
                "     WHERE s.host_id = h.id AND s.next_check_at <= %(now)s))",
                {"now": now},
            )
        )


@dataclass
class Lanes:
    """How many more bindings each host may have under way now."""

    limits: dict[UUID, int] = field(default_factory=dict)
    under_way: Counter[UUID] = field(default_factory=Counter)
    empty: set[UUID] = field(default_factory=set)
    closed: set[UUID] = field(default_factory=set)

    def places(self, most: int | None = None) -> dict[UUID, int]:
        """Free places per host that may have more work, `most` in all. A host is asked for more
        once half of its places are free, so that claims stay few."""
        free: dict[UUID, int] = {}
        for host, limit in self.limits.items():
            if host in self.empty or host in self.closed or self.under_way[host] * 2 > limit:
                continue
            places = limit - self.under_way[host]
            if most is not None:
                places = min(places, most)
                most -= places
            if places > 0:
                free[host] = places
        return free

    def took(self, rows: Iterable[Due], asked: Mapping[UUID, int]) -> None:
        found = Counter(row.host_id for row in rows)
        self.under_way.update(found)
        self.empty |= {host for host, places in asked.items() if found[host] < places}

    def done(self, host: UUID) -> None:
        self.under_way[host] -= 1

    def busy(self) -> bool:
        return any(self.under_way.values())

    def finished(self) -> bool:
        return set(self.limits) <= self.empty | self.closed


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
    return Due(
        row[0], row[1], row[2], row[3], facts, lease, row[33], row[34], row[35], _secret(row)
    )


def _secret(row: tuple[Any, ...]) -> Credential | Undecryptable:
    ciphertext = None if row[27] is None else bytes(row[27])
    try:
        token = open_access(ciphertext, row[0])
    except Undecryptable as shut:
        return shut
    return Credential(
        token=token,
        username=row[28],
        clone_username=row[29],
        organization=row[30],
        scopes=None if row[31] is None else frozenset(row[31]),
        expiry=Expiry(row[25], Quality(row[32])),
        kind=Method(row[7]),
    )
