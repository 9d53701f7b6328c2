"""Store what a sweep found: one narrow statement for all, and more only for what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from bindings.models import Binding, Check
from bindings.models.hooks import compare_soon
from bindings.services.keep import steps
from bindings.services.keep.abilities import Abilities
from bindings.services.keep.claim import Due
from bindings.services.keep.verdict import Said
from bindings.services.tell import outbox
from bindings.state import Note, Verdict, one_word
from portal.ground import bulk, rls

SLOW_MS = 3000
_MOST = 30_000  # of a smallint


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer, judged. `proofs`: the abilities, where the answer has turned one. `secure`: it
    came over TLS."""

    due: Due
    verdict: Verdict
    ms: int
    said: Said
    proofs: Abilities | None = None
    secure: bool = True

    @property
    def refused(self) -> bool:
        """Did the host refuse the credential just now, and only this one?"""
        held = Note.HELD in self.verdict.notes
        return not held and self.verdict.facts.suspicion > self.verdict.was.suspicion

    @property
    def accepted(self) -> bool:
        """Did it accept the credential?"""
        return not self.said.code and self.verdict.checked_at is not None

    @property
    def changed(self) -> bool:
        return self.verdict.changed or self.proofs is not None


def store(findings: Sequence[Finding], *, now: datetime) -> int:
    """Write all findings in one transaction of the fleet. Returns how many verdicts were kept.

    Bindings come before their schedules, as everywhere: people's transactions lock in that order.
    """
    if not findings:
        return 0
    changed = [found for found in findings if found.changed]
    with rls.fleet("store what the sweep found"):
        kept = _judge(changed) if changed else set()
        _plan(findings)
        _tally(findings, now)
        _renewals(findings, now)
        if kept:
            _remember([found for found in changed if found.due.binding_id in kept], now)
    return len(kept)


# Only if the row is as it was seen: a slow answer must not condemn what was bound a second ago.
_BINDING = """
UPDATE bindings_binding b
SET status = r.status, status_since = coalesce(r.since, b.status_since), why = r.why,
    why_facts = coalesce(r.why_facts, b.why_facts), before = r.before, before_why = r.before_why,
    reach = r.reach, reach_since = coalesce(r.reach_since, b.reach_since), reach_why = r.reach_why,
    reach_facts = r.reach_facts, reach_until = r.reach_until, suspicion = r.suspicion,
    refused_at = r.refused_at, first_failure_at = r.first_failure_at, expires_at = r.expires_at,
    quality = r.quality, proofs = coalesce(r.proofs, b.proofs), version = b.version + 1
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::text[], %s::jsonb[],
            %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::jsonb[],
            %s::timestamptz[], %s::smallint[], %s::timestamptz[], %s::timestamptz[],
            %s::timestamptz[], %s::text[], %s::jsonb[])
  AS r (id, version, status, since, why, why_facts, before, before_why, reach, reach_since,
        reach_why, reach_facts, reach_until, suspicion, refused_at, first_failure_at, expires_at,
        quality, proofs)
WHERE b.id = r.id AND b.version = r.version AND b.unbound_at IS NULL
RETURNING b.id
"""


def _judge(changed: Sequence[Finding]) -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_BINDING, _columns([_verdict(found) for found in changed]))
        return {row[0] for row in cursor.fetchall()}


def _verdict(found: Finding) -> tuple[Any, ...]:
    facts, said = found.verdict.facts, found.said
    return (
        found.due.binding_id,
        found.due.facts.version,
        facts.status.value,
        facts.since,
        facts.why.value,
        None if said.status is None else Jsonb(dict(said.status)),
        facts.before.value if facts.before else "",
        facts.before_why.value,
        facts.reach.value,
        facts.reach_since,
        facts.reach_why,
        Jsonb(dict(said.reach)),
        facts.reach_until,
        min(facts.suspicion, _MOST),
        facts.refused_at,
        facts.first_failure_at,
        facts.end.at,
        facts.end.quality.value,
        None if found.proofs is None else Jsonb(dict(found.proofs)),
    )


# Only while the lease is ours: a token replaced meanwhile has made its own plan.
_SCHEDULE = """
UPDATE bindings_schedule s
SET next_check_at = r.next, checked_at = coalesce(r.checked, s.checked_at), failures = r.failures
FROM unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[], %b::smallint[], %b::timestamptz[])
  AS r (id, next, checked, failures, lease)
WHERE s.binding_id = r.id AND s.next_check_at = r.lease
"""


