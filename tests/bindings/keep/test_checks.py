"""Checks that somebody asks for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis as redis_client
import time_machine
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding, Check
from bindings.services.bind import change, replace, unbind
from bindings.services.custody.use import stored as known_to_us
from bindings.services.keep import checks, doctor
from bindings.services.keep.checks import RUNNING_FOR
from bindings.services.keep.steps import KEYS
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.sources import (
    GitHub,
    GitLab,
    credential,
    events,
    opened,
    stored,
    told,
)
from tests.people import Somebody


def refused(call: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def kept(binding: Binding) -> list[Check]:
    """Its checks, newest first."""
    with rls.tenant(binding.tenant_id):
        return list(Check.objects.of(binding.tenant_id).filter(binding=binding).order_by("-pk"))


def waiting(settings: Any) -> list[str]:
    """The messages that wait for a worker, unpacked."""
    with redis_client.Redis.from_url(settings.REDIS_URL) as session:
        messages = map(json.loads, session.lrange("now", 0, -1))
        return [base64.b64decode(message["body"]).decode() for message in messages]


# -- begun ---------------------------------------------------------------------------------------


def test_a_check_is_begun_and_handed_to_a_worker(
    gitlab: GitLab, alice: Somebody, binding: Binding, settings: Any
) -> None:
    check = checks.start(actor=alice.actor, binding=binding)
    assert (check.status, check.cause, check.finished_at) == ("running", "manual", None)
    (message,) = waiting(settings)
    assert json.loads(message)[0] == [str(check.tenant_id), str(check.pk)]
    assert gitlab.token() not in message


def test_the_check_that_runs_is_returned(alice: Somebody, binding: Binding, settings: Any) -> None:
    first = checks.start(actor=alice.actor, binding=binding)
    assert checks.start(actor=alice.actor, binding=binding).pk == first.pk
    assert len(waiting(settings)) == 1


def test_the_next_one_waits_five_seconds(alice: Somebody, binding: Binding) -> None:
    checks.run_now(binding=binding)
    refusal = refused(lambda: checks.start(actor=alice.actor, binding=binding))
    assert (refusal.code, 0 < (refusal.retry_after or 0) <= 5) == ("X-RATE-02", True)
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        checks.start(actor=alice.actor, binding=binding)


def test_a_check_that_was_lost_does_not_stop_the_next(alice: Somebody, binding: Binding) -> None:
    first = checks.start(actor=alice.actor, binding=binding)
    with time_machine.travel(timezone.now() + RUNNING_FOR + timedelta(seconds=1)):
        assert checks.start(actor=alice.actor, binding=binding).pk != first.pk


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_where_no_check_can_say_anything_none_is_begun(
    alice: Somebody, binding: Binding, status: str
) -> None:
    with rls.fleet("a test turns it"):
        Binding.objects.filter(pk=binding.pk).update(status=status)
    refusal = refused(lambda: checks.start(actor=alice.actor, binding=binding))
    assert (refusal.code, refusal.extra) == ("X-STATE-01", {"state": status})


def test_all_of_an_instance_are_begun_once_a_minute(
    gitlab: GitLab, github: GitHub, alice: Somebody, instance: Instance, binding: Binding
) -> None:
    github.bind(alice.actor, instance)
    assert checks.start_all(actor=alice.actor, instance=instance) == 2
    refusal = refused(lambda: checks.start_all(actor=alice.actor, instance=instance))
    assert (refusal.code, 50 < (refusal.retry_after or 0) <= 60) == ("X-RATE-02", True)


def test_of_all_those_that_cannot_be_checked_are_left_out(
    github: GitHub, alice: Somebody, instance: Instance, binding: Binding
) -> None:
    github.finish(alice.actor, github.begin(alice.actor, instance))
    assert checks.start_all(actor=alice.actor, instance=instance) == 1


# -- run -----------------------------------------------------------------------------------------


def test_a_check_climbs_six_steps_and_is_kept(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    check = checks.start(actor=alice.actor, binding=binding)
    tasks.check(str(check.tenant_id), str(check.pk))
    done = kept(binding)[0]
    assert (done.status, done.code, done.state) == ("ok", "", "healthy")
    assert [step["key"] for step in done.steps] == list(KEYS)
    assert done.finished_at is not None
    assert done.ms is not None
    row = stored(binding)
    assert row.schedule.checked_at == done.finished_at
    assert row.proofs["clone"]["proven_at"] > binding.proofs["clone"]["proven_at"]
    tasks.check(str(check.tenant_id), str(check.pk))  # a message that came twice
    assert kept(binding)[0].finished_at == done.finished_at


def test_what_the_platform_calls_the_account_now_is_taken_over(
    gitlab: GitLab, binding: Binding
) -> None:
    gitlab.sandbox.change_account("gitlab", "build-bot", login="builder", name="The Builder")
    checks.run_now(binding=binding)
    row = stored(binding)
    assert (row.account_id, row.account_login, row.account_name) == ("42", "builder", "The Builder")


def test_a_refused_token_is_suspected_and_then_condemned(
    gitlab: GitLab, binding: Binding, acme: Tenant
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    first = checks.run_now(binding=binding)
    assert (first.status, first.code, first.state) == ("failed", "GL-TOK-01", "degraded")
    with time_machine.travel(timezone.now() + timedelta(seconds=30)):
        checks.run_now(binding=binding)
    assert stored(binding).status == "active"
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        last = checks.run_now(binding=binding)
    assert (last.state, stored(binding).status) == ("revoked", "revoked")
    assert told(acme) == ["binding.bound", "binding.revoked"]


def test_a_dead_binding_that_lives_again_recovers_by_hand(
    gitlab: GitLab, binding: Binding, acme: Tenant
) -> None:
    with rls.fleet("a test condemns it"):
        Binding.objects.filter(pk=binding.pk).update(status="revoked", why="refused", suspicion=2)
    assert checks.run_now(binding=binding).state == "healthy"
    row = stored(binding)
    assert (row.status, row.suspicion, row.refused_at) == ("active", 0, None)
    assert told(acme)[-1] == "binding.recovered"
    assert events(acme)[-1].data["seconds"] >= 0


def test_a_server_that_is_away_costs_the_token_nothing(gitlab: GitLab, binding: Binding) -> None:
    gitlab.sandbox.stop()
    check = checks.run_now(binding=binding)
    assert (check.status, check.code, check.state) == ("failed", "GL-NET-02", "degraded")
    row = stored(binding)
    assert (row.status, row.reach, row.reach_why) == ("active", "degraded", "refused")
    assert row.reach_facts["port"] == str(gitlab.sandbox.port)
    assert row.schedule.failures == 1


def test_a_clone_that_one_repository_refuses_is_not_the_token_refused(
    gitlab: GitLab, binding: Binding
) -> None:
    gitlab.fault("status:401", "**/info/refs")
    check = checks.run_now(binding=binding)
    assert (check.status, check.code) == ("failed", "GL-CLONE-01")
    row = stored(binding)
    assert (row.status, row.reach, row.suspicion) == ("active", "ok", 0)
    assert row.proofs["clone"] == {"ok": False, "code": "GL-CLONE-01", "proven_at": None}
    assert row.proofs["list"]["ok"]


def test_the_facts_of_both_axes_are_kept_apart(gitlab: GitLab, binding: Binding) -> None:
    """A server that is away does not change why the credential is as it is."""
    gitlab.sandbox.change_token(
        "full", "gitlab", "build-bot", scopes=["read_api", "read_repository"]
    )
    checks.run_now(binding=binding)
    said = stored(binding).why_facts
    assert (stored(binding).status, said["scopes"]) == ("insufficient", "api")
    gitlab.sandbox.stop()
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        checks.run_now(binding=binding)
    row = stored(binding)
    assert (row.status, row.why_facts, row.reach) == ("insufficient", said, "degraded")
    assert row.reach_facts["port"] == str(gitlab.sandbox.port)


# -- what moves while it runs --------------------------------------------------------------------


def test_a_check_of_a_replaced_token_changes_nothing(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    """The old token was refused; by the time that is judged, another one is in service."""
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")
    check = checks.start(actor=alice.actor, binding=binding)
    known = known_to_us(binding)
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    question = doctor.Question(host=binding.host, secret=known.secret, typed=False)
    found = doctor.examine(question, now=timezone.now())
    assert found.code == "GL-TOK-01"
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    before = stored(binding)
    with rls.tenant(check.tenant_id):
        begun = Check.objects.select_related("binding__host").get(pk=check.pk)
    checks._keep(begun, known, found)
    after = stored(binding)
    assert (after.version, after.status, after.suspicion) == (before.version, "active", 0)
    assert after.schedule.next_check_at == before.schedule.next_check_at
    assert (opened(after), credential(after).generation) == (fresh, 2)
    with rls.tenant(check.tenant_id):
        assert Check.objects.get(pk=check.pk).status == "failed"


def test_a_change_that_crosses_a_check_is_kept(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    """The verdict is judged anew against the row as it is now."""
    check = checks.start(actor=alice.actor, binding=binding)
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    change.change(actor=alice.actor, binding=binding, changes={"labels": {"a": "b"}})
    checks.run(tenant_id=check.tenant_id, check_id=check.pk)
    row = stored(binding)
    assert (row.labels, row.suspicion) == ({"a": "b"}, 1)


def test_a_check_of_what_was_unbound_ends_without_a_call(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    check = checks.start(actor=alice.actor, binding=binding)
    unbind.unbind(actor=alice.actor, binding=binding)
    asked = len(gitlab.sandbox.requests("gitlab"))
    checks.run(tenant_id=check.tenant_id, check_id=check.pk)
    (done, _) = kept(binding)
    assert (done.status, len(done.steps)) == ("failed", 6)
    assert len(gitlab.sandbox.requests("gitlab")) == asked
    with pytest.raises(NotYours):
        checks.run_now(binding=binding)


# -- credentials that do not open ----------------------------------------------------------------


def test_a_credential_that_does_not_open_is_told_and_nothing_is_sent(
    gitlab: GitLab, alice: Somebody, binding: Binding, settings: Any, acme: Tenant
) -> None:
    asked = len(gitlab.sandbox.requests("gitlab"))
    sealed = credential(binding).access
    right = settings.MOORING_KEYS
    settings.MOORING_KEYS = "other1:" + "A" * 43
    check = checks.run_now(binding=binding)
    assert (check.status, check.code, check.state) == ("failed", "GL-TOK-09", "undecryptable")
    assert [step["status"] for step in check.steps][2] == "failed"
    row = stored(binding)
    assert (row.status, row.why, row.before) == ("undecryptable", "key_missing", "active")
    assert row.why_facts == {"key": "test1"}
    assert (credential(binding).access, len(gitlab.sandbox.requests("gitlab"))) == (sealed, asked)
    assert told(acme)[-1] == "binding.undecryptable"

    settings.MOORING_KEYS = right
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        assert checks.run_now(binding=binding).state == "healthy"
    assert (stored(binding).status, stored(binding).before) == ("active", "")
    assert told(acme)[-1] == "binding.recovered"


# -- lost on the way -----------------------------------------------------------------------------


def test_a_check_whose_message_was_lost_is_started_again_and_then_given_up(
    alice: Somebody, binding: Binding, settings: Any
) -> None:
    check = checks.start(actor=alice.actor, binding=binding)
    with redis_client.Redis.from_url(settings.REDIS_URL) as session:
        session.flushall()
    now = timezone.now()
    assert checks.pick_up(now + timedelta(seconds=30)) == 0
    assert checks.pick_up(now + timedelta(seconds=50)) == 1
    assert len(waiting(settings)) == 1
    assert checks.pick_up(now + timedelta(seconds=120)) == 1
    (done, _) = kept(binding)
    assert (done.pk, done.status, len(done.steps)) == (check.pk, "failed", 6)
    assert checks.pick_up(now + timedelta(seconds=120)) == 0
