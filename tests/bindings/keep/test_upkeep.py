"""Upkeep: what is due is renewed once, what is in doubt is settled, and the rest is left alone."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding, CodeHost
from bindings.services.keep import sweep, upkeep
from bindings.state import renewal
from portal.ground import metrics, rls
from portal.tenants.models import Instance, Tenant
from providers.types import Expiry, Quality
from tests import factories
from tests.bindings import renewals
from tests.bindings.renewals import ROTATING, TOKEN_PATH, pair, refreshes
from tests.bindings.sources import GitLab, credential, make_due, opened, stored, told
from tests.hosts import Sandbox

NOW = timezone.now()
EXACT = Quality.EXACT


@pytest.fixture
def mine(near: Sandbox, instance: Instance) -> Binding:
    return pair(near, "gitlab", instance)


# -- when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("minutes", [1, 10, 59, 60, 120, 480, 1440, 100_000])
def test_a_pair_is_due_in_its_third_quarter_and_once_a_day(chance: float, minutes: int) -> None:
    life = timedelta(minutes=minutes)
    due = renewal.refresh_due(NOW, Expiry(NOW + life, EXACT), None, lambda: chance)
    left = NOW + life - due
    least = timedelta(minutes=15) if minutes >= 60 else life / 4
    assert left >= least
    assert due - NOW <= timedelta(hours=24)
    if 60 < minutes < 1440:
        assert 0.7 <= (due - NOW) / life <= 0.8


def test_without_an_end_it_is_kept_alive_daily() -> None:
    due = renewal.refresh_due(NOW, Expiry(), None, lambda: 0.0)
    assert due == NOW + timedelta(hours=24)


def test_a_refresh_token_that_ends_first_counts() -> None:
    due = renewal.refresh_due(NOW, Expiry(), NOW + timedelta(hours=4), lambda: 0.5)
    assert due == NOW + timedelta(hours=3)


def test_a_personal_token_is_rotated_a_month_ahead_or_in_its_last_quarter() -> None:
    def left(days: int, chance: float = 0.0) -> timedelta:
        end = NOW + timedelta(days=days)
        due = renewal.rotate_due(NOW, Expiry(end, EXACT), NOW, lambda: chance)
        assert due is not None
        return end - due

    assert left(365) == timedelta(days=31)
    assert left(20) == timedelta(days=6)
    assert renewal.rotate_due(NOW, Expiry(), NOW) is None
    past = Expiry(NOW + timedelta(days=2), EXACT)
    assert renewal.rotate_due(NOW - timedelta(days=300), past, NOW) == NOW


def test_a_short_life_is_not_refreshed_before_every_call() -> None:
    end = Expiry(NOW + timedelta(seconds=60), EXACT)
    assert not renewal.is_short(end, NOW, NOW + timedelta(seconds=30), 90)
    assert renewal.is_short(end, NOW, NOW + timedelta(seconds=50), 90)
    assert not renewal.is_short(Expiry(), NOW, NOW, 90)


# -- one slice -----------------------------------------------------------------------------------


def test_everything_due_is_renewed_once_and_the_rest_is_left(near: Sandbox, acme: Tenant) -> None:
    due = [
        pair(near, provider, factories.instance(acme, f"{provider}-{n}"), f"{provider}-{n}")
        for provider in ROTATING
        for n in range(3)
    ]
    later = pair(near, "gitlab", factories.instance(acme, "later"), "later", due=False)
    assert upkeep.run().outcomes == {"stored": 12}
    assert {credential(one).generation for one in due} == {2}
    assert credential(later).generation == 1
    assert upkeep.run().asked == 0
    assert sum(refreshes(near, provider) for provider in ROTATING) == 12


def test_the_task_does_a_slice(near: Sandbox, mine: Binding) -> None:
    tasks.renew()
    assert credential(mine).generation == 2


def test_a_worker_that_has_to_end_begins_nothing(near: Sandbox, mine: Binding) -> None:
    assert upkeep.run(stopping=lambda: True).asked == 0
    assert refreshes(near, "gitlab") == 0


def test_one_bad_answer_costs_no_other(near: Sandbox, acme: Tenant) -> None:
    all_of = [
        pair(near, "gitea", factories.instance(acme, f"gitea-{n}"), f"pair-{n}") for n in range(4)
    ]
    near.fault("gitea", "reset", TOKEN_PATH["gitea"], times=1)
    found = upkeep.run().outcomes
    assert found == {"stored": 3, "doubt": 1}
    assert sorted(credential(one).generation for one in all_of) == [1, 2, 2, 2]


@pytest.mark.parametrize("status", ["pending", "suspended", "undecryptable", "revoked", "expired"])
def test_what_may_not_be_called_is_not_renewed(near: Sandbox, mine: Binding, status: str) -> None:
    with rls.fleet("a test turns it"):
        Binding.objects.filter(pk=mine.pk).update(status=status)
    assert upkeep.run().asked == 0


@pytest.mark.parametrize(
    "columns",
    [
        {"enabled": False},
        {"ask_after": NOW + timedelta(days=1)},
        {"renew_after": NOW + timedelta(days=1)},
    ],
)
def test_a_host_that_may_not_be_asked_is_not(near: Sandbox, mine: Binding, columns: Any) -> None:
    with rls.fleet("a test turns it"):
        CodeHost.objects.filter(pk=mine.host_id).update(**columns)
    assert upkeep.run().asked == 0


def test_a_host_that_is_away_is_asked_by_one_and_heard_when_it_is_back(
    near: Sandbox, mine: Binding, second_instance: Instance
) -> None:
    pair(near, "gitlab", second_instance, "second")
    with rls.fleet("a test turns it"):
        CodeHost.objects.filter(pk=mine.host_id).update(weather="down", failures=9)
    assert upkeep.run().outcomes == {"stored": 2}
    with rls.fleet("a test looks"):
        assert CodeHost.objects.get(pk=mine.host_id).weather == "ok"


def test_open_intents_are_counted_for_monitoring(near: Sandbox, mine: Binding) -> None:
    assert b"mooring_open_refresh_intents 0.0" in metrics.text()
    near.fault("gitlab", "reset", TOKEN_PATH["gitlab"], times=1)
    upkeep.run()
    told_now = metrics.text()
    assert b"mooring_open_refresh_intents 1.0" in told_now
    assert b'mooring_refreshes_total{provider="gitlab",result="doubt"}' in told_now


# -- beside the sweep ----------------------------------------------------------------------------


def test_the_sweep_never_asks_with_an_ended_token_that_can_be_renewed(
    near: Sandbox, mine: Binding
) -> None:
    renewals.ended(mine)
    near.change_token("pair", "gitlab", "build-bot", expires_in=-5)
    make_due(mine)
    result = sweep.run()
    assert (result.asked, result.outcomes) == (0, {"waits_for_refresh": 1})
    assert (stored(mine).status, stored(mine).suspicion) == ("active", 0)
    assert upkeep.run().outcomes == {"stored": 1}
    make_due(mine)
    assert sweep.run().outcomes == {"ok": 1}


def test_a_refused_access_token_is_refreshed_before_it_is_asked_about_again(
    near: Sandbox, instance: Instance
) -> None:
    """The host has ended it early: a restart, or a clock of its own."""
    mine = pair(near, "gitea", instance, due=False)
    near.change_token("pair", "gitea", "build-bot", expires_in=-5)
    make_due(mine)
    sweep.run()
    assert stored(mine).suspicion == 1
    assert upkeep.run().outcomes == {"stored": 1}
    make_due(mine)
    sweep.run()
    assert (stored(mine).status, stored(mine).suspicion) == ("active", 0)


def test_a_check_that_works_forgets_the_token_that_was_spent(near: Sandbox, mine: Binding) -> None:
    upkeep.run()
    assert credential(mine).previous_refresh is not None
    make_due(mine)
    assert sweep.run().outcomes == {"ok": 1}
    assert credential(mine).previous_refresh is None


# -- personal tokens -----------------------------------------------------------------------------


@pytest.fixture
def personal(binding: Binding) -> Binding:
    """alice's GitLab token, which its owner lets us renew, and whose time has come."""
    with rls.tenant(binding.tenant_id):
        Binding.objects.of(binding.tenant_id).filter(pk=binding.pk).update(auto_rotate=True)
    renewals.change(binding, renew_at=timezone.now())
    return binding


