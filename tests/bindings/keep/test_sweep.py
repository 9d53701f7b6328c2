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
from django.db import connection
from django.utils import timezone

from bindings.services.keep import sweep
from bindings.services.keep.sweep import Result
from portal.tenants.models import Tenant
from tests.bindings import far
from tests.bindings.fleet import Clock, due, host, many, outside, plan, reload, states, until
from tests.bindings.sources import (
    GitLab,
    stored,
    told,
)
from tests.hosts import ROOT
from tests.providers.farend import FarEnd, by_path
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
        there = outside(gitlab, at_once=3)
        many(acme, there, 30, token=gitlab.token())
        with far.through(FakeNetwork({"slow.example.com": [ADDRESS]}, {(ADDRESS, 80): end.place})):
            assert sweep.run().asked == 30
    assert most[0] <= 3


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
    until(lambda: gitlab.asked() > 0)
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
