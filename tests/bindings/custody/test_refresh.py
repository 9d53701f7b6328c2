"""Refreshing: one request, stored before it is used, and nothing that a server's mood can spoil."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from bindings.models import Binding, CodeHost
from bindings.services.bind import unbind
from bindings.services.custody import ahead, refresh, storing
from bindings.services.custody.intents import Claim, Left, claim
from bindings.services.custody.refresh import Outcome, Result
from bindings.services.custody.use import use
from bindings.services.keep import upkeep
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from providers.errors import TokenRejected, Unreachable
from tests.bindings import renewals
from tests.bindings.renewals import ACCOUNT, ROTATING, TOKEN_PATH, pair, refreshes
from tests.bindings.sources import credential, opened, stored, told
from tests.hosts import Sandbox
from tests.people import Somebody


@pytest.fixture
def mine(near: Sandbox, instance: Instance) -> Binding:
    """A binding of GitLab's strict kind: a refresh token works once, and the old pair dies."""
    return pair(near, "gitlab", instance)


def once(binding: Binding) -> Outcome:
    found = ahead.once(binding.tenant_id, binding.pk, generation=credential(binding).generation)
    assert isinstance(found, Outcome)
    return found


def claimed(binding: Binding, **more: Any) -> Claim:
    found = claim(
        tenant_id=binding.tenant_id, binding_id=binding.pk, **{"now": timezone.now(), **more}
    )
    assert isinstance(found, Claim)
    return found


def works(binding: Binding) -> bool:
    with use(binding, why="test") as account:
        return account.identify().login == binding.account_login


# -- a good refresh ------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [*ROTATING, "github"])
def test_every_rotating_host_gives_a_pair_that_works(
    near: Sandbox, instance: Instance, provider: str
) -> None:
    binding = pair(near, provider, instance)
    before = opened(binding)
    assert once(binding).result is Result.STORED
    row = credential(binding)
    assert opened(binding) != before
    assert (row.generation, row.renew_failures, row.renew_refused_at) == (2, 0, None)
    assert row.previous_refresh is not None
    assert renewals.intent(binding) is None
    assert works(binding)
    assert refreshes(near, provider) == 1


def test_the_spent_token_is_kept_until_the_new_pair_has_worked(
    near: Sandbox, mine: Binding
) -> None:
    spent = near.token_facts("gitlab", "build-bot", "pair")["refresh_token"]
    once(mine)
    with rls.tenant(mine.tenant_id):
        assert storing.sealed.spent_before(credential(mine)) == spent
    assert works(mine)
    assert credential(mine).previous_refresh is None


def test_it_is_due_again_at_70_to_80_percent_and_a_quarter_hour_before_the_end(
    near: Sandbox, mine: Binding
) -> None:
    once(mine)
    row = credential(mine)
    assert row.expires_at is not None
    assert row.renew_at is not None
    share = (row.renew_at - row.issued_at) / (row.expires_at - row.issued_at)
    assert 0.69 < share < 0.81
    assert row.expires_at - row.renew_at >= timedelta(minutes=15)


def test_an_answer_without_a_refresh_token_keeps_the_old_one(near: Sandbox, mine: Binding) -> None:
    old = near.token_facts("gitlab", "build-bot", "pair")["refresh_token"]
    near.fault("gitlab", "token_answer", TOKEN_PATH["gitlab"], value={"refresh_token": ""})
    assert once(mine).result is Result.STORED
    row = credential(mine)
    assert storing.sealed.secret_of(row, stored(mine)).refresh_token == old
    assert row.previous_refresh is None


