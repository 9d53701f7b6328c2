"""Store what a sweep found: one narrow statement for all, and more only for what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from bindings.models import Binding, Check
from bindings.services.keep.claim import Due
from bindings.services.tell.outbox import SYSTEM, picture
from bindings.state import Verdict, one_word
from portal.ground import rls
from portal.tenants.services import events
from portal.tenants.services.events import Entry


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer, judged. `code`: why it is not well, "" otherwise. `said`: facts of that code."""

    due: Due
    verdict: Verdict
    ms: int
    code: str = ""
    said: dict[str, str] | None = None


# Only while the lease is ours: a token replaced meanwhile has made its own plan.
_SCHEDULE = """
UPDATE bindings_schedule s
SET next_check_at = r.next, checked_at = coalesce(r.checked, s.checked_at), failures = r.failures
FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::smallint[], %s::timestamptz[])
  AS r (id, next, checked, failures, lease)
WHERE s.binding_id = r.id AND s.next_check_at = r.lease
"""

# Only if the row is as it was seen: a slow answer must not condemn what was bound a second ago.
_BINDING = """
UPDATE bindings_binding b
SET status = r.status, status_since = coalesce(r.since, b.status_since), why = r.why,
    why_facts = r.said, before = r.before, before_why = r.before_why, reach = r.reach,
    reach_since = coalesce(r.reach_since, b.reach_since), reach_why = r.reach_why,
    reach_until = r.reach_until, suspicion = r.suspicion, refused_at = r.refused_at,
    first_failure_at = r.first_failure_at, expires_at = r.expires_at, quality = r.quality,
    version = b.version + 1
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::text[], %s::jsonb[],
            %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::timestamptz[],
            %s::smallint[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[])
  AS r (id, version, status, since, why, said, before, before_why, reach, reach_since, reach_why,
        reach_until, suspicion, refused_at, first_failure_at, expires_at, quality)
WHERE b.id = r.id AND b.version = r.version AND b.unbound_at IS NULL
RETURNING b.id
"""


def store(findings: Sequence[Finding], *, now: datetime) -> int:
    """Write all findings in one transaction of the fleet. Returns how many verdicts were kept."""
    if not findings:
        return 0
    changed = [found for found in findings if found.verdict.changed]
    with rls.fleet("store what the sweep found"):
        _plan(findings)
        kept = _judge(changed) if changed else set()
        if kept:
            _remember([found for found in changed if found.due.binding_id in kept], now)
    return len(kept)


def _plan(findings: Sequence[Finding]) -> None:
    rows = [
        (
            found.due.binding_id,
            found.verdict.next_check_at,
            found.verdict.checked_at,
            min(found.verdict.facts.failures, 30_000),
            found.due.lease,
        )
        for found in findings
    ]
    with connection.cursor() as cursor:
        cursor.execute(_SCHEDULE, _columns(rows))


def _judge(changed: Sequence[Finding]) -> set[Any]:
    rows = []
    for found in changed:
        facts = found.verdict.facts
        rows.append(
            (
                found.due.binding_id,
                found.due.facts.version,
                facts.status.value,
                facts.since,
                facts.why.value,
                Jsonb(found.said or {}),
                facts.before.value if facts.before else "",
                facts.before_why.value,
                facts.reach.value,
                facts.reach_since,
                facts.reach_why,
                facts.reach_until,
                min(facts.suspicion, 30_000),
                facts.refused_at,
                facts.first_failure_at,
                facts.end.at,
                facts.end.quality.value,
            )
        )
    with connection.cursor() as cursor:
        cursor.execute(_BINDING, _columns(rows))
        return {row[0] for row in cursor.fetchall()}


def _remember(kept: Sequence[Finding], now: datetime) -> None:
    """A changed result is kept as a check, and what the outside is told goes into the log."""
    Check.objects.bulk_create(_check(found, now) for found in kept)
    rows = {
        row.pk: row
        for row in Binding.objects.filter(
            pk__in=[f.due.binding_id for f in kept if f.verdict.events]
        )
    }
    entries = [
        Entry(
            tenant_id=found.due.tenant_id,
            type=event,
            actor=SYSTEM,
            at=now,
            instance_id=found.due.instance_id,
            binding_id=found.due.binding_id,
            data=told(rows[found.due.binding_id], found.verdict),
        )
        for found in kept
        for event in found.verdict.events
    ]
    if entries:
        events.record_many(entries)


def told(binding: Binding, verdict: Verdict) -> dict[str, Any]:
    """What an event of a verdict holds."""
    was = verdict.was
    return {
        "binding": picture(binding),
        "previous_state": one_word(was.status, was.reach, suspicion=was.suspicion).value,
    }


def _check(found: Finding, now: datetime) -> Check:
    facts = found.verdict.facts
    return Check(
        tenant_id=found.due.tenant_id,
        binding_id=found.due.binding_id,
        cause="confirm" if found.due.facts.suspicion else "schedule",
        status="failed" if found.code else "ok",
        started_at=now,
        finished_at=now,
        ms=found.ms,
        code=found.code,
        state=one_word(facts.status, facts.reach, suspicion=facts.suspicion),
    )


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