def test_a_token_with_consent_is_rotated_and_told(
    gitlab: GitLab, personal: Binding, acme: Tenant
) -> None:
    before = opened(personal)
    assert upkeep.run().outcomes == {"stored": 1}
    row, kept = stored(personal), credential(personal)
    assert opened(personal) != before
    assert row.expires_at is not None
    assert row.expires_at - timezone.now() > timedelta(days=360)
    assert kept.renew_at is not None
    assert kept.renew_at > timezone.now() + timedelta(days=300)
    assert told(acme, "binding.rotated") == ["binding.rotated"]
    make_due(personal)
    assert sweep.run().outcomes == {"ok": 1}


def test_a_rotation_in_doubt_is_looked_at_and_never_sent_twice(
    gitlab: GitLab, personal: Binding
) -> None:
    """Its answer was lost: the token is spent, and rotating it again would end its successor."""
    gitlab.fault("lost_answer", "/api/v4/personal_access_tokens/self/rotate", times=1)
    assert upkeep.run().outcomes == {"doubt": 1}
    renewals.over(personal)
    for minutes in (2, 5, 9, 14):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            upkeep.run()
    assert stored(personal).status == "revoked"
    assert gitlab.asked("/api/v4/personal_access_tokens/self/rotate") == 1
    successor = gitlab.sandbox.token_facts("gitlab", "build-bot", "full")
    assert successor["state"] == "active"


