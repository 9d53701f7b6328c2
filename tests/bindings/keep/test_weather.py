"""Hosts that are away, slow or strict: they cost little, and no credential is ever to blame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Check, Schedule
from bindings.services.keep import checks, claim, sweep, weather
from bindings.services.keep.weather import BREAKS_AFTER, Heard, Sky
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import Clock, due, host, many, plan, reload, states
from tests.bindings.sources import GitHub, GitLab, events, make_due, stored, told
from tests.people import Somebody

SELF = "/api/v4/personal_access_tokens/self"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def minutes(span: float) -> timedelta:
    return timedelta(minutes=span)


# -- the sky, as a pure value --------------------------------------------------------------------


def test_five_failures_in_a_row_break_the_circuit() -> None:
    sky = Sky()
    for n in range(1, BREAKS_AFTER):
        sky = sky.after(Heard.FAILURE, NOW)
        assert (sky.down, sky.failures, sky.ask_after) == (False, n, None)
    sky = sky.after(Heard.FAILURE, NOW)
    assert (sky.down, sky.ask_after) == (True, NOW + minutes(1))


def test_one_answer_clears_the_sky() -> None:
    sky = Sky(True, NOW, 9, NOW + minutes(3))
    assert sky.after(Heard.ANSWER, NOW) == Sky()


def test_probes_get_rarer_the_longer_a_host_is_away() -> None:
    sky = Sky(True, NOW, 5, NOW)
    pauses = []
    for away in (1, 5, 15, 60, 600):
        sky = sky.after(Heard.FAILURE, NOW + minutes(away))
        assert sky.ask_after is not None
        pauses.append(sky.ask_after - (NOW + minutes(away)))
    assert pauses == [minutes(1), minutes(1), minutes(1.5), minutes(6), minutes(15)]


def test_a_wait_is_kept_to_the_second_and_never_longer_than_an_hour() -> None:
    sky = Sky().after(Heard.WAIT, NOW, 90)
    assert sky.ask_after == NOW + timedelta(seconds=90)
    assert sky.after(Heard.WAIT, NOW, 10).ask_after == sky.ask_after
    assert sky.after(Heard.WAIT, NOW, 99_999).ask_after == NOW + timedelta(hours=1)


def test_a_late_answer_does_not_end_a_wait() -> None:
    sky = Sky().after(Heard.WAIT, NOW, 90)
    assert sky.after(Heard.ANSWER, NOW + timedelta(seconds=5)).ask_after == sky.ask_after
    assert sky.after(Heard.ANSWER, NOW + timedelta(seconds=91)) == Sky()


@pytest.mark.parametrize(
    ("failures", "span", "dark"), [(2, 60, False), (3, 14, False), (3, 15, True), (99, 15, True)]
)
def test_dark_is_three_failures_over_a_quarter_of_an_hour(
    failures: int, span: float, dark: bool
) -> None:
    assert Sky(True, NOW, failures).is_dark(NOW + minutes(span)) is dark


# -- a host that is away -------------------------------------------------------------------------


def test_one_binding_goes_from_unstable_to_unreachable_and_back_without_a_hand(
    gitlab: GitLab, binding: Binding, acme: Tenant
) -> None:
    """Three failures over at least fifteen minutes; and the token is never to blame."""
    gitlab.sandbox.stop()
    clock = Clock(timezone.now() + timedelta(days=2))
    began, seen = clock(), []
    for _ in range(5):
        sweep.run(clock=clock)
        row = stored(binding)
        seen.append((clock() - began >= minutes(15), row.status, row.reach, row.reach_why))
        clock.now = row.schedule.next_check_at
    early = [reach for late, _, reach, _ in seen if not late]
    assert early == ["degraded"] * len(early)
    assert seen[-1] == (True, "active", "unreachable", "refused")
    assert stored(binding).reach_facts["port"] == str(gitlab.sandbox.port)
    gitlab.sandbox.start()
    sweep.run(clock=clock)
    row = stored(binding)
    assert (row.status, row.reach, row.reach_why, row.reach_facts) == ("active", "ok", "", {})
    assert (row.schedule.failures, row.first_failure_at) == (0, None)
    assert told(acme)[1:] == ["binding.unreachable", "binding.recovered"]
    back = events(acme)[-1].data
    assert back["previous_state"] == "unreachable"
    assert back["seconds"] >= 0
    assert datetime.fromisoformat(back["since"]) <= events(acme)[-2].at


def test_a_dead_host_costs_a_handful_of_requests_and_a_healthy_one_nothing(
    gitlab: GitLab, acme: Tenant
) -> None:
    dead = host(gitlab, "dead", base_url=f"{gitlab.sandbox.url}/github", at_once=20)
    gitlab.sandbox.fault("github", "status:502")
    lost = many(acme, dead, 60, token=gitlab.token())
    well = many(acme, host(gitlab, at_once=20), 40, token=gitlab.token(), **gitlab.ends())
    result = sweep.run()
    asked = len(gitlab.sandbox.requests("github"))
    assert asked <= BREAKS_AFTER + 1
    assert result.outcomes == {"ok": 40, "unreachable": asked}
    assert states(well) == {"active/ok": 40}
    assert states(lost) == {"active/ok": 60 - asked, "active/degraded": asked}
    assert reload(dead).weather == "down"
    # What was not asked waits for the next probe, or behind it.
    after = reload(dead).ask_after
    assert after is not None
    assert due(lost, after) == 60 - asked
    assert sweep.run().asked == 0


def test_a_host_that_is_away_is_probed_once_at_a_time(gitlab: GitLab, acme: Tenant) -> None:
    there, clock = host(gitlab, at_once=10), Clock()
    rows = many(acme, there, 30, token=gitlab.token())
    gitlab.fault("status:502")
    sweep.run(clock=clock)
    asked = gitlab.asked(SELF)
    for _ in range(3):
        clock.move(seconds=61)
        assert sweep.run(clock=clock).asked == 1
        assert sweep.run(clock=clock).asked == 0
    assert gitlab.asked(SELF) == asked + 3
    gitlab.sandbox.clear_faults()
    clock.move(minutes=2)
    assert sweep.run(clock=clock).asked > 20
    clock.move(hours=1)
    sweep.run(clock=clock)
    assert states(rows) == {"active/ok": 30}


def test_two_sweeps_share_one_probe(gitlab: GitLab, acme: Tenant) -> None:
    there = host(gitlab, weather="down", failures=9, ask_after=timezone.now())
    many(acme, there, 5, token=gitlab.token())
    now = timezone.now()
    assert [weather.take_probe(there, now=now) for _ in range(3)] == [True, False, False]


def test_after_a_quarter_of_an_hour_all_bindings_of_a_dead_host_read_unreachable(
    gitlab: GitLab, alice: Somebody, acme: Tenant
) -> None:
    """Although only probes were made, and although most of them were not even due (O3, G14)."""
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 12, token=gitlab.token())
    resting = many(acme, there, 6, token=gitlab.token(), due=clock() + timedelta(days=5))
    waiting = many(acme, there, 1, status="pending", due=clock() + timedelta(days=5))
    dead = many(acme, there, 1, status="revoked", due=clock() + timedelta(days=5))
    gitlab.sandbox.stop()
    for _ in range(30):
        sweep.run(clock=clock)
        clock.move(minutes=1)
    everybody = rows + resting
    assert states(everybody) == {"active/unreachable": 18}
    assert states(waiting) == {"pending/ok": 1}
    assert states(dead) == {"revoked/unreachable": 1}
    assert {stored(row).reach_why for row in everybody} == {"refused"}
    assert all(stored(row).reach_facts["port"] for row in resting)
    assert told(acme).count("binding.unreachable") == 19
    assert "binding.revoked" not in told(acme)
    with rls.fleet("a test looks"):
        assert not Check.objects.filter(binding__in=resting).exists()


def test_and_they_all_come_back_by_being_asked_when_the_host_is_back(
    gitlab: GitLab, acme: Tenant
) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 8, token=gitlab.token())
    resting = many(acme, there, 8, token=gitlab.token(), due=clock() + timedelta(days=5))
    gitlab.sandbox.stop()
    for _ in range(25):
        sweep.run(clock=clock)
        clock.move(minutes=1)
    assert states(rows + resting) == {"active/unreachable": 16}
    gitlab.sandbox.start()
    for _ in range(20):
        sweep.run(clock=clock)
        clock.move(minutes=1)
    assert states(rows + resting) == {"active/ok": 16}
    assert (reload(there).weather, reload(there).failing_since) == ("ok", None)
    assert told(acme).count("binding.recovered") == 16


def test_a_host_with_nothing_due_is_probed_all_the_same(gitlab: GitLab, acme: Tenant) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 6, token=gitlab.token())
    gitlab.sandbox.stop()
    sweep.run(clock=clock)
    with rls.fleet("a test plans them far ahead"):
        Schedule.objects.filter(pk__in=[row.pk for row in rows]).update(
            next_check_at=clock() + timedelta(days=3)
        )
    gitlab.sandbox.start()
    clock.move(minutes=2)
    assert sweep.run(clock=clock).asked >= 1
    assert reload(there).weather == "ok"


def test_few_failures_are_remembered_from_one_sweep_to_the_next(
    gitlab: GitLab, acme: Tenant
) -> None:
    there, clock = host(gitlab), Clock()
    many(acme, there, 2, token=gitlab.token())
    gitlab.sandbox.stop()
    sweep.run(clock=clock)
    assert (reload(there).weather, reload(there).failures) == ("ok", 2)
    clock.move(minutes=7)
    sweep.run(clock=clock)
    clock.move(minutes=15)
    sweep.run(clock=clock)
    assert (reload(there).weather, reload(there).failing_since is not None) == ("down", True)


def test_a_check_by_hand_finds_a_host_that_is_back(
    gitlab: GitLab, alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    there = stored(binding).host
    with rls.fleet("a test's outage"):
        type(there).objects.filter(pk=there.pk).update(
            weather="down", failures=40, failing_since=timezone.now() - timedelta(hours=1)
        )
        Binding.objects.filter(pk=binding.pk).update(reach="unreachable", reach_why="refused")
    others = many(
        acme, there, 4, token=gitlab.token(), reach="unreachable", due=timezone.now() + minutes(600)
    )
    checks.run_now(binding=binding)
    assert (reload(there).weather, stored(binding).reach) == ("ok", "ok")
    assert due(others, timezone.now()) == 4
    sweep.run()
    assert states(others) == {"active/ok": 4}


# -- a host that asks to wait --------------------------------------------------------------------


def test_a_rate_limit_is_obeyed_for_the_whole_host_and_counts_as_no_failure(
    gitlab: GitLab, acme: Tenant
) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 20, token=gitlab.token())
    gitlab.fault("rate_limit", value=120)
    sweep.run(clock=clock)
    asked = gitlab.asked(SELF)
    assert asked <= 2  # as many as were under way at once
    for _ in range(3):
        clock.move(seconds=30)
        assert sweep.run(clock=clock).asked == 0
    limited = [row for row in rows if stored(row).reach == "rate_limited"]
    assert len(limited) == asked
    assert {plan(row).failures for row in rows} == {0}
    assert {stored(row).status for row in rows} == {"active"}
    gitlab.sandbox.clear_faults()
    clock.move(seconds=60)
    sweep.run(clock=clock)
    clock.move(seconds=60)
    sweep.run(clock=clock)
    assert states(rows) == {"active/ok": 20}
    assert "binding.unreachable" not in told(acme)


def test_a_limit_for_ever_costs_few_requests(gitlab: GitLab, acme: Tenant) -> None:
    there, clock = host(gitlab), Clock()
    many(acme, there, 60, token=gitlab.token())
    gitlab.fault("rate_limit", value=60)
    for _ in range(20):
        sweep.run(clock=clock)
        clock.move(minutes=1)
    assert gitlab.asked(SELF) <= 50


def test_maintenance_with_an_end_is_waited_for(gitlab: GitLab, acme: Tenant) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 10, token=gitlab.token())
    gitlab.fault("status:503", value=300)
    sweep.run(clock=clock)
    asked = gitlab.asked(SELF)
    clock.move(minutes=4)
    assert sweep.run(clock=clock).asked == 0
    assert gitlab.asked(SELF) == asked
    assert set(states(rows)) == {"active/ok", "active/rate_limited"}
    assert reload(there).weather == "ok"


def test_one_accounts_own_quota_delays_nobody_else(github: GitHub, acme: Tenant) -> None:
    """GitHub counts by person: one who has used up the hour is no reason to rest."""
    spent, well = github.sandbox.token("github", "otto"), github.sandbox.token("github", "octavia")
    github.sandbox.set_budget("github", "otto", 0)
    facts: dict[str, Any] = {"kind": "oauth", "quality": "idle"}
    rows = many(acme, github.host, 1, token=spent, account_id="1002", **facts)
    others = many(acme, github.host, 9, token=well, account_id="1001", **facts)
    sweep.run()
    assert states(rows) == {"active/rate_limited": 1}
    assert states(others) == {"active/ok": 9}
    assert reload(github.host).ask_after is None


def test_githubs_secondary_limit_rests_the_host(github: GitHub, acme: Tenant) -> None:
    github.sandbox.fault("github", "secondary_limit", value=60)
    token = github.sandbox.token("github", "octavia")
    many(acme, github.host, 40, token=token, account_id="1001", kind="oauth", quality="idle")
    sweep.run()
    assert len(github.sandbox.requests("github", "/api/v3/user")) <= BREAKS_AFTER
    assert reload(github.host).ask_after is not None


# -- strange answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("html", None),
        ("bad_json", None),
        ("deep_json", None),
        ("null_json", "[]"),
        ("big_number", None),
        ("status:404", None),
        ("status:418", None),
        ("redirect", "https://git.example.org/"),
        ("unauthorized_html", None),
        ("gzip", None),
        ("truncated", None),
        ("te_cl", None),
        ("many_headers", None),
        ("huge_header", None),
        ("reset", None),
    ],
)
def test_a_strange_answer_is_about_the_server_only(
    gitlab: GitLab, binding: Binding, fault: str, value: Any
) -> None:
    gitlab.fault(fault, **({"value": value} if value else {}))
    make_due(binding)
    sweep.run()
    row = stored(binding)
    assert (row.status, row.reach, row.suspicion) == ("active", "degraded", 0)
    assert row.reach_why
    assert row.schedule.failures == 1


def test_hosts_to_ask_are_those_that_may_be_asked(gitlab: GitLab, acme: Tenant) -> None:
    now = timezone.now()
    ready, empty = host(gitlab, "ready", base_url="https://a.example"), host(gitlab, "empty")
    resting = host(gitlab, "resting", base_url="https://b.example", ask_after=now + minutes(1))
    away = host(gitlab, "away", base_url="https://c.example", weather="down", ask_after=now)
    for one in (ready, resting):
        many(acme, one, 1)
    many(acme, empty, 1, due=now + minutes(60))
    assert {one.slug for one in claim.hosts_to_ask(now + timedelta(seconds=1))} == {"ready", "away"}
    assert away.weather == "down"
