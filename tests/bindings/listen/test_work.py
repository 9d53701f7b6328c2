"""Working deliveries off: what is built, what is not, and what is tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bindings.models import Binding, Delivery, Dispatch, Endpoint, Head, Hook
from bindings.services.custody import sealed
from bindings.services.listen import hooks, pushes, work
from portal.ground import rls
from portal.tenants.models import Tenant
from providers.types import Push
from tests.bindings import hooked
from tests.bindings.listen.conftest import Listening, again
from tests.people import Somebody

DELETED = "0" * 40


def drain() -> int:
    return work.run(budget_s=0, stopping=lambda: False)


def due_now() -> None:
    """Whatever waits for its next try is due."""
    with rls.fleet("a test's clock"):
        Delivery.objects.filter(next_at__isnull=False).update(next_at=timezone.now())


def outcome(hook: Hook) -> str:
    return hooked.deliveries(hook)[-1].outcome


def pushed(hook: Hook, **payload: Any) -> str:
    """The outcome of one more push."""
    assert hooked.post(hook, *hooked.github(hooked.push(**payload))).status_code == 202
    drain()
    return outcome(hook)


# -- what a push becomes ------------------------------------------------------------------------


def test_the_event_says_everything_a_builder_needs(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    trigger = hooked.trigger(hook, variables={"image": "acme/api"})
    head = {"id": hooked.SHA, "message": "Fix login\n\nmore", "author": {"name": "Lin Wei"}}
    assert pushed(hook, head_commit=head) == "matched"
    (event,) = hooked.events(acme)
    (delivery,) = hooked.deliveries(hook)
    data = event.data
    assert event.type == "build.push"
    assert (event.instance_id, event.binding_id) == (hook.binding.instance_id, hook.binding_id)
    assert data["trigger"] == {
        "id": trigger.public_id,
        "name": "app",
        "variables": {"image": "acme/api"},
    }
    assert data["binding"] == {
        "id": hook.binding.public_id,
        "provider": "github",
        "account": "build-bot",
    }
    assert data["repository"]["clone_url"] == "https://github.example.net/acme/app.git"
    assert (data["ref"], data["kind"], data["name"]) == ("refs/heads/main", "branch", "main")
    assert (data["before"], data["after"]) == (hooked.OTHER_SHA, hooked.SHA)
    assert (data["actor"], data["delivery"], data["reason"]) == (
        "alice",
        delivery.public_id,
        None,
    )
    assert data["commit"]["title"] == "Fix login"
    assert delivery.events == [str(event.pk)]
    assert delivery.refs[0]["after"] == hooked.SHA


@pytest.mark.parametrize(
    ("payload", "expected", "types"),
    [
        ({"ref": "refs/tags/v1"}, "matched", ["build.tag"]),
        ({"ref": "refs/heads/other"}, "no_trigger", []),
        ({"after": DELETED, "deleted": True}, "ignored", []),
        ({"repository": {"id": 777, "full_name": "evil/app"}}, "ignored", []),
        ({"ref": None}, "unreadable", []),
    ],
    ids=["tag", "other", "deleted", "foreign", "unreadable"],
)
def test_what_becomes_of_it(
    acme: Tenant, payload: dict[str, Any], expected: str, types: list[str]
) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook, branches=["main"], tags=["v*"])
    assert pushed(hook, **payload) == expected
    assert [event.type for event in hooked.events(acme)] == types


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'"text"'])
def test_what_cannot_be_read_is_no_reason_to_fail(acme: Tenant, body: bytes) -> None:
    hook = hooked.hook(acme)
    assert hooked.post(hook, *hooked.github(body)).status_code == 202
    drain()
    assert outcome(hook) == "unreadable"


def test_a_ping_wakes_the_hook(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.post(hook, *hooked.github({"zen": "test"}, event="ping"))
    drain()
    assert outcome(hook) == "ignored"
    row = again(hook)
    assert row.status == "active"
    assert row.heard_at is not None


@pytest.mark.parametrize(
    "more",
    [{"enabled": False}, {"mode": "manual"}, {"waiting_since": timezone.now()}],
    ids=["disabled", "manual", "waiting"],
)
def test_a_trigger_that_is_not_to_fire_does_not(acme: Tenant, more: dict[str, Any]) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook, **more)
    assert pushed(hook) == "no_trigger"


def test_every_trigger_that_means_the_ref_fires(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    for name in ("one", "two"):
        hooked.trigger(hook, name)
    pushed(hook)
    assert len(hooked.events(acme)) == 2


def test_only_the_endpoints_of_the_trigger_hear_of_it(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    with rls.tenant(acme.pk):
        known = [
            Endpoint.objects.create(
                tenant=acme, name=name, url="https://b.example", kinds=["build.*"]
            )
            for name in ("one", "two")
        ]
    hooked.trigger(hook, endpoints=[known[1].pk])
    pushed(hook)
    with rls.tenant(acme.pk):
        assert [row.endpoint_id for row in Dispatch.objects.of(acme)] == [known[1].pk]


def test_several_refs_in_one_delivery_fire_once_each(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook, branches=["**"])
    made = [
        Push("42", f"refs/heads/{name}", before=DELETED, after=hooked.SHA, created=True)
        for name in ("a", "b", "a")
    ]
    hooked.post(hook, *hooked.github())
    (delivery,) = hooked.deliveries(hook)
    row = again(hook)
    pushes.handle(hook=row, delivery=delivery, pushes=made, origin="provider", at=timezone.now())
    assert [event.data["name"] for event in hooked.events(acme)] == ["a", "b"]
    assert hooked.events(acme)[0].data["before"] is None


def test_what_was_found_by_comparing_heads_is_recovered(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    with rls.tenant(acme.pk):
        delivery = Delivery.objects.create(tenant=acme, hook=hook, origin="recovered")
    made = Push("42", "refs/heads/main", before="", after=hooked.SHA)
    pushes.handle(
        hook=again(hook), delivery=delivery, pushes=[made], origin="recovered", at=timezone.now()
    )
    (event,) = hooked.events(acme)
    assert (event.type, event.data["kind"]) == ("build.recovered", "branch")
    assert event.data["delivery"] == delivery.public_id


# -- once, whatever happens ---------------------------------------------------------------------


def test_the_same_ref_and_commit_fire_once_however_often_they_are_told(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    assert [pushed(hook, n=n) for n in range(3)] == ["matched"] * 3
    assert len(hooked.events(acme)) == 1


def together(work_off: Callable[[int], Any], crew: int) -> list[Any]:
    """All at once, each with a connection of its own."""
    ready = threading.Barrier(crew)

    def run(number: int) -> Any:
        try:
            ready.wait()
            return work_off(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(crew) as pool:
        return list(pool.map(run, range(crew)))


def test_two_workers_fire_once(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    for n in range(6):
        hooked.post(hook, *hooked.github(hooked.push(n=n)))
    rows = [(row.pk, row.tenant_id) for row in hooked.deliveries(hook)]
    together(lambda number: [work.one(*row) for row in rows[number::2]], 2)
    assert len(hooked.events(acme)) == 1
    assert {row.outcome for row in hooked.deliveries(hook)} == {"matched"}


def test_fifty_at_once_are_one_event(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    given = hooked.github()
    statuses = together(lambda _: [hooked.post(hook, *given).status_code for _ in range(10)], 5)
    flat = [status for some in statuses for status in some]
    assert (flat.count(202), flat.count(200)) == (1, 49)
    together(lambda _: drain(), 2)
    (row,) = hooked.deliveries(hook)
    assert row.duplicates == 49
    assert len(hooked.events(acme)) == 1


def test_one_delivery_after_the_other_of_one_hook(acme: Tenant) -> None:
    """A later one waits for the first try of an earlier one, and no longer."""
    hook = hooked.hook(acme)
    for n in range(2):
        hooked.post(hook, *hooked.github(hooked.push(n=n)))
    first, second = hooked.deliveries(hook)
    assert [row[0] for row in work._claim(timezone.now())] == [first.pk]
    assert work._claim(timezone.now()) == []
    with rls.fleet("a worker died"):
        Delivery.objects.filter(pk=first.pk).update(next_at=timezone.now())
    assert [row[0] for row in work._claim(timezone.now())] == [first.pk]
    assert [row[0] for row in work._claim(timezone.now())] == [second.pk]


def test_a_killed_worker_loses_nothing(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    hooked.post(hook, *hooked.github())
    assert len(work._claim(timezone.now())) == 1  # and then it was killed
    assert drain() == 0
    due_now()
    assert drain() == 1
    assert outcome(hook) == "matched"


def test_what_fails_for_a_day_has_failed(acme: Tenant) -> None:
    hook = hooked.hook(acme, "codeup")  # at a host that nobody reaches
    headers = {"x-codeup-token": hooked.SECRET, "codeup-event": "Push Hook"}
    body = b'{"object_kind":"push","ref":"refs/heads/main","project_id":42,"after":"%s"}'
    hooked.post(hook, headers, body % hooked.SHA.encode())
    with rls.fleet("a day later"):
        Delivery.objects.update(attempts=len(work.PAUSES))
    due_now()
    drain()
    assert outcome(hook) == "failed"
    assert hooked.deliveries(hook)[0].trouble != ""


def test_one_that_breaks_us_does_not_stop_the_others(acme: Tenant, superuser: Any) -> None:
    broken, well = hooked.hook(acme), hooked.hook(acme)
    hooked.trigger(well, "well")
    for hook in (broken, well):
        hooked.post(hook, *hooked.github())
    superuser.execute("UPDATE bindings_delivery SET headers = '[]' WHERE hook_id = %s", [broken.pk])
    with pytest.raises(AttributeError):
        drain()
    drain()
    assert outcome(well) == "matched"
    (row,) = hooked.deliveries(broken)
    assert (row.outcome, row.attempts) == ("queued", 1)
    assert row.next_at is not None
    assert row.next_at > timezone.now()
    with rls.fleet("it went on like this"):
        Delivery.objects.filter(pk=row.pk).update(attempts=len(work.PAUSES) + 1)
    due_now()
    drain()
    assert outcome(broken) == "failed"


def test_after_an_unbind_nothing_is_built(acme: Tenant) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    hooked.post(hook, *hooked.github())
    with rls.tenant(acme.pk):
        Binding.objects.of(acme).update(unbound_at=timezone.now())
    drain()
    (row,) = hooked.deliveries(hook)
    assert (row.outcome, row.trouble) == ("ignored", "unbound")


def test_heads_are_remembered_and_never_turned_back(acme: Tenant) -> None:
    hook = hooked.hook(acme)

    def heads() -> dict[str, str]:
        with rls.tenant(acme.pk):
            return dict(Head.objects.of(acme).values_list("ref", "sha"))

    pushed(hook)
    assert heads() == {"refs/heads/main": hooked.SHA}
    with rls.tenant(acme.pk):
        Head.objects.of(acme).update(at=timezone.now() + timedelta(hours=1), sha="c" * 40)
    pushed(hook, n=1)
    assert heads() == {"refs/heads/main": "c" * 40}
    with rls.tenant(acme.pk):
        Head.objects.of(acme).update(at=timezone.now() - timedelta(hours=1))
    pushed(hook, after=DELETED, deleted=True)
    assert heads() == {}


# -- where the proof does not cover the body: the real thing ------------------------------------


@pytest.fixture
def gitee(listening: Listening, alice: Somebody) -> Hook:
    """A webhook at Gitee, whose signature proves the time and no more."""
    binding = listening.bind("gitee")
    repository = listening.repository("gitee")
    hook, _made = hooks.add(actor=alice.actor, binding=binding, repository=repository)
    hooked.trigger(hook, branches=["**"])
    return again(hook)


def told(hook: Hook, ref: str, after: str) -> tuple[dict[str, str], bytes]:
    payload = {
        "hook_name": "push_hooks",
        "ref": ref,
        "before": hooked.OTHER_SHA,
        "after": after,
        "created": False,
        "deleted": False,
        "repository": {"id": int(hook.repository.remote_id)},
        "head_commit": {"id": after, "message": "told"},
    }
    return hooked.gitee(payload, secret=secret_of(hook))


def secret_of(hook: Hook) -> str:
    return sealed.shared_secrets(hook, now=timezone.now())[0]


def test_a_forged_ref_is_not_known_and_nothing_is_built(gitee: Hook, acme: Tenant) -> None:
    hooked.post(gitee, *told(gitee, "refs/heads/evil", hooked.SHA))
    drain()
    assert outcome(gitee) == "unconfirmed"
    assert hooked.events(acme) == []


def test_the_commit_is_what_the_host_says(gitee: Hook, acme: Tenant, listening: Listening) -> None:
    path = listening.repository("gitee")
    real = listening.sandbox.push("gitee", path, "main", deliver=False)["after"]
    hooked.post(gitee, *told(gitee, "refs/heads/main", hooked.SHA))
    hooked.post(gitee, *told(gitee, "refs/heads/main", real))
    drain()
    (event,) = hooked.events(acme)
    assert event.data["after"] == real
    assert event.data["commit"]["title"] is None  # it was said of another commit


def test_a_host_that_does_not_answer_is_asked_again(
    gitee: Hook, acme: Tenant, listening: Listening
) -> None:
    path = listening.repository("gitee")
    real = listening.sandbox.push("gitee", path, "main", deliver=False)["after"]
    listening.sandbox.fault("gitee", "status", value=503)
    for _ in range(2):
        hooked.post(gitee, *told(gitee, "refs/heads/main", real))
    drain()
    first = hooked.deliveries(gitee)[0]
    assert (first.outcome, first.attempts) == ("queued", 1)
    listening.sandbox.clear_faults()
    for _ in range(3):
        due_now()
        drain()
    assert outcome(gitee) == "matched"
    assert len(hooked.events(acme)) == 1