def test_a_rotation_that_never_arrived_is_tried_again(gitlab: GitLab, personal: Binding) -> None:
    gitlab.fault("reset", "/api/v4/personal_access_tokens/self/rotate", times=1)
    assert upkeep.run().outcomes == {"doubt": 1}
    renewals.over(personal)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert upkeep.run().outcomes == {"unspent": 1}
    with time_machine.travel(timezone.now() + timedelta(minutes=9)):
        assert upkeep.run().outcomes == {"stored": 1}


def test_a_host_that_cannot_rotate_is_asked_once_and_the_ladder_warns(
    gitlab: GitLab, personal: Binding
) -> None:
    gitlab.fault("old_version", value="16.9.0")
    assert upkeep.run().outcomes == {"failed": 1}
    assert credential(personal).renew_at is None
    assert stored(personal).status == "active"


# -- by hand -------------------------------------------------------------------------------------


def run(*words: str) -> str:
    out = StringIO()
    call_command("refresh_tokens", *words, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_renews_what_is_due(near: Sandbox, mine: Binding) -> None:
    assert run("--due") == "1 asked (stored 1)\n"
    assert json.loads(run("--json")) == {"asked": 0, "replayed": 0, "results": {}}


def test_the_command_renews_one(near: Sandbox, mine: Binding) -> None:
    assert run("--binding", mine.public_id) == "renewed, generation 2\n"
    found = json.loads(run("--binding", mine.public_id, "--json"))
    assert found == {"binding": mine.public_id, "generation": 3}


def test_the_command_names_what_it_cannot_do(gitlab: GitLab, binding: Binding) -> None:
    with pytest.raises(CommandError, match="X-STATE-02"):
        run("--binding", binding.public_id)
    with pytest.raises(CommandError, match="no live binding"):
        run("--binding", "bnd_nothing")
