"""The mass guard: a host that refuses many at once condemns nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding
from bindings.services.keep import checks, guard, sweep
from portal import readings
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import Clock, host, many, reload, states
from tests.bindings.sources import GitLab, make_due, stored, told
from tests.people import Somebody


def sweep_for(clock: Clock, *, hours: float) -> None:
    """Sweeps every minute of some hours, as beat would start them."""
    for _ in range(int(hours * 60)):
        sweep.run(clock=clock)
        guard.end_episodes(clock())
        clock.move(minutes=1)


def test_a_host_that_refuses_everybody_condemns_nobody(
    gitlab: GitLab, acme: Tenant, globex: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 6, token=gitlab.token()) + many(globex, there, 4, token=gitlab.token())
    gitlab.fault("unauthorized")
    sweep_for(clock, hours=1)
    assert states(rows) == {"active/ok": 10}
    assert {stored(row).state.value for row in rows} == {"degraded"}
    assert reload(there).held_since is not None
    assert (told(acme), told(globex)) == ([], [])
    assert "the mass guard holds" in caplog.text
    (shown,) = [one for one in readings.read() if one.name.endswith("mass_guard_active")]
    assert [(sample.labels, sample.value) for sample in shown.samples] == [
        ({"host": "our-gitlab"}, 1.0)
    ]


def test_when_it_is_over_everybody_is_well_again_without_a_hand(
    gitlab: GitLab, acme: Tenant
) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 10, token=gitlab.token())
    gitlab.fault("unauthorized")
    sweep_for(clock, hours=0.5)
    assert reload(there).held_since is not None
    gitlab.sandbox.clear_faults()
    sweep_for(clock, hours=3)
    assert states(rows) == {"active/ok": 10}
    assert {stored(row).suspicion for row in rows} == {0}
    assert reload(there).held_since is None


def test_an_operator_who_believes_the_host_lets_the_verdicts_through(
    gitlab: GitLab, acme: Tenant
) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 10, token="glpat-test-revoked-for-all")
    sweep_for(clock, hours=0.5)
    assert states(rows) == {"active/ok": 10}
    guard.release(reload(there), now=clock())
    sweep_for(clock, hours=0.25)
    assert states(rows) == {"revoked/ok": 10}
    assert told(acme) == ["binding.revoked"] * 10
    assert reload(there).held_since is None


def test_a_few_of_many_are_believed(gitlab: GitLab, acme: Tenant) -> None:
    """Six of forty: more than five, but no fifth of them."""
    there, clock = host(gitlab), Clock()
    well = many(acme, there, 34, token=gitlab.token(), due=clock() + timedelta(hours=9))
    dead = many(acme, there, 6, token="glpat-test-revoked")
    sweep_for(clock, hours=0.2)
    assert (states(dead), states(well)) == ({"revoked/ok": 6}, {"active/ok": 34})
    assert reload(there).held_since is None


def test_four_are_never_many(gitlab: GitLab, acme: Tenant) -> None:
    there, clock = host(gitlab), Clock()
    dead = many(acme, there, 4, token="glpat-test-revoked")
    sweep_for(clock, hours=0.2)
    assert states(dead) == {"revoked/ok": 4}


def test_the_long_dead_do_not_count(gitlab: GitLab, acme: Tenant) -> None:
    """They are asked once a day and refused each time; that is no episode."""
    there, clock = host(gitlab), Clock()
    gone = {"status": "revoked", "why": "refused", "suspicion": 2}
    long_ago = clock() - timedelta(days=9)
    many(acme, there, 12, token="glpat-test-dead", status_since=long_ago, **gone)
    fresh = many(acme, there, 2, token="glpat-test-revoked")
    sweep_for(clock, hours=0.2)
    assert states(fresh) == {"revoked/ok": 2}
    assert reload(there).held_since is None


def test_many_ends_of_one_day_are_ends_and_no_episode(gitlab: GitLab, acme: Tenant) -> None:
    clock = Clock()
    ended = {"quality": "exact", "expires_at": clock() - timedelta(hours=1)}
    there = host(gitlab)
    rows = many(acme, there, 10, token=gitlab.token("ended"), status="expiring", **ended)
    sweep_for(clock, hours=0.2)
    assert states(rows) == {"expired/ok": 10}
    assert reload(there).held_since is None


def test_two_hosts_are_judged_apart(gitlab: GitLab, acme: Tenant) -> None:
    clock = Clock()
    mad = host(gitlab, "mad")
    sane = host(gitlab, "sane", owner=acme)
    held = many(acme, mad, 6, token="glpat-test-refused")
    single = many(acme, sane, 1, token="glpat-test-revoked")
    sweep_for(clock, hours=0.2)
    assert (states(held), states(single)) == ({"active/ok": 6}, {"revoked/ok": 1})


def test_other_turns_for_the_worse_are_held_too(gitlab: GitLab, acme: Tenant) -> None:
    """A host that suddenly says that everybody lacks a right."""
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 10, token=gitlab.token("registry"))
    sweep.run(clock=clock)
    assert states(rows).get("insufficient/ok", 0) < 5
    assert reload(there).held_since is not None


def test_a_check_by_hand_is_held_like_the_others(
    gitlab: GitLab, alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    there = stored(binding).host
    many(acme, there, 9, token=gitlab.token(), suspicion=1, refused_at=timezone.now())
    with rls.fleet("a test suspects it"):
        Binding.objects.filter(pk=binding.pk).update(
            suspicion=1, refused_at=timezone.now() - timedelta(minutes=2)
        )
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    checks.run_now(binding=binding)
    assert stored(binding).status == "active"
    assert reload(there).held_since is not None


def test_the_tick_ends_an_episode(gitlab: GitLab, acme: Tenant) -> None:
    there = host(gitlab, held_since=timezone.now() - timedelta(minutes=5))
    rows = many(acme, there, 3, token=gitlab.token(), **gitlab.ends())
    tasks.sweep_due()
    assert reload(there).held_since is None
    assert states(rows) == {"active/ok": 3}


def test_thresholds_may_be_moved_for_a_drill(gitlab: GitLab, acme: Tenant, settings: Any) -> None:
    settings.MOORING_MASS_GUARD = (50, 2)
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 2, token="glpat-test-refused")
    sweep_for(clock, hours=0.2)
    assert states(rows) == {"active/ok": 2}
    for row in rows:
        make_due(row)
