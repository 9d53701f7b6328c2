"""What a sweep costs: statements, connections, threads that touch no database."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings.models import Binding, Schedule
from bindings.services.keep import sweep
from bindings.services.keep.sweep import Result
from portal.ground import rls
from portal.tenants.models import Tenant
from providers.http import Door
from tests.bindings import far
from tests.bindings.fleet import host, many, outside, plan, until
from tests.bindings.sources import (
    GitLab,
    credential,
    make_due,
    stored,
)
from tests.providers.farend import FarEnd, by_path, hang
from tests.providers.network import ADDRESS, FakeNetwork
from tests.providers.scenes import good

SELF = "/api/v4/personal_access_tokens/self"


# -- counts --------------------------------------------------------------------------------------


class Statements:
    """What every connection of this process is asked, by the name of the thread."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.seen.append((threading.current_thread().name, sql))
        return execute(sql, params, many, context)


def test_a_flush_is_one_statement_for_schedules_and_one_for_bindings(
    gitlab: GitLab, acme: Tenant
) -> None:
    rows = many(acme, host(gitlab, at_once=50), 40, token="glpat-test-refused-by-all")
    flushes = 0

    def count(_: Result) -> None:
        nonlocal flushes
        flushes += 1

    with CaptureQueriesContext(connection) as asked:
        sweep.run(progress=count)
    written = [q["sql"] for q in asked.captured_queries]
    schedules = [
        sql for sql in written if sql.strip().startswith("UPDATE bindings_schedule s\nSET")
    ]
    bindings = [sql for sql in written if sql.strip().startswith("UPDATE bindings_binding")]
    assert 0 < len(schedules) <= flushes
    assert 0 < len(bindings) <= flushes
    assert len(written) < 40
    assert {stored(row).suspicion for row in rows} == {1}


def test_the_threads_that_ask_touch_no_database(gitlab: GitLab, acme: Tenant) -> None:
    many(acme, host(gitlab, at_once=20), 30, token=gitlab.token())
    statements = Statements()
    before = len(connections.all(initialized_only=True))
    with connection.execute_wrapper(statements):
        sweep.run()
    assert statements.seen
    assert {name for name, _ in statements.seen} == {threading.current_thread().name}
    assert len(connections.all(initialized_only=True)) == before


def test_connections_to_a_host_are_kept(gitlab: GitLab, acme: Tenant) -> None:
    with FarEnd(by_path(good)) as end:
        there = outside(gitlab, "kept", at_once=4)
        many(acme, there, 60, token=gitlab.token(), account_id="4711")
        network = FakeNetwork({"kept.example.com": [ADDRESS]}, {(ADDRESS, 80): end.place})
        with far.through(network):
            assert sweep.run().outcomes["ok"] == 60
    assert len(network.dialled) <= 4 + 1


def test_a_backlog_is_claimed_in_few_statements(gitlab: GitLab, acme: Tenant) -> None:
    many(acme, host(gitlab, at_once=50), 60, token=gitlab.token())
    with CaptureQueriesContext(connection) as asked:
        sweep.run()
    claims = [q for q in asked.captured_queries if "SKIP LOCKED" in q["sql"]]
    assert len(claims) <= 12


def test_the_claim_uses_the_one_due_index(gitlab: GitLab, acme: Tenant, superuser: Any) -> None:
    many(acme, host(gitlab), 60, due=timezone.now() + timedelta(days=1))
    there = host(gitlab, "other", owner=acme)
    many(acme, there, 60)
    superuser.execute("ANALYZE bindings_schedule")
    superuser.execute("SET enable_seqscan = off")
    plans = superuser.execute(
        "EXPLAIN SELECT binding_id FROM bindings_schedule WHERE host_id = %s"
        " AND next_check_at <= now() ORDER BY next_check_at LIMIT 5 FOR UPDATE SKIP LOCKED",
        [there.pk],
    ).fetchall()
    assert "schedule_due" in repr(plans)
    indexes = superuser.execute(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'bindings_schedule'"
    ).fetchall()
    assert len([text for (text,) in indexes if "next_check_at" in text]) == 1


def test_answers_are_stored_while_others_keep_us_waiting(gitlab: GitLab, acme: Tenant) -> None:
    """A kill loses no result that is older than a second."""
    gate = threading.Event()

    def script(caller: Any) -> None:
        gate.wait(20)
        hang(caller)

    with FarEnd(script) as silent:
        there = outside(gitlab, "silent")
        many(acme, there, 1, token=gitlab.token())
        quick = many(acme, host(gitlab), 3, token=gitlab.token())
        routes = {(ADDRESS, 80): silent.place}
        network = FakeNetwork({"silent.example.com": [ADDRESS]}, routes)
        routes_home = {("127.0.0.1", gitlab.sandbox.port): ("127.0.0.1", gitlab.sandbox.port)}
        network.routes |= routes_home

        def work() -> None:
            try:
                sweep.run()
            finally:
                connection.close()

        with far.installed(Door(network=network)):
            thread = threading.Thread(target=work)
            thread.start()
            until(lambda: all(plan(row).checked_at for row in quick))
            assert thread.is_alive()
            silent.closing.set()
            gate.set()
            thread.join()


def test_no_sweep_ever_waits_for_a_schedule_somebody_holds(gitlab: GitLab, acme: Tenant) -> None:
    rows = many(acme, host(gitlab), 3, token=gitlab.token())
    with rls.fleet("somebody holds one"):
        list(Schedule.objects.select_for_update().filter(pk=rows[0].pk))
        found: list[Result] = []

        def work() -> None:
            try:
                found.append(sweep.run())
            finally:
                connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found[0].asked == 2
    assert sweep.run().asked == 1


def test_a_credential_is_stamped_with_nothing_by_a_sweep(gitlab: GitLab, binding: Binding) -> None:
    before = credential(binding)
    make_due(binding)
    sweep.run()
    after = credential(binding)
    assert (after.generation, after.access, after.expires_at) == (
        before.generation,
        before.access,
        before.expires_at,
    )
