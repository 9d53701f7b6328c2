"""How PostgreSQL answers the statements that run most: what the claim reads, and by which index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from bindings.models import Binding, Check, Repository
from bindings.services.keep import claim
from portal.ground import rls
from portal.tenants.models import Event, Instance, ServiceToken
from tests.gate.many import Many, Superuser, make

ROWS, DUE, PLACES = 20_000, 5_000, 100


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def explained(statement: str, given: Any, how: str = "") -> list[dict[str, Any]]:
    """The steps of a statement's plan. Needs an open scope."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON{how}) {statement}", given)
        (found,) = cursor.fetchone()
    read = json.loads(found) if isinstance(found, str) else found
    return list(nodes(read[0]["Plan"]))


class Undone(Exception):
    """Ends a scope without keeping what was done in it."""


def claimed(many: Many, hosts: int) -> list[dict[str, Any]]:
    """The plan of one claim as it ran; what it leased is rolled back."""
    now = timezone.now()
    given = {
        "hosts": many.hosts[:hosts],
        "places": [PLACES] * hosts,
        "now": now,
        "lease": now + claim.LEASE,
    }
    steps: list[dict[str, Any]] = []
    with suppress(Undone), rls.fleet("explain the claim"):
        steps += explained(claim._STATEMENT, given, ", ANALYZE, TIMING OFF")
        raise Undone
    return steps


def test_a_claim_reads_the_due_index_and_not_twice_what_it_takes(superuser: Superuser) -> None:
    many = make(superuser, ROWS, due=DUE, hosts=4, tenants=40)
    for hosts in (1, 4):
        steps = claimed(many, hosts)
        due = [step for step in steps if step.get("Index Name") == "schedule_due"]
        read = sum(step["Actual Rows"] * step["Actual Loops"] for step in due)
        read += sum(step.get("Rows Removed by Filter", 0) * step["Actual Loops"] for step in due)
        assert PLACES * hosts <= read <= 2 * PLACES * hosts
        # Eight times as slow at this size, and worse where more is due.
        assert [step for step in steps if step["Node Type"] == "Seq Scan"] == []


def test_there_is_one_due_index_and_no_other(superuser: Superuser, db: None) -> None:
    """A second one, on next_check_at alone, made a claim a thousand times slower."""
    indexes = superuser.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%next_check_at%'"
    ).fetchall()
    ((name, definition),) = indexes
    assert name == "schedule_due"
    assert "(host_id, next_check_at) WHERE (next_check_at IS NOT NULL)" in definition


def test_the_sweeps_table_stays_narrow(superuser: Superuser, db: None) -> None:
    columns = superuser.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'bindings_schedule'::regclass"
        " AND attnum > 0 AND NOT attisdropped"
    )
    assert {name for (name,) in columns} == {
        *("binding_id", "host_id", "next_check_at", "checked_at", "failures"),
    }
    (options,) = superuser.execute(
        "SELECT reloptions FROM pg_class WHERE relname = 'bindings_schedule'"
    ).fetchone() or ([],)
    assert {"fillfactor=80", "autovacuum_vacuum_scale_factor=0.02"} <= set(options)


def test_no_policy_asks_a_question_for_each_row(superuser: Superuser, db: None) -> None:
    policies = superuser.execute(
        "SELECT policyname, tablename, coalesce(qual, '') || coalesce(with_check, '')"
        " FROM pg_policies WHERE schemaname = 'public'"
    ).fetchall()
    assert len(policies) > 20
    assert [row for row in policies if "select" in row[2].lower()] == []


def of_tenant(many: Many) -> dict[str, QuerySet[Any]]:
    """What the pages and the API ask for most, as one tenant."""
    tenant = many.tenants[0]
    mine = Binding.objects.of(tenant)
    one = many.bindings[0]
    soon = timezone.now() + timedelta(days=30)
    return {
        "one binding": mine.filter(pk=one),
        "the bindings of an instance": mine.filter(instance_id=one, unbound_at=None),
        "all bindings, newest first": mine.filter(unbound_at=None).order_by("-id")[:51],
        "what ends soon": mine.filter(unbound_at=None, expires_at__lt=soon).order_by("expires_at"),
        "one instance by name": Instance.objects.of(tenant).filter(name="x", closed_at=None),
        "instances by name": Instance.objects.of(tenant).filter(closed_at=None).order_by("name"),
        "events, newest first": Event.objects.of(tenant).order_by("-id")[:51],
        "events of a binding": Event.objects.of(tenant).filter(binding_id=one).order_by("-id")[:51],
        "the last checks": Check.objects.of(tenant).filter(binding_id=one).order_by("-started_at"),
        "repositories by path": Repository.objects.of(tenant).order_by("path")[:51],
    }


def test_hot_questions_of_a_tenant_are_answered_by_an_index(superuser: Superuser) -> None:
    many = make(superuser, 1000, due=0, tenants=20)
    scanned: dict[str, list[str]] = {}
    for name, rows in of_tenant(many).items():
        with rls.tenant(many.tenants[0]):
            statement, given = rows.query.sql_with_params()
            with connection.cursor() as cursor:
                # An empty table is scanned, whatever there is: ask what would be done with rows.
                cursor.execute("SET LOCAL enable_seqscan = off")
            steps = explained(statement, given)
        tables = [step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"]
        if tables:
            scanned[name] = tables
    assert scanned == {}


def test_an_api_token_is_found_by_its_digest(db: None) -> None:
    rows = ServiceToken.objects.filter(digest=b"t" * 32)
    with rls.login():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        steps = explained(*rows.query.sql_with_params())
    assert [step["Node Type"] for step in steps if "Relation Name" in step] == ["Index Scan"]
