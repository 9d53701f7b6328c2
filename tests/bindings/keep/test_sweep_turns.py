"""What a sweep makes of the answers, and of those that come too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from bindings.models import Binding, Check, CodeHost, HealthDay
from bindings.services.bind import change, replace, unbind
from bindings.services.keep import claim, sweep
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import QUICK, Clock
from tests.bindings.sources import (
    GitLab,
    events,
    make_due,
    opened,
    stored,
    told,
)
from tests.people import Somebody

SELF = "/api/v4/personal_access_tokens/self"


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
    with rls.fleet("a test's operator"):
        CodeHost.objects.filter(pk=binding.host_id).update(**QUICK)
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