def test_an_answer_that_was_not_read_is_not_asked_for_twice(near: Sandbox, mine: Binding) -> None:
    near.fault("gitlab", "lost_refresh_answer", TOKEN_PATH["gitlab"], times=1)
    found = once(mine)
    assert found.result is Result.DOUBT
    left = renewals.intent(mine)
    assert left is not None
    assert (left.generation, left.purpose) == (1, "refresh")
    assert left.deadline <= timezone.now()
    row = stored(mine)
    assert (row.status, row.reach) == ("active", "degraded")
    assert refreshes(near, "gitlab") == 1
    assert ahead.once(mine.tenant_id, mine.pk, generation=2) is Left.MOVED
    again = claim(tenant_id=mine.tenant_id, binding_id=mine.pk, now=timezone.now())
    assert again is Left.BUSY


def test_where_a_grace_is_documented_the_kept_token_is_tried_at_once(
    near: Sandbox, instance: Instance
) -> None:
    binding = pair(near, "bitbucket", instance)
    near.fault("bitbucket", "lost_refresh_answer", TOKEN_PATH["bitbucket"], times=1)
    assert once(binding).result is Result.DOUBT
    found = once(binding)
    assert (found.result, found.claim.recovers) == (Result.STORED, True)
    assert works(binding)


# -- refusals ------------------------------------------------------------------------------------


def test_one_refusal_condemns_nothing_and_the_access_token_is_used_on(
    near: Sandbox, mine: Binding
) -> None:
    near.fault("gitlab", "token_error", TOKEN_PATH["gitlab"], value="invalid_grant")
    assert once(mine).result is Result.REFUSED
    row, kept = stored(mine), credential(mine)
    assert (row.status, row.suspicion) == ("active", 1)
    assert kept.renew_at is not None
    wait = (kept.renew_at - timezone.now()).total_seconds()
    assert 55 < wait <= 120
    assert works(mine)


def test_two_refusals_apart_lose_the_refresh_but_not_the_living_token(
    near: Sandbox, mine: Binding, acme: Tenant
) -> None:
    near.fault("gitlab", "token_error", TOKEN_PATH["gitlab"], value="invalid_grant")
    once(mine)
    assert works(mine)  # an access token that works excuses no refused grant
    with time_machine.travel(timezone.now() + timedelta(seconds=130)):
        assert upkeep.run().outcomes == {"refused": 1}
        row, kept = stored(mine), credential(mine)
        assert (row.status, row.why, row.renews) == ("expiring", "refresh_lost", False)
        assert (row.expires_at, row.quality) == (kept.expires_at, "exact")
        assert kept.renew_at is None
        assert upkeep.run().asked == 0
    assert refreshes(near, "gitlab") == 2


def test_two_refusals_after_the_end_are_a_revocation_told_once(
    near: Sandbox, mine: Binding, acme: Tenant
) -> None:
    renewals.ended(mine)
    near.revoke("pair", "gitlab", "build-bot")
    upkeep.run()
    with time_machine.travel(timezone.now() + timedelta(seconds=130)):
        upkeep.run()
        upkeep.run()
    assert stored(mine).status == "revoked"
    assert told(acme, "binding.revoked") == ["binding.revoked"]
    assert refreshes(near, "gitlab") == 2


def test_a_refusal_of_a_token_that_was_replaced_meanwhile_says_nothing(
    near: Sandbox, mine: Binding
) -> None:
    late = claimed(mine)
    renewals.change(mine, generation=2)
    refresh.settle(late, TokenRejected("grant"), now=timezone.now())
    assert (stored(mine).suspicion, credential(mine).renew_refused_at) == (0, None)


@pytest.mark.parametrize(
    ("fault", "value"),
    [("status:500", None), ("html", None), ("status:503", None), ("bad_json", None)],
)
def test_a_server_in_trouble_is_a_doubt_and_no_verdict(
    near: Sandbox, mine: Binding, fault: str, value: Any
) -> None:
    near.fault("gitlab", fault, TOKEN_PATH["gitlab"], value=value)
    assert once(mine).result is Result.DOUBT
    assert stored(mine).status == "active"
    assert opened(mine) == near.token("gitlab", "build-bot", "pair")


