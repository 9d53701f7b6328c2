"""The relay against a builder that really listens."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from unittest import mock

import psycopg
import pytest
from django.core.management import call_command
from django.utils import timezone

from bindings.api import pictures
from bindings.models import Binding, Dispatch, Endpoint
from bindings.services.bind import unbind
from bindings.services.keep import retention
from bindings.services.tell import endpoints, outbox, people, relay, stories, wording
from portal.ground import rls
from portal.ground.rest import rendering
from portal.tenants.models import Event, Instance, Tenant
from tests.bindings.fleet import Clock
from tests.bindings.renewals import eventually, workers
from tests.bindings.sources import events as logged
from tests.hosts import Sandbox
from tests.people import Somebody
from tests.receiver import Receiver


def listen(
    builder: Receiver, who: Somebody, name: str = "builder", **more: Any
) -> tuple[Endpoint, str]:
    """An endpoint of this builder that wants everything, and its secret."""
    asked = {"kinds": ["build.*", "binding.*", "webhook.*"]} | more
    return endpoints.create(actor=who.actor, name=name, url=builder.url, **asked)


def happens(binding: Binding, *types: str, **data: Any) -> list[Event]:
    """Something is told of a binding."""
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        return outbox.record(
            [
                outbox.entry(type, binding=binding, actor=outbox.SYSTEM, at=now, **data)
                for type in types
            ]
        )


def once(at: datetime | None = None) -> relay.Result:
    """Send what is due now, or at another time."""
    return relay.run(once=True, clock=Clock(at or timezone.now()))


def later(**span: float) -> datetime:
    return timezone.now() + timedelta(**span)


def rows(tenant: Tenant) -> list[Dispatch]:
    with rls.tenant(tenant.pk):
        return list(Dispatch.objects.of(tenant).select_related("endpoint", "event").order_by("pk"))


def stored(endpoint: Endpoint) -> Endpoint:
    with rls.tenant(endpoint.tenant_id):
        return Endpoint.objects.get(pk=endpoint.pk)


def test_an_event_reaches_its_builder_signed_and_is_marked(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    endpoint, secret = listen(builder, alice)
    (event,) = happens(binding, "binding.suspended")
    assert once().outcomes == {"delivered": 1}
    (got,) = builder.verified(secret)
    assert (got["id"], got["type"]) == (event.public_id, "binding.suspended")
    assert got["tenant"] == {"id": acme.public_id, "slug": "acme"}
    assert got["instance"]["name"] == "prod-registry"
    assert builder.got[0].headers["content-type"] == "application/json"
    assert builder.got[0].headers["user-agent"].startswith("Mooring/")
    assert builder.ids == [event.public_id]
    (row,) = rows(acme)
    assert (row.state, row.tries, row.next_at) == ("delivered", 0, None)
    assert [one["http_status"] for one in row.attempts] == [204]
    assert stored(endpoint).last_delivery_at is not None


def test_a_binding_is_shown_whole_as_the_api_shows_it(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    _, secret = listen(builder, alice)
    happens(binding, "binding.expiring", threshold_days=14)
    unbind.unbind(actor=alice.actor, binding=binding)
    with rls.tenant(acme.pk):
        fresh = pictures.binding(pictures.rows(Binding.objects.of(acme)).get(), timezone.now())
    once()
    first, last = builder.verified(secret)
    shown = json.loads(rendering.dumps(fresh))
    assert first["data"].pop("threshold_days") == 14
    assert first["data"] == {"binding": shown | {"next_check_at": mock.ANY}}
    assert (last["type"], set(last["data"]["binding"])) == ("binding.unbound", set(shown))


def test_what_fails_is_tried_again_later_and_later_and_then_given_up(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    happens(binding, "binding.suspended")
    builder.answers(500, body=b"\x1b[31mno " + b"x" * 2000)
    now, waits = timezone.now() + timedelta(seconds=1), []
    for _ in range(9):
        once(now)
        (row,) = rows(acme)
        waits.append(None if row.next_at is None else (row.next_at - now).total_seconds())
        now = row.next_at or now
    goals = (10, 60, 300, 1800, 7200, 21600, 43200, 86400)
    for wait, goal in zip(waits, goals, strict=False):
        assert wait is not None
        assert 0.9 * goal <= wait <= 1.1 * goal
    assert (waits[-1], row.state, row.tries) == (None, "abandoned", 9)
    assert once(now + timedelta(days=3)).sent == 0
    assert len(set(builder.ids)) == 1
    assert len({one.body for one in builder.got}) == 1
    said = row.attempts[0]["error"]
    assert said.startswith("\\x1b[31mno xxx")
    assert len(said) <= 1100


@pytest.mark.parametrize(
    ("status", "asked", "goal"),
    [(429, "1800", 1800), (503, "7", 7), (503, "7200", 10), (503, "soon", 10), (500, "1800", 10)],
)
def test_an_endpoint_may_ask_to_wait_for_an_hour_at_most(
    binding: Binding,
    alice: Somebody,
    acme: Tenant,
    builder: Receiver,
    status: int,
    asked: str,
    goal: float,
) -> None:
    listen(builder, alice)
    happens(binding, "binding.suspended")
    builder.answers(status, {"Retry-After": asked})
    now = timezone.now()
    once(now)
    (row,) = rows(acme)
    assert row.next_at is not None
    assert 0.9 * goal <= (row.next_at - now).total_seconds() <= 1.1 * goal


def test_an_answer_too_long_to_read_is_an_answer_and_a_redirect_is_none(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    happens(binding, "binding.suspended")
    builder.answers(302, {"Location": builder.url + "/elsewhere"})
    assert once().outcomes == {"failed": 1}
    assert [got.path for got in builder.got] == ["/hook"]
    builder.answers(200, body=b"x" * 100_000)
    assert once(later(seconds=12)).outcomes == {"delivered": 1}
    assert [one["http_status"] for one in rows(acme)[0].attempts] == [302, 200]


def test_gone_switches_off_and_is_told(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    endpoint, _ = listen(builder, alice)
    happens(binding, "binding.suspended")
    builder.answers(410)
    assert once().outcomes == {"gone": 1}
    off = stored(endpoint)
    assert (off.enabled, off.why) == (False, "gone")
    last = logged(acme, "endpoint.")[-1]
    assert (last.type, last.data["reason"]) == ("endpoint.disabled", "gone")
    happens(binding, "binding.resumed")
    assert [row.event.type for row in rows(acme)] == ["binding.suspended"]
    assert once(later(days=1)).sent == 0


def test_five_days_of_failures_switch_off_and_what_is_kept_is_sent_once_it_is_on(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    endpoint, secret = listen(builder, alice)
    builder.answers(500)
    for day in range(6):
        happens(binding, "binding.suspended")
        once(later(days=day, minutes=1))
        assert stored(endpoint).enabled is (day < 5)
    assert stored(endpoint).why == "failures"
    people.tell(timezone.now())
    with rls.tenant(acme.pk):
        found, _more = stories.of_person(acme, alice.person)
        assert wording.title(found[0], timezone.now()) == "The endpoint builder was disabled"
        assert endpoints.kept(stored(endpoint))[0] == len(rows(acme))
    (late,) = happens(binding, "binding.resumed")
    assert once(later(days=6)).sent == 0
    builder.answers(204)
    builder.got.clear()
    endpoints.change(actor=alice.actor, endpoint=endpoint, changes={"enabled": True})
    once()
    assert late.public_id in builder.ids
    assert {row.state for row in rows(acme)} <= {"delivered", "abandoned"}
    assert len(builder.verified(secret)) == len(set(builder.ids))


def test_a_success_ends_the_count_of_failures(
    binding: Binding, alice: Somebody, builder: Receiver
) -> None:
    endpoint, _ = listen(builder, alice)
    builder.answers(500)
    happens(binding, "binding.suspended")
    once(later(minutes=1))
    assert stored(endpoint).failing_since is not None
    builder.answers_first(204)
    once(later(days=4))
    assert stored(endpoint).failing_since is None
    happens(binding, "binding.suspended")
    once(later(days=6))
    assert stored(endpoint).enabled


def test_what_hangs_holds_two_threads_and_nobody_else(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver, on_loopback: None
) -> None:
    """The others are all served while the hung one has answered nothing."""
    listen(builder, alice, "good")
    with Receiver() as hung:
        listen(hung, alice, "hung")
        hung.hangs()
        made = [event for n in range(20) for event in happens(binding, "binding.bound", n=n)]
        goal = {event.public_id for event in made}

        def served(_: Any) -> None:
            if {*builder.ids} == goal:
                hung.goes_on()

        builder.before = served
        with rls.tenant(acme.pk):  # so that they need not wait for each other
            for row in Dispatch.objects.of(acme):
                Dispatch.objects.of(acme).filter(pk=row.pk).update(lane=str(row.pk))
        result = once()
    assert hung.most_at_once == 2
    assert result.outcomes == {"delivered": 40}


def test_events_of_one_ref_keep_their_order_and_wait_for_one_attempt_at_most(
    binding: Binding, alice: Somebody, builder: Receiver
) -> None:
    listen(builder, alice)
    first, second, third = (event.public_id for event in happens(binding, *["binding.bound"] * 3))
    builder.answers_first(500)
    once()
    assert builder.ids == [first, second, third]
    assert builder.most_at_once == 1
    once(later(seconds=12))
    assert builder.ids == [first, second, third, first]


def test_the_secret_before_signs_for_a_day(
    binding: Binding, alice: Somebody, builder: Receiver
) -> None:
    endpoint, before = listen(builder, alice)
    secret, until = endpoints.new_secret(actor=alice.actor, endpoint=endpoint)
    assert until is not None
    happens(binding, "binding.suspended")
    once()
    assert len(builder.got[0].signatures) == 2
    assert builder.verified(before) == builder.verified(secret)
    builder.got.clear()
    happens(binding, "binding.resumed")
    once(until)
    assert len(builder.got[0].signatures) == 1


def test_a_replay_has_the_same_id_and_bytes(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    happens(binding, "binding.suspended")
    once()
    unbind.unbind(actor=alice.actor, binding=binding)
    relay.replay(actor=alice.actor, dispatch=rows(acme)[0])
    assert logged(acme, "delivery.")[-1].type == "delivery.replayed"
    once()
    first = builder.got[0]
    again = next(got for got in builder.got[1:] if got.id == first.id)
    assert again.body == first.body


def test_an_event_is_stored_with_its_dispatches_or_not_at_all(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    before = len(logged(acme))

    def breaks_off() -> None:
        with rls.tenant(acme.pk):
            outbox.tell("binding.bound", binding=binding, actor=outbox.SYSTEM, at=timezone.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks_off()
    assert (rows(acme), len(logged(acme))) == ([], before)


def test_who_did_not_ask_hears_nothing(
    binding: Binding,
    alice: Somebody,
    mallory: Somebody,
    second_instance: Instance,
    builder: Receiver,
) -> None:
    listen(builder, alice, "types", kinds=["binding.bound", "build.*"])
    listen(builder, alice, "instances", instances=[second_instance.public_id])
    listen(builder, alice, "off", enabled=False)
    listen(builder, mallory)
    happens(binding, "binding.suspended")
    assert once().sent == 0
    happens(binding, "binding.bound")
    assert once().sent == 1


def test_without_redis_events_are_sent_all_the_same(
    binding: Binding, alice: Somebody, builder: Receiver, settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    listen(builder, alice)
    happens(binding, "binding.suspended")
    result = relay.run(budget_s=30, stopping=lambda: bool(builder.ids))
    assert result.outcomes == {"delivered": 1}


def test_a_relay_that_has_to_end_finishes_and_hands_back_the_rest(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    for n in range(6):
        happens(binding, "binding.bound", n=n)
    with rls.tenant(acme.pk):
        for row in Dispatch.objects.of(acme):
            Dispatch.objects.of(acme).filter(pk=row.pk).update(lane=str(row.pk))
    result = relay.run(budget_s=30, stopping=lambda: bool(builder.got))
    assert result.outcomes["delivered"] == len(builder.got) < 6
    now = timezone.now()
    left = [row for row in rows(acme) if row.state == "waiting"]
    assert all(row.next_at is not None and row.next_at <= now for row in left)
    assert len(left) + len(builder.got) == 6


def test_a_killed_relay_loses_nothing_and_repeats_the_id(
    binding: Binding, sandbox: Sandbox, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    (event,) = happens(binding, "binding.suspended")
    builder.hangs()
    allowed = {"MOORING_ENDPOINT_ALLOW_CIDRS": ("127.0.0.0/8",)}
    with workers(sandbox, **allowed) as (doomed,):
        doomed.begin("relay", 30.0)
        eventually(lambda: builder.ids)
        doomed.kill()
    builder.goes_on()
    assert [row.state for row in rows(acme)] == ["waiting"]
    assert once().sent == 0  # its lease still stands
    assert once(later(seconds=61)).outcomes == {"delivered": 1}
    assert builder.built == {event.public_id: 2}


def test_the_command_sends_what_is_due(
    binding: Binding, alice: Somebody, builder: Receiver
) -> None:
    listen(builder, alice)
    happens(binding, "binding.suspended")
    out = StringIO()
    call_command("relay_events", once=True, json=True, stdout=out)
    assert json.loads(out.getvalue()) == {"sent": 1, "results": {"delivered": 1}}


def test_threads_of_the_relay_touch_no_database(
    binding: Binding, alice: Somebody, builder: Receiver, superuser: psycopg.Connection[Any]
) -> None:
    listen(builder, alice)
    for n in range(10):
        happens(binding, "binding.bound", n=n)
    seen: set[int] = set()

    def look(_: Any) -> None:
        ours = "SELECT pid FROM pg_stat_activity WHERE usename = 'mooring_login'"
        seen.update(pid for (pid,) in superuser.execute(ours))

    builder.before = look
    once()
    assert len(seen) <= 4


def test_old_events_are_purged(
    binding: Binding, alice: Somebody, acme: Tenant, builder: Receiver
) -> None:
    listen(builder, alice)
    happens(binding, "binding.suspended")
    assert retention.purge(later(days=29))["events sent"] == 0
    assert retention.purge(later(days=31))["events sent"] == 1
    assert rows(acme) == []
