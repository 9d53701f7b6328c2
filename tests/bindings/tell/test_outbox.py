"""What the tenant's log is told of a binding."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from bindings.models import Binding, facts
from bindings.services.tell import outbox
from bindings.state import Facts, Reach, Status, Verdict, turns
from portal.ground import rls
from portal.tenants.models import Tenant
from portal.tenants.services import events
from tests.bindings.sources import GitLab, stored
from tests.bindings.sources import events as logged
from tests.people import Somebody

NOW = timezone.now()


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def verdict(was: Facts, **turned: Any) -> Verdict:
    return turns.turn(was, replace(was, **turned), NOW)


def test_an_event_has_the_binding_as_it_is(
    gitlab: GitLab, alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    with rls.tenant(acme.pk):
        outbox.tell("binding.bound", binding=binding, actor=alice.actor.event(), at=NOW, more=1)
    last = logged(acme)[-1]
    assert last.data == {"binding": outbox.picture(stored(binding)), "more": 1}
    assert (last.binding_id, last.instance_id) == (binding.pk, binding.instance_id)
    assert last.actor["name"] == "Alice"
    assert gitlab.token() not in json.dumps(last.data)


def test_a_turn_says_what_was_before(binding: Binding, acme: Tenant) -> None:
    turned = verdict(facts.of(binding), status=Status.REVOKED, suspicion=2)
    with rls.tenant(acme.pk):
        outbox.tell_verdict(binding, turned, at=NOW)
    last = logged(acme)[-1]
    assert (last.type, last.data["previous_state"]) == ("binding.revoked", "healthy")
    assert last.actor == outbox.SYSTEM


def test_trouble_and_recovery_say_since_when_and_for_how_long(binding: Binding) -> None:
    began = NOW - timedelta(minutes=20)
    away = verdict(facts.of(binding), reach=Reach.UNREACHABLE, first_failure_at=began)
    (entry,) = outbox.of_verdict(binding, away, at=NOW)
    assert (entry.type, entry.data["since"]) == ("binding.unreachable", moment(began))
    was = Facts(Status.ACTIVE, Reach.UNREACHABLE, reach_since=began)
    (entry,) = outbox.of_verdict(binding, verdict(was, reach=Reach.OK), at=NOW)
    assert entry.type == "binding.recovered"
    assert (entry.data["since"], entry.data["seconds"]) == (moment(began), 1200)


def test_a_credential_that_recovers_counts_from_its_own_trouble(binding: Binding) -> None:
    began = NOW - timedelta(hours=1)
    was = Facts(Status.INSUFFICIENT, since=began)
    (entry,) = outbox.of_verdict(binding, verdict(was, status=Status.ACTIVE), at=NOW)
    assert (entry.data["since"], entry.data["seconds"]) == (moment(began), 3600)


def test_a_verdict_that_turns_nothing_tells_nothing(binding: Binding, acme: Tenant) -> None:
    count = len(logged(acme))
    with rls.tenant(acme.pk):
        outbox.tell_verdict(binding, verdict(facts.of(binding)), at=NOW)
    assert len(logged(acme)) == count


def test_the_chain_stays_whole(binding: Binding, acme: Tenant) -> None:
    turned = verdict(facts.of(binding), status=Status.SUSPENDED)
    for _ in range(3):
        with rls.fleet("a test tells"):
            events.record_many(outbox.of_verdict(binding, turned, at=NOW))
    assert events.verify(acme) is None