def test_a_rate_limit_is_waited_for(near: Sandbox, mine: Binding) -> None:
    near.fault("gitlab", "rate_limit", TOKEN_PATH["gitlab"], value=120)
    assert once(mine).result is Result.FAILED
    row, kept = stored(mine), credential(mine)
    assert (row.status, row.reach) == ("active", "rate_limited")
    assert kept.renew_at is not None
    assert kept.renew_at >= timezone.now() + timedelta(seconds=100)
    assert renewals.intent(mine) is None


def test_an_app_the_host_does_not_know_pauses_the_host_and_no_binding(
    near: Sandbox, mine: Binding, second_instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    other = pair(near, "gitlab", second_instance, "second")
    with rls.fleet("a test spoils the app"):
        CodeHost.objects.filter(pk=mine.host_id).update(client_id="nobody", at_once=1)
    assert upkeep.run().asked >= 1
    assert "refuses our app" in caplog.text
    for one in (mine, other):
        row = stored(one)
        assert (row.status, row.reach, row.suspicion) == ("active", "ok", 0)
    asked = refreshes(near, "gitlab")
    assert upkeep.run().asked == 0
    assert refreshes(near, "gitlab") == asked


def test_a_host_that_refuses_many_condemns_nobody(
    near: Sandbox, mine: Binding, acme: Tenant, settings: Any
) -> None:
    settings.MOORING_MASS_GUARD = (20, 1)
    near.fault("gitlab", "token_error", TOKEN_PATH["gitlab"], value="invalid_grant")
    upkeep.run()
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        upkeep.run()
        assert (stored(mine).status, stored(mine).renews) == ("active", True)
        kept = credential(mine)
        assert kept.renew_refused_at is None
        assert kept.renew_at is not None


# -- failures ------------------------------------------------------------------------------------


def test_failures_back_off_from_half_a_minute_to_six_hours(near: Sandbox, mine: Binding) -> None:
    near.stop()
    pauses = []
    at = timezone.now()
    for _ in range(12):
        with time_machine.travel(at, tick=False):
            found = refresh.renew(claimed(mine, now=at))
            assert found.result is Result.FAILED
            due = credential(mine).renew_at
            assert due is not None
            pauses.append((due - at).total_seconds())
            at = due
    assert 27 <= pauses[0] <= 33
    assert all(1.5 < later / sooner < 2.5 for sooner, later in pairwise(pauses[:9]))
    assert max(pauses) <= 6 * 3600 * 1.1
    assert stored(mine).status == "active"


def test_after_four_days_it_is_given_up_and_told(
    near: Sandbox, mine: Binding, acme: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    near.stop()
    renewals.change(mine, renew_failing_since=timezone.now() - timedelta(days=4, minutes=1))
    found = once(mine)
    assert (found.result, found.gave_up) == (Result.FAILED, True)
    assert credential(mine).renew_at is None
    assert "given up" in caplog.text
    assert (stored(mine).status, stored(mine).reach) == ("active", "unreachable")
    assert told(acme, "binding.unreachable") == ["binding.unreachable"]


# -- races ---------------------------------------------------------------------------------------


def test_a_second_claim_finds_the_first_and_leaves(mine: Binding) -> None:
    claimed(mine)
    again = claim(tenant_id=mine.tenant_id, binding_id=mine.pk, now=timezone.now())
    assert again is Left.BUSY


def test_who_saw_the_former_token_asks_for_nothing(near: Sandbox, mine: Binding) -> None:
    once(mine)
    assert ahead.once(mine.tenant_id, mine.pk, generation=1) is Left.MOVED
    assert refreshes(near, "gitlab") == 1


def test_a_stale_pair_overwrites_nothing(near: Sandbox, mine: Binding) -> None:
    late = claimed(mine)
    answer = refresh.ask(late)
    renewals.change(mine, generation=2)  # somebody has replaced the credential meanwhile
    before = opened(mine)
    outcome = refresh.settle(late, answer, now=timezone.now())
    assert outcome.result is Result.SUPERSEDED
    assert (opened(mine), credential(mine).generation) == (before, 2)


def test_a_late_answer_of_the_same_generation_is_not_thrown_away(
    near: Sandbox, mine: Binding
) -> None:
    """Its attempt was given up by others, but nobody holds a later token than this one."""
    late = claimed(mine)
    answer = refresh.ask(late)
    renewals.over(mine)
    assert once(mine).result is Result.REFUSED  # recovery has asked with the spent token
    assert refresh.settle(late, answer, now=timezone.now()).result is Result.STORED
    assert works(mine)


def test_a_process_that_was_frozen_sends_nothing_any_more(near: Sandbox, mine: Binding) -> None:
    late = claimed(mine)
    frozen = Claim(**{name: getattr(late, name) for name in Claim.__slots__} | {"until": 0.0})
    assert refresh.renew(frozen).result is Result.FAILED
    assert refreshes(near, "gitlab") == 0
    assert renewals.intent(mine) is None


def test_an_unbind_in_between_is_never_undone_and_the_fresh_pair_is_revoked(
    near: Sandbox, mine: Binding, alice: Somebody
) -> None:
    late = claimed(mine)
    answer = refresh.ask(late)
    assert not isinstance(answer, Unreachable)
    unbind.unbind(actor=alice.actor, binding=mine)
    unbind.work_off(tenant_id=mine.tenant_id, binding_id=mine.pk)
    assert refresh.settle(late, answer, now=timezone.now()).result is Result.SUPERSEDED
    assert stored(mine).unbound_at is not None
    assert near.token_facts("gitlab", "build-bot", "pair")["state"] == "active"
    unbind.work_off(tenant_id=mine.tenant_id, binding_id=mine.pk)
    assert near.token_facts("gitlab", "build-bot", "pair")["state"] == "revoked"
    ending = stored(mine).ending
    assert ending.finished_at is not None
    assert [step["status"] for step in ending.steps] == ["done", "done"]


# -- before a call -------------------------------------------------------------------------------


def test_a_call_refreshes_first_when_the_token_has_ended(near: Sandbox, mine: Binding) -> None:
    renewals.ended(mine)
    assert works(mine)
    assert (credential(mine).generation, refreshes(near, "gitlab")) == (2, 1)


def test_a_call_that_has_time_enough_refreshes_nothing(near: Sandbox, mine: Binding) -> None:
    assert works(mine)
    assert refreshes(near, "gitlab") == 0


def test_a_failed_refresh_before_a_call_falls_back_on_a_token_that_lives(
    near: Sandbox, mine: Binding
) -> None:
    now = timezone.now()
    renewals.change(
        mine, expires_at=now + timedelta(seconds=60), issued_at=now - timedelta(hours=2)
    )
    near.fault("gitlab", "status:500", TOKEN_PATH["gitlab"])
    assert works(mine)
    assert refreshes(near, "gitlab") == 1


def test_a_failed_refresh_of_an_ended_token_is_what_the_caller_hears(
    near: Sandbox, mine: Binding
) -> None:
    renewals.ended(mine)
    near.fault("gitlab", "status:500", TOKEN_PATH["gitlab"])
    with pytest.raises(Unreachable), use(mine, why="test"):
        raise AssertionError("it was used")
    with pytest.raises(Unreachable), use(mine, why="test"):
        raise AssertionError("it was used")
    assert refreshes(near, "gitlab") == 1  # the pause after a failure is kept


def test_the_secret_of_a_claim_never_prints(mine: Binding, near: Sandbox) -> None:
    facts = near.token_facts("gitlab", ACCOUNT["gitlab"], "pair")
    text = repr(claimed(mine))
    assert facts["refresh_token"] not in text
    assert facts["token"] not in text
