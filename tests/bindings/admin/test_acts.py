"""What operators do with bindings: each act is refused or done per binding, and told its tenant."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone

from bindings.models import Binding, Check, CodeHost, Ending
from bindings.services.keep import pause
from bindings.state import State
from portal.ground import redis, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.models import Instance, Tenant
from tests.bindings.admin.conftest import Operator, address, changed, now_is, said, told
from tests.bindings.api import rows
from tests.people import Somebody

REASON = "The provider reported a leak of test tokens."


def test_check_selected_queues_one_check_each(
    operator: Operator, bound: Binding, foreign: Binding
) -> None:
    answer = operator.does("check", bound, foreign)
    assert said(answer) == ["Check begun: 2."]
    assert redis.client().llen("now") == 2
    for binding in (bound, foreign):
        with rls.tenant(binding.tenant_id):
            assert Check.objects.of(binding.tenant_id).get(binding=binding).status == "running"


def test_what_cannot_be_checked_is_left_and_said(
    operator: Operator, bound: Binding, foreign: Binding
) -> None:
    changed([foreign], status="suspended", why="operator", before="active")
    answer = operator.does("check", bound, foreign)
    assert said(answer)[0] == "Check begun: 1."
    assert said(answer)[1].startswith("Left as they are: 1.")


def test_suspend_asks_why_first(operator: Operator, bound: Binding) -> None:
    page = operator.does("suspend", bound).content.decode()
    assert "All calls stop" in page
    assert "build-bot" in page
    assert now_is(bound).state is State.HEALTHY


def test_suspend_without_a_reason_asks_again(operator: Operator, bound: Binding) -> None:
    page = operator.does("suspend", bound, reason="  ", apply="Suspend").content.decode()
    assert "This field is required." in page
    assert now_is(bound).state is State.HEALTHY


def test_suspended_is_not_called_and_the_tenant_reads_why(
    operator: Operator, bound: Binding, foreign: Binding, acme: Tenant
) -> None:
    answer = operator.does("suspend", bound, reason=REASON, apply="Suspend")
    assert said(answer) == ["Suspended: 1."]
    row = now_is(bound)
    assert (row.status, row.why, row.before) == ("suspended", "operator", "active")
    assert row.why_facts["reason"] == REASON
    assert row.schedule.next_check_at is None
    (event,) = told(acme, "binding.suspended")
    assert event.data["reason"] == REASON
    assert event.data["previous_state"] == "healthy"
    assert event.actor["kind"] == "operator"
    assert event.binding_id == bound.pk
    assert now_is(foreign).state is State.HEALTHY


def test_resumed_it_is_what_it_was_and_checked_at_once(
    operator: Operator, bound: Binding, acme: Tenant
) -> None:
    lacking = {"scopes": "api"}
    changed([bound], status="insufficient", why="scope", why_facts=lacking)
    operator.does("suspend", bound, reason=REASON, apply="Suspend")
    answer = operator.does("resume", bound)
    assert said(answer) == ["Resumed: 1."]
    row = now_is(bound)
    assert (row.status, row.why, row.why_facts) == ("insufficient", "scope", lacking)
    assert row.schedule.next_check_at is not None
    assert row.schedule.next_check_at <= timezone.now()
    (event,) = told(acme, "binding.insufficient")
    assert event.data["previous_state"] == "suspended"
    assert event.actor["kind"] == "operator"


def test_nothing_is_resumed_that_no_operator_has_paused(
    operator: Operator, bound: Binding, acme: Tenant
) -> None:
    assert said(operator.does("resume", bound))[0].startswith("Left as they are: 1.")
    assert told(acme, "binding.resumed") == []


def test_a_pause_for_another_reason_stays(operator: Operator, bound: Binding) -> None:
    changed([bound], status="suspended", why="account_blocked", before="active")
    operator.does("suspend", bound, reason=REASON, apply="Suspend")
    operator.does("resume", bound)
    row = now_is(bound)
    assert (row.status, row.why) == ("suspended", "account_blocked")


def test_what_has_ended_is_neither_paused_nor_resumed(bound: Binding, alice: Somebody) -> None:
    changed([bound], unbound_at=timezone.now())
    with pytest.raises(NotYours):
        pause.suspend(actor=alice.actor, binding=bound, reason=REASON)
    with pytest.raises(NotYours):
        pause.resume(actor=alice.actor, binding=bound)


def test_a_second_pause_is_refused(bound: Binding, alice: Somebody, acme: Tenant) -> None:
    pause.suspend(actor=alice.actor, binding=bound, reason=REASON)
    with pytest.raises(Refusal, match="X-STATE-01"):
        pause.suspend(actor=alice.actor, binding=bound, reason="another")
    assert now_is(bound).why_facts["reason"] == REASON
    assert len(told(acme, "binding.suspended")) == 1


def test_resumed_at_a_server_that_is_off_it_waits_on(bound: Binding, alice: Somebody) -> None:
    pause.suspend(actor=alice.actor, binding=bound, reason=REASON)
    with rls.fleet("a test"):
        CodeHost.objects.filter(pk=bound.host_id).update(enabled=False)
    row = pause.resume(actor=alice.actor, binding=bound)
    assert (row.status, row.why, row.before) == ("suspended", "host_disabled", "active")
    assert now_is(bound).schedule.next_check_at is None


def test_unbind_shows_first_what_stops(operator: Operator, bound: Binding) -> None:
    page = operator.does("unbind", bound).content.decode()
    assert "the credential is erased here" in page
    assert now_is(bound).unbound_at is None


def test_unbound_with_a_reason(operator: Operator, bound: Binding, acme: Tenant) -> None:
    answer = operator.does("unbind", bound, reason=REASON, apply="Unbind")
    assert said(answer) == ["Unbound: 1."]
    row = now_is(bound)
    assert row.unbound_at is not None
    assert row.unbound_by_name == "Operator"
    (event,) = told(acme, "binding.unbound")
    assert event.data["reason"] == REASON
    with rls.tenant(acme.pk):
        ending = Ending.objects.of(acme).get(pk=bound.pk)
    assert ending.by["kind"] == "operator"


def test_an_account_in_use_is_named_before_it_ends(operator: Operator, bound: Binding) -> None:
    changed([bound], used_at=timezone.now())
    page = operator.does("unbind", bound, reason=REASON, confirm="wrong", apply="Unbind")
    assert "In use: type “build-bot” to go on." in page.content.decode()
    assert now_is(bound).unbound_at is None
    operator.does("unbind", bound, reason=REASON, confirm="build-bot", apply="Unbind")
    assert now_is(bound).unbound_at is not None


def test_several_in_use_are_counted(operator: Operator, bound: Binding, foreign: Binding) -> None:
    changed([bound], used_at=timezone.now())
    operator.does("unbind", bound, foreign, reason=REASON, confirm="build-bot", apply="Unbind")
    assert now_is(bound).unbound_at is None
    operator.does("unbind", bound, foreign, reason=REASON, confirm="unbind 2", apply="Unbind")
    assert now_is(bound).unbound_at is not None
    assert now_is(foreign).unbound_at is not None


def test_unbinding_needs_a_fresh_sign_in(operator: Operator, bound: Binding) -> None:
    session = operator.client.session
    session[access.SIGNED_IN] = time.time() - 3600
    session.save()
    sent = {"action": "unbind", "_selected_action": [str(bound.pk)], "reason": REASON, "apply": "1"}
    answer = operator.client.post(address("bindings_binding_changelist"), sent)
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    assert now_is(bound).unbound_at is None


def test_too_many_at_once_are_left_alone(operator: Operator, acme: Tenant) -> None:
    made = rows.bindings(rows.instances(acme, 501))
    answer = operator.does("check", *made)
    assert said(answer) == ["Choose 500 bindings at most; nothing was done."]
    assert redis.client().llen("now") == 0


def test_what_was_filtered_away_is_not_touched(
    operator: Operator, bound: Binding, instance: Instance
) -> None:
    sent = {"action": "check", "_selected_action": [str(bound.pk)], "index": "0"}
    answer = operator.client.post(
        address("bindings_binding_changelist") + "?state=revoked", sent, follow=True
    )
    assert said(answer) == []
    assert redis.client().llen("now") == 0
