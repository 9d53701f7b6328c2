"""The sweep: everything due is asked about once, within what each host bears."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings.models import Binding, Check, CodeHost, HealthDay, Schedule
from bindings.services.bind import change, replace, unbind
from bindings.services.keep import claim, sweep
from bindings.services.keep.sweep import Result
from portal.ground import rls
from portal.tenants.models import Tenant
from providers.http import Door
from tests.bindings import far
from tests.bindings.fleet import Clock, due, host, many, plan, reload, states
from tests.bindings.sources import (
    GitLab,
    credential,
    events,
    make_due,
    opened,
    stored,
    told,
)
from tests.hosts import ROOT
from tests.people import Somebody
from tests.providers.farend import FarEnd, by_path, hang
from tests.providers.network import ADDRESS, FakeNetwork
from tests.providers.scenes import good

SELF = "/api/v4/personal_access_tokens/self"


# -- asking --------------------------------------------------------------------------------------


def test_what_is_due_is_asked_about_once_and_planned_anew(gitlab: GitLab, acme: Tenant) -> None:
    rows = many(acme, host(gitlab), 12, token=gitlab.token(), **gitlab.ends())
    later = many(acme, reload(rows[0].host), 3, due=timezone.now() + timedelta(hours=1))
    result = sweep.run()
    assert (result.asked, result.changed, dict(result.outcomes)) == (12, 0, {"ok": 12})
    assert gitlab.asked() == 12
    assert states(rows + later) == {"active/ok": 15}
    for row in rows:
        checked = plan(row)
        assert checked.checked_at is not None
        assert checked.next_check_at is not None
        # Bound today counts as used: a day, with a tenth of jitter to either side.
        assert timedelta(hours=21) < checked.next_check_at - timezone.now() < timedelta(hours=27)
    assert sweep.run().asked == 0


def test_checks_have_jitter(gitlab: GitLab, acme: Tenant) -> None:
    rows = many(acme, host(gitlab), 10, token=gitlab.token())
    sweep.run()
    assert len({plan(row).next_check_at for row in rows}) == 10


def test_two_sweeps_at_once_ask_about_each_row_once(gitlab: GitLab, acme: Tenant) -> None:
    rows = many(acme, host(gitlab, at_once=4), 40, token=gitlab.token())
    results: list[Result] = []

    def work() -> None:
        try:
            results.append(sweep.run())
        finally:
            connection.close()

    crew = [threading.Thread(target=work) for _ in range(2)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert sum(result.asked for result in results) == 40
    assert gitlab.asked() == 40
    assert due(rows, timezone.now()) == 0


def test_no_host_is_asked_by_more_than_it_bears(gitlab: GitLab, acme: Tenant) -> None:
    busy, most, guard = [0], [0], threading.Lock()

    def answer(path: str) -> bytes:
        with guard:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.02)
        with guard:
            busy[0] -= 1
        return good(path)

    with FarEnd(by_path(answer)) as end:
        there = _outside(gitlab, end, at_once=3)
        many(acme, there, 30, token=gitlab.token())
        with far.through(FakeNetwork({"slow.example.com": [ADDRESS]}, {(ADDRESS, 80): end.place})):
            assert sweep.run().asked == 30
    assert most[0] <= 3


def _outside(gitlab: GitLab, end: FarEnd, name: str = "slow", **more: Any) -> CodeHost:
    return host(gitlab, name, base_url=f"http://{name}.example.com", **more)


def test_a_limit_counts_over_all_hosts(gitlab: GitLab, acme: Tenant) -> None:
    first, second = host(gitlab), host(gitlab, "other", owner=acme)
    rows = many(acme, first, 6, token=gitlab.token()) + many(acme, second, 6, token=gitlab.token())
    assert sweep.run(limit=7).asked == 7
    assert due(rows, timezone.now()) == 5


def test_only_the_named_hosts_are_asked(gitlab: GitLab, acme: Tenant) -> None:
    first, second = host(gitlab), host(gitlab, "other", owner=acme)
    many(acme, first, 2, token=gitlab.token())
    left = many(acme, second, 2, token=gitlab.token())
    assert sweep.run(hosts=[first]).asked == 2
    assert due(left, timezone.now()) == 2


def test_a_host_that_is_switched_off_is_not_asked(gitlab: GitLab, acme: Tenant) -> None:
    many(acme, host(gitlab, enabled=False), 2, token=gitlab.token())
    assert sweep.run().asked == 0
    assert gitlab.asked() == 0


def test_progress_is_told_while_it_goes_on(gitlab: GitLab, acme: Tenant) -> None:
    many(acme, host(gitlab), 4, token=gitlab.token(), **gitlab.ends())
    seen: list[int] = []
    result = sweep.run(progress=lambda so_far: seen.append(so_far.asked))
    assert seen[-1] == 4
    assert str(result) == "4 checked, 0 changed (ok 4)"


# -- stopping ------------------------------------------------------------------------------------


def test_a_sweep_that_is_asked_to_stop_hands_back_what_it_did_not_ask(
    gitlab: GitLab, acme: Tenant
) -> None:
    rows = many(acme, host(gitlab, at_once=2), 30, token=gitlab.token())
    heard: list[int] = []

    def stopping() -> bool:
        heard.append(1)
        return len(heard) > 12

    result = sweep.run(stopping=stopping)
    assert 0 < result.asked < 30
    assert due(rows, timezone.now()) == 30 - result.asked
    assert gitlab.asked() == result.asked
    assert sweep.run().asked == 30 - result.asked


def test_a_sweep_ends_with_its_time(gitlab: GitLab, acme: Tenant) -> None:
    many(acme, host(gitlab), 3, token=gitlab.token())
    assert sweep.run(budget_s=0.0).asked == 0


def test_a_bug_lets_the_leases_run_out(gitlab: GitLab, acme: Tenant, superuser: Any) -> None:
    """A row that crashes the sweep does not come back at once, so the others are checked."""
    there, clock = host(gitlab), Clock()
    first = many(acme, there, 1, token=gitlab.token(), due=clock() - timedelta(hours=1))
    rows = many(acme, there, 3, token=gitlab.token(), due=clock() - timedelta(minutes=1))
    superuser.execute(
        "UPDATE bindings_binding SET why = 'no such word' WHERE id = %s", [first[0].pk]
    )
    with pytest.raises(ValueError, match="no such word"):
        sweep.run(clock=clock)
    assert due(first, clock()) == 0
    left = due(rows, clock())
    assert sweep.run(clock=clock).asked == left > 0
    clock.move(minutes=11)
    superuser.execute("UPDATE bindings_binding SET why = ''")
    assert sweep.run(clock=clock).asked == 4 - left


def test_a_killed_sweep_is_made_good_after_the_lease(gitlab: GitLab, acme: Tenant) -> None:
    rows = many(acme, host(gitlab, at_once=3), 9, token=gitlab.token())
    gitlab.fault("slow", SELF, value=20)
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        cwd=ROOT,
        env=os.environ | {"MOORING_SANDBOX_URL": gitlab.sandbox.url},
    )
    _until(lambda: gitlab.asked() > 0)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    gitlab.sandbox.clear_faults()
    clock = Clock()
    held = 9 - due(rows, clock())
    assert held >= 3
    assert sweep.run(clock=clock).asked == 9 - held
    clock.move(minutes=11)
    assert sweep.run(clock=clock).asked == held
    assert states(rows) == {"active/ok": 9}
    assert due(rows, clock()) == 0


_CHILD = """
import django
django.setup()
from bindings.services.keep import sweep
sweep.run()
"""


def _until(true: Any, seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


# -- late answers --------------------------------------------------------------------------------


def test_a_late_answer_about_a_replaced_token_changes_nothing(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    """The old token is refused while a person pastes the new one."""
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    with rls.fleet("a test suspects it"):
        Binding.objects.filter(pk=binding.pk).update(
            suspicion=1, refused_at=timezone.now() - timedelta(minutes=2)
        )
    make_due(binding)
    (taken,) = claim.claim({binding.host_id: 5}, now=timezone.now())
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    before = stored(binding)
    _answer_late(taken)
    after = stored(binding)
    assert (after.status, after.version, opened(after)) == ("active", before.version, fresh)
    assert after.schedule.next_check_at == before.schedule.next_check_at


def test_a_late_answer_does_not_wake_what_was_unbound(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    make_due(binding)
    (taken,) = claim.claim({binding.host_id: 5}, now=timezone.now())
    unbind.unbind(actor=alice.actor, binding=binding)
    _answer_late(taken)
    claim.give_back([taken], at=lambda _: timezone.now())
    row = stored(binding)
    assert (row.schedule.next_check_at, row.schedule.checked_at) == (
        None,
        stored(binding).schedule.checked_at,
    )
    assert sweep.run().asked == 0


def test_a_late_answer_does_not_undo_a_change(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    make_due(binding)
    (taken,) = claim.claim({binding.host_id: 5}, now=timezone.now())
    change.change(actor=alice.actor, binding=binding, changes={"labels": {"a": "b"}})
    _answer_late(taken)
    row = stored(binding)
    assert (row.labels, row.suspicion, row.version) == ({"a": "b"}, 0, binding.version + 1)


def _answer_late(taken: claim.Due) -> None:
    """Ask with what was claimed, and store what comes of it."""
    with rls.fleet("a test's sweep"):
        there = CodeHost.objects.get(pk=taken.host_id)
    late = sweep._Sweep(10, None, [there], sweep.utc_now, None, lambda: False)
    late._open_lanes()
    late._judge(taken, late._ask((taken, taken.secret)))
    late._flush()


# -- what turns ----------------------------------------------------------------------------------


def test_reconnect_is_asked_for_after_exactly_two_refusals_apart(
    gitlab: GitLab, alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    clock = Clock(timezone.now() + timedelta(days=2))
    seen = []
    for _ in range(3):
        sweep.run(clock=clock)
        row = stored(binding)
        seen.append((row.status, row.state.value, row.suspicion))
        wait = row.schedule.next_check_at - clock()
        clock.now = row.schedule.next_check_at
        if row.status == "active":
            assert timedelta(seconds=60) <= wait <= timedelta(seconds=120)
    assert seen == [
        ("active", "degraded", 1),
        ("revoked", "revoked", 2),
        ("revoked", "revoked", 2),
    ]
    assert told(acme) == ["binding.bound", "binding.revoked"]
    assert events(acme)[-1].data["previous_state"] == "degraded"


def test_a_second_refusal_that_comes_too_early_does_not_count(
    gitlab: GitLab, binding: Binding
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    clock = Clock()
    for _ in range(4):
        make_due(binding, at=clock())
        sweep.run(clock=clock)
        clock.move(seconds=10)
    assert (stored(binding).status, stored(binding).suspicion) == ("active", 1)
    clock.move(seconds=60)
    make_due(binding, at=clock())
    sweep.run(clock=clock)
    assert stored(binding).status == "revoked"


def test_a_refused_token_is_asked_about_rarely(gitlab: GitLab, binding: Binding) -> None:
    """At most 4 times in its first 2.5 hours, then once a day for 30 days, then never."""
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    clock = Clock()
    began = clock()
    make_due(binding, at=began)
    first = days = 0
    while stored(binding).schedule.next_check_at is not None:
        clock.now = max(clock(), stored(binding).schedule.next_check_at)
        sweep.run(clock=clock)
        if clock() - began < timedelta(hours=2.5):
            first += 1
        else:
            days += 1
        assert days < 40
    assert first <= 4
    assert 27 <= days <= 34
    assert stored(binding).status == "revoked"


def test_a_token_that_ended_on_its_day_has_ended_and_was_not_revoked(
    gitlab: GitLab, alice: Somebody, instance: Any, acme: Tenant
) -> None:
    bound = gitlab.bind(alice.actor, instance, "ending")
    assert bound.expires_at is not None
    gitlab.sandbox.change_token("ending", "gitlab", "build-bot", expires_in=-1)
    clock = Clock(bound.expires_at + timedelta(minutes=1))
    for _ in range(2):
        make_due(bound, at=clock())
        sweep.run(clock=clock)
        clock.move(minutes=3)
    row = stored(bound)
    assert (row.status, row.why) == ("expired", "ended")
    assert told(acme)[-1] == "binding.expired"


def test_a_lost_right_takes_one_ability_and_comes_back(
    gitlab: GitLab, binding: Binding, acme: Tenant
) -> None:
    gitlab.sandbox.change_token(
        "full", "gitlab", "build-bot", scopes=["read_api", "read_repository"]
    )
    make_due(binding)
    sweep.run()
    row = stored(binding)
    assert (row.status, row.why) == ("insufficient", "scope")
    assert {n for n, proof in row.proofs.items() if not proof["ok"]} == {"hooks"}
    assert row.proofs["hooks"]["code"] == "GL-SCOPE-02"
    gitlab.sandbox.change_token("full", "gitlab", "build-bot", scopes=["api"])
    make_due(binding)
    sweep.run()
    row = stored(binding)
    assert (row.status, row.why, row.proofs["hooks"]["ok"]) == ("active", "", True)
    assert told(acme)[1:] == ["binding.insufficient", "binding.recovered"]


def test_a_right_that_manual_builds_do_not_need_is_noted_all_the_same(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    change.change(actor=alice.actor, binding=binding, changes={"mode": "manual"})
    gitlab.sandbox.change_token(
        "full", "gitlab", "build-bot", scopes=["read_api", "read_repository"]
    )
    make_due(binding)
    sweep.run()
    row = stored(binding)
    assert (row.status, row.proofs["hooks"]["ok"]) == ("active", False)


def test_another_account_behind_the_token_pauses_the_binding(
    gitlab: GitLab, binding: Binding, acme: Tenant
) -> None:
    gitlab.fault("set_keys", "/api/v4/user", value={"id": 4711, "username": "somebody"})
    make_due(binding)
    sweep.run()
    row = stored(binding)
    assert (row.status, row.why, row.schedule.next_check_at) == (
        "suspended",
        "identity_changed",
        None,
    )
    assert (row.why_facts["new"], row.why_facts["old"]) == ("somebody", "build-bot")
    assert told(acme)[-1] == "binding.suspended"


def test_a_blocked_account_is_paused_and_asked_about_daily(
    gitlab: GitLab, binding: Binding, acme: Tenant
) -> None:
    gitlab.sandbox.change_account("gitlab", "build-bot", state="blocked")
    make_due(binding)
    sweep.run()
    row = stored(binding)
    assert (row.status, row.why) == ("suspended", "account_blocked")
    clock = Clock(row.schedule.next_check_at)
    assert clock() - timezone.now() < timedelta(hours=27)
    gitlab.sandbox.change_account("gitlab", "build-bot", state="active")
    sweep.run(clock=clock)
    assert stored(binding).status == "active"
    assert told(acme)[-2:] == ["binding.suspended", "binding.resumed"]


def test_a_changed_result_is_kept_as_a_check_with_six_steps(
    gitlab: GitLab, binding: Binding
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    make_due(binding)
    sweep.run()
    with rls.tenant(binding.tenant_id):
        check = Check.objects.of(binding.tenant_id).filter(cause="schedule").get()
        day = HealthDay.objects.of(binding.tenant_id).get()
    assert (check.status, check.code, check.state) == ("failed", "GL-TOK-01", "degraded")
    assert [step["status"] for step in check.steps] == [
        "ok",
        "skipped",
        "failed",
        "not_run",
        "not_run",
        "not_run",
    ]
    assert (day.checks, day.failures, day.worst) == (1, 1, "GL-TOK-01")


def test_a_good_check_leaves_no_row(gitlab: GitLab, binding: Binding) -> None:
    make_due(binding)
    sweep.run()
    with rls.tenant(binding.tenant_id):
        assert Check.objects.of(binding.tenant_id).exclude(cause="bind").count() == 0
        assert HealthDay.objects.of(binding.tenant_id).count() == 0


# -- credentials that do not open ----------------------------------------------------------------


def test_rows_that_do_not_open_do_not_stop_the_others(
    gitlab: GitLab, acme: Tenant, superuser: Any
) -> None:
    rows = many(acme, host(gitlab), 6, token=gitlab.token())
    superuser.execute(
        "UPDATE bindings_credential SET access = set_byte(access, length(access) - 1, 0)"
        " WHERE binding_id = %s",
        [rows[0].pk],
    )
    superuser.execute(
        "UPDATE bindings_credential SET access = NULL WHERE binding_id = %s", [rows[1].pk]
    )
    result = sweep.run()
    assert (result.asked, result.outcomes) == (4, {"ok": 4, "undecryptable": 2})
    assert states(rows) == {"active/ok": 4, "undecryptable/ok": 2}
    assert stored(rows[0]).why == "wrong_tag"
    assert plan(rows[0]).next_check_at is None
    assert told(acme) == ["binding.undecryptable"] * 2
    assert sweep.run().asked == 0


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
        there = _outside(gitlab, end, "kept", at_once=4)
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
        there = _outside(gitlab, silent, "silent")
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
            _until(lambda: all(plan(row).checked_at for row in quick))
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
