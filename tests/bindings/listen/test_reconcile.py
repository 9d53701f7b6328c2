"""Webhooks that came apart are mended in place, and pushes that never came are emitted once."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from bindings.models import Binding, Delivery, Hook, Notice, Trigger
from bindings.services.custody import sealed
from bindings.services.keep import drills, sweep
from bindings.services.keep.rehearsal import Scenario
from bindings.services.listen import gaps, hooks, reconcile
from bindings.services.tell import webhooks
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Event
from tests.bindings.listen.conftest import Listening, again
from tests.bindings.seven import ACCOUNTS
from tests.hosts import Receiver
from tests.people import Somebody


@pytest.fixture
def hooked(listening: Listening, alice: Somebody) -> Hook:
    """A webhook at GitLab, and a trigger for everything pushed there."""
    hook, _ = hooks.add(
        actor=alice.actor, binding=listening.bind("gitlab"), repository="platform/api"
    )
    with rls.tenant(hook.tenant_id):
        Trigger.objects.create(
            tenant_id=hook.tenant_id,
            instance_id=hook.binding.instance_id,
            repository_id=hook.repository_id,
            name="all",
            branches=["**"],
            tags=["**"],
        )
    return hook


def due(*rows: Hook) -> None:
    for hook in rows:
        with rls.tenant(hook.tenant_id):
            Hook.objects.of(hook.tenant_id).filter(pk=hook.pk).update(check_at=timezone.now())


def compared(hook: Hook) -> Hook:
    """One turn of the reconciler, and the row after it."""
    due(hook)
    reconcile.run(threads=1)
    return again(hook)


def told(hook: Hook, family: str) -> list[Event]:
    with rls.tenant(hook.tenant_id):
        rows = Event.objects.of(hook.tenant_id).filter(type__startswith=family)
        return list(rows.order_by("seq"))


def words(hook: Hook, family: str = "webhook.") -> list[str]:
    return [event.type for event in told(hook, family)]


def test_one_that_was_deleted_is_made_again(listening: Listening, hooked: Hook):
    (there,) = listening.hooks("gitlab")
    listening.sandbox.change_hook("gitlab", there["id"], deleted=True)
    after = compared(hooked)
    (made,) = listening.hooks("gitlab")
    assert (after.status, after.remote_id) == ("unverified", str(made["id"]))
    assert made["id"] != there["id"]
    assert made["url"] == webhooks.url_of(hooked)
    assert words(hooked) == ["webhook.created", "webhook.repaired"]
    compared(hooked)
    assert words(hooked) == ["webhook.created", "webhook.repaired"]


def test_one_that_was_switched_off_is_switched_on(listening: Listening, hooked: Hook, receiver):
    (there,) = listening.hooks("gitlab")
    listening.sandbox.change_hook("gitlab", there["id"], disabled=True)
    after = compared(hooked)
    (made,) = listening.hooks("gitlab")
    assert (after.status, made["disabled"]) == ("unverified", False)
    assert receiver.heard  # the test that switched it on
    assert words(hooked)[1:] == ["webhook.repaired"]


def test_one_whose_address_was_changed_gets_it_back_and_a_new_secret(
    listening: Listening, hooked: Hook
):
    (there,) = listening.hooks("gitlab")
    listening.sandbox.change_hook("gitlab", there["id"], url="http://127.0.0.1:1/elsewhere")
    after = compared(hooked)
    (made,) = listening.hooks("gitlab")
    assert (made["id"], made["url"]) == (there["id"], webhooks.url_of(hooked))
    now = timezone.now()
    assert sealed.shared_secrets(hooked, now=now)[0] == sealed.shared_secrets(after, now=now)[1]
    assert after.previous_until < now + timedelta(hours=25)


def test_one_whose_secret_was_changed_gets_another(listening: Listening, hooked: Hook):
    with rls.fleet("a test's forgery"):
        Delivery.objects.create(
            tenant_id=hooked.tenant_id,
            hook=hooked,
            outcome="refused",
            signature="mismatch",
            next_at=None,
        )
    after = compared(hooked)
    now = timezone.now()
    assert sealed.shared_secrets(hooked, now=now)[0] == sealed.shared_secrets(after, now=now)[1]
    assert words(hooked)[1:] == ["webhook.repaired"]
    assert sealed.shared_secrets(compared(hooked), now=now) == sealed.shared_secrets(after, now=now)


def test_a_second_one_of_ours_is_removed(listening: Listening, hooked: Hook):
    with rls.tenant(hooked.tenant_id):
        Hook.objects.of(hooked.tenant_id).filter(pk=hooked.pk).update(remote_id="4711")
    compared(hooked)  # adopted by its address
    (there,) = listening.hooks("gitlab")
    assert again(hooked).remote_id == str(there["id"])


def test_a_host_that_is_away_changes_nothing(listening: Listening, hooked: Hook):
    before = again(hooked)
    listening.sandbox.fault("gitlab", "status:502")
    after = compared(hooked)
    assert (after.status, after.failures, after.secret) == (before.status, 1, before.secret)
    assert timedelta(minutes=4) < after.check_at - timezone.now() < timedelta(minutes=6)
    assert words(hooked) == ["webhook.created"]
    listening.sandbox.clear_faults()
    assert compared(hooked).failures == 0


def test_a_repair_that_got_no_answer_forgets_neither_secret(
    listening: Listening, hooked: Hook, alice: Somebody
):
    """The host may have either one. A second try uses the new one again."""
    listening.sandbox.fault("gitlab", "lost_answer", path="**/hooks/*", method="PUT")
    for _ in range(2):
        with pytest.raises(Refusal):
            hooks.repair(actor=alice.actor, hook=hooked)
    waiting = again(hooked)
    far = timezone.now() + timedelta(days=2)
    old, new = sealed.shared_secrets(hooked, now=far), sealed.shared_secrets(waiting, now=far)
    assert new[1:] == old
    listening.sandbox.clear_faults()
    done = hooks.repair(actor=alice.actor, hook=hooked)
    assert sealed.shared_secrets(done, now=timezone.now()) == new
    assert sealed.shared_secrets(done, now=far) == new[:1]


def test_what_nobody_may_mend_is_told_once(listening: Listening, hooked: Hook):
    (there,) = listening.hooks("gitlab")
    listening.sandbox.change_hook("gitlab", there["id"], deleted=True)
    listening.sandbox.fault(
        "gitlab", "insufficient_scope", path="**/hooks", method="POST", value="api"
    )
    for _ in range(2):
        after = compared(hooked)
        assert (after.status, after.trouble) == ("missing", "GL-SCOPE-02")
    assert words(hooked)[1:] == ["webhook.failing"]
    listening.sandbox.clear_faults()
    assert compared(hooked).status == "unverified"
    assert words(hooked)[1:] == ["webhook.failing", "webhook.repaired"]


def test_people_read_one_story_until_the_last_one_is_mended(
    listening: Listening, hooked: Hook, alice: Somebody
):
    other, _ = hooks.add(actor=alice.actor, binding=hooked.binding, repository="platform/web")
    for there in listening.hooks("gitlab"):
        listening.sandbox.change_hook("gitlab", there["id"], deleted=True)
    for number in ("1077", "1078"):
        fault = {"path": f"**/{number}/hooks", "method": "POST", "value": "api"}
        listening.sandbox.fault("gitlab", "insufficient_scope", **fault)

    def stories() -> list[bool]:
        with rls.tenant(hooked.tenant_id):
            rows = Notice.objects.of(hooked.tenant_id).filter(kind="webhook")
            return [row.closed_at is None for row in rows]

    due(hooked, other)
    assert reconcile.run(threads=1) == {"troubled": 2}
    assert stories() == [True]
    listening.sandbox.clear_faults()
    assert compared(hooked).status == "unverified"
    assert stories() == [True]
    assert compared(other).status == "unverified"
    assert stories() == [False]


def test_missed_pushes_are_emitted_once(listening: Listening, hooked: Hook):
    assert gaps.recover(hook=hooked) == 0
    sent = listening.sandbox.push("gitlab", "platform/api", "main", deliver=False)
    listening.sandbox.push("gitlab", "platform/api", "refs/tags/v9", deliver=False)
    compared(hooked)
    compared(hooked)
    assert gaps.recover(hook=hooked) == 0
    found = {event.data["ref"]: event for event in told(hooked, "build.")}
    assert {event.type for event in found.values()} == {"build.recovered"}
    assert set(found) == {"refs/heads/main", "refs/tags/v9"}
    main = found["refs/heads/main"].data
    assert (main["before"], main["after"]) == (sent["before"], sent["after"])
    assert found["refs/tags/v9"].data["before"] is None
    with rls.tenant(hooked.tenant_id):
        rows = Delivery.objects.of(hooked.tenant_id).filter(hook=hooked)
        assert set(rows.values_list("origin", "outcome")) == {("recovered", "matched")}
        assert rows.count() == 2
    assert again(hooked).status == "unverified"  # nothing has come by itself


def test_a_deleted_ref_starts_nothing_and_may_come_back(listening: Listening, hooked: Hook):
    listening.sandbox.push("gitlab", "platform/api", "passing", deliver=False)
    assert gaps.recover(hook=hooked) == 1
    listening.sandbox.push("gitlab", "platform/api", "passing", delete=True, deliver=False)
    assert gaps.recover(hook=hooked) == 0
    listening.sandbox.push("gitlab", "platform/api", "passing", deliver=False)
    assert gaps.recover(hook=hooked) == 1


def test_half_an_answer_starts_nothing(listening: Listening, hooked: Hook):
    listening.sandbox.push("gitlab", "platform/api", "main", deliver=False)
    listening.sandbox.fault("gitlab", "status:502", path="**/tags")
    with pytest.raises(Refusal) as refused:
        gaps.recover(hook=hooked)
    assert refused.value.code == "GL-API-03"
    compared(hooked)
    assert told(hooked, "build.") == []
    listening.sandbox.clear_faults()
    assert gaps.recover(hook=hooked) == 1


def test_a_delivery_that_waits_for_its_worker_is_not_missed(listening: Listening, hooked: Hook):
    with rls.fleet("a test's delivery"):
        Delivery.objects.create(tenant_id=hooked.tenant_id, hook=hooked, key="1")
    listening.sandbox.push("gitlab", "platform/api", "main", deliver=False)
    assert gaps.recover(hook=hooked) == 0


def test_who_waits_is_told_what_was_mended_and_sent(listening: Listening, hooked: Hook):
    (there,) = listening.hooks("gitlab")
    listening.sandbox.change_hook("gitlab", there["id"], deleted=True)
    listening.sandbox.push("gitlab", "platform/api")
    done = reconcile.at_once(hooked.binding)
    assert (done["mended"], done["pushes"]) == (1, 1)
    assert reconcile.run(threads=1) == {}


def test_only_what_is_due_is_compared(listening: Listening, hooked: Hook):
    assert reconcile.run(threads=1) == {}
    with rls.tenant(hooked.tenant_id):
        Binding.objects.of(hooked.tenant_id).update(used_at=None)
    reconcile.soon(hooked.binding)
    assert reconcile.run(threads=1) == {"same": 1}
    # It is no use of the account, and no check of it either.
    assert again(hooked).binding.used_at is None


def test_a_drill_switches_one_off_and_puts_it_back(
    listening: Listening, hooked: Hook, alice: Somebody
):
    before = again(hooked)
    drills.start(actor=alice.actor, binding=hooked.binding, scenario=Scenario.HOOK_DISABLED)
    asked = len(listening.sandbox.requests("gitlab"))
    assert reconcile.run(threads=1) == {"drill": 1}
    sweep.run()
    off = again(hooked)
    assert (off.status, off.trouble, off.binding.state) == ("disabled", "GL-HOOK-06", "healthy")
    assert len(listening.sandbox.requests("gitlab")) == asked
    (failing,) = told(hooked, "webhook.failing")
    assert failing.data["drill"] is True
    with rls.tenant(hooked.tenant_id):
        (notice,) = Notice.objects.of(hooked.tenant_id).filter(kind="webhook")
    assert (notice.data["name"], notice.data["drill"]) == ("platform/api", True)
    assert notice.data["maker"] == str(alice.person.pk)

    ended = drills.end(actor=alice.actor, binding=hooked.binding)
    assert ended is not None
    assert ended.report["as_before"]
    back = again(hooked)
    assert (back.status, back.status_since) == (before.status, before.status_since)
    (repaired,) = told(hooked, "webhook.repaired")
    assert repaired.data["drill"] is True
    assert reconcile.run(threads=1) == {"same": 1}


def test_after_an_outage_of_ours_all_are_compared_within_minutes(hooked: Hook):
    soon = timedelta(minutes=5)
    reconcile.run(threads=1)
    with rls.tenant(hooked.tenant_id):
        later = timezone.now() + timedelta(minutes=50)
        Hook.objects.of(hooked.tenant_id).update(check_at=later)
    reconcile.run(threads=1)
    assert again(hooked).check_at == later
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        reconcile.run(threads=1)
        assert again(hooked).check_at < timezone.now() + soon


def test_the_command_compares_and_repairs(hooked: Hook):
    def command(*options: str) -> str:
        out = StringIO()
        call_command("reconcile_webhooks", *options, stdout=out)
        return out.getvalue()

    only = ("--binding", hooked.binding.public_id)
    assert command() == "No webhook is due.\n"
    assert command(*only) == "same 1\n"
    assert json.loads(command(*only, "--repair", "--json")) == {
        "webhooks": {"repaired": 1, "same": 1}
    }
    for wrong in (("--repair",), ("--binding", "bnd_nobody")):
        with pytest.raises(CommandError) as refused:
            command(*wrong)
        assert refused.value.returncode == 2


@pytest.mark.parametrize("provider", sorted(ACCOUNTS))
def test_every_platform_is_mended_and_misses_no_push(
    listening: Listening, alice: Somebody, receiver: Receiver, provider: str
):
    """Deleted, led elsewhere, switched off, refused by us: after each all is as it should be."""
    repository = listening.repository(provider)
    hook, _ = hooks.add(actor=alice.actor, binding=listening.bind(provider), repository=repository)

    def change(**what: Any) -> None:
        (there,) = listening.hooks(provider)
        listening.sandbox.change_hook(provider, there["id"], **what)

    def run() -> dict[str, int]:
        due(hook)
        return dict(reconcile.run(threads=1))

    assert run() == {"same": 1}
    change(deleted=True)
    listening.sandbox.push(provider, repository)
    assert run() == {"mended": 1, "pushes": 1}
    change(url="http://127.0.0.1:1/elsewhere")
    listening.sandbox.push(provider, repository, "refs/tags/v77")
    assert run() == {"mended": 1, "pushes": 1}
    if provider in ("github", "gitea", "bitbucket"):
        change(active=False)
        assert run() == {"mended": 1}
    receiver.status = 500
    listening.sandbox.push(provider, repository)
    told_by_host = provider in ("codearts", "github")
    assert run() == {"troubled" if told_by_host else "same": 1, "pushes": 1}
    receiver.status = 200
    listening.sandbox.push(provider, repository)
    assert set(run()) <= {"same", "mended", "pushes"}
    (there,) = listening.hooks(provider)
    assert there["url"] == webhooks.url_of(hook)
    assert again(hook).status == "unverified"