def _plan(findings: Sequence[Finding]) -> None:
    rows = [
        (
            found.due.binding_id,
            found.verdict.next_check_at,
            found.verdict.checked_at,
            min(found.verdict.facts.failures, _MOST),
            found.due.lease,
        )
        for found in findings
    ]
    bulk.execute(_SCHEDULE, _columns(rows))


_DAY = """
INSERT INTO bindings_healthday (id, tenant_id, created_at, binding_id, day, checks, failures, slow,
                                worst)
SELECT gen_random_uuid(), r.tenant, %(now)s, r.binding, %(day)s, 1, r.failed, r.slow, r.worst
FROM unnest(%(tenants)s::uuid[], %(bindings)s::uuid[], %(failed)s::int[], %(slow)s::int[],
            %(worst)s::text[]) AS r (tenant, binding, failed, slow, worst)
ON CONFLICT (binding_id, day) DO UPDATE
SET checks = bindings_healthday.checks + 1,
    failures = bindings_healthday.failures + excluded.failures,
    slow = bindings_healthday.slow + excluded.slow,
    worst = CASE excluded.worst WHEN '' THEN bindings_healthday.worst ELSE excluded.worst END
"""


def _tally(findings: Sequence[Finding], now: datetime) -> None:
    """Days of trouble, for the strip; a good day is one that has no row."""
    real = [found for found in findings if not found.due.drill]
    bad = [found for found in real if found.said.code or found.ms >= SLOW_MS]
    if not bad:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _DAY,
            {
                "now": now,
                "day": now.date(),
                "tenants": [found.due.tenant_id for found in bad],
                "bindings": [found.due.binding_id for found in bad],
                "failed": [int(bool(found.said.code)) for found in bad],
                "slow": [int(found.ms >= SLOW_MS) for found in bad],
                "worst": [found.said.code for found in bad],
            },
        )


# What was refused although it can be refreshed is refreshed before it is asked about again: the
# host may have ended the access token alone.
_REFUSED = """
UPDATE bindings_credential c SET renew_at = %s
FROM unnest(%s::uuid[], %s::int[]) AS r (id, generation)
WHERE c.binding_id = r.id AND c.generation = r.generation AND c.renew_at > %s
"""
# The pair works, so the refresh token before it has served its time.
_WORKED = """
UPDATE bindings_credential c SET previous_refresh = NULL
FROM unnest(%s::uuid[], %s::int[]) AS r (id, generation)
WHERE c.binding_id = r.id AND c.generation = r.generation
"""


def _renewals(findings: Sequence[Finding], now: datetime) -> None:
    """What checks say about pairs that renew themselves; most say nothing new."""
    pairs = [found for found in findings if found.due.refreshable]
    refused = [found for found in pairs if found.refused]
    worked = [found for found in pairs if found.due.unproven and found.accepted]
    with connection.cursor() as cursor:
        if refused:
            cursor.execute(_REFUSED, [now, *_columns([_generation(one) for one in refused]), now])
        if worked:
            cursor.execute(_WORKED, _columns([_generation(one) for one in worked]))


def _generation(found: Finding) -> tuple[UUID, int]:
    return found.due.binding_id, found.due.facts.generation


def _remember(kept: Sequence[Finding], now: datetime) -> None:
    """A changed result is kept as a check, and what the outside is told goes into the log."""
    Check.objects.bulk_create(_check(found, now) for found in kept)
    told = [found for found in kept if found.verdict.events]
    rows = Binding.objects.in_bulk([found.due.binding_id for found in told])
    entries = [
        entry
        for found in told
        for entry in outbox.of_verdict(rows[found.due.binding_id], found.verdict, at=now)
    ]
    back = [one.due.binding_id for one in told if "binding.recovered" in one.verdict.events]
    if back:
        compare_soon(back, now)
    if entries:
        outbox.record(entries)


def _check(found: Finding, now: datetime) -> Check:
    facts, code = found.verdict.facts, found.said.code
    said = {**(found.said.status or {}), **found.said.reach}
    climbed = steps.of_one_call(code, said, found.ms, secure=found.secure)
    return Check(
        tenant_id=found.due.tenant_id,
        binding_id=found.due.binding_id,
        cause="confirm" if found.due.facts.suspicion else "schedule",
        status="failed" if code else "ok",
        started_at=now,
        finished_at=now,
        ms=found.ms,
        code=code,
        state=one_word(facts.status, facts.reach, suspicion=facts.suspicion),
        steps=[step.stored() for step in climbed],
        drill=bool(found.due.drill),
    )


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
