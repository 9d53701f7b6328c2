"""Triggers of an instance, as people read and press them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bindings.models import Binding, Trigger
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings import using
from tests.bindings.api import rows
from tests.bindings.sources import events
from tests.bindings.web.reading import asked_of_database, read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}


@pytest.fixture
def here(instance: Instance) -> str:
    return f"/t/acme/instances/{instance.name}/triggers/"


def stored(trigger: Trigger) -> Trigger | None:
    with rls.tenant(trigger.tenant_id):
        return Trigger.objects.of(trigger.tenant_id).filter(pk=trigger.pk).first()


def test_the_list_says_what_is_built_and_how_each_stands(
    alice: Somebody, instance: Instance, here: str
) -> None:
    bound = rows.binding(instance, "gitlab")
    using.hook(bound)
    using.trigger(bound, last_event_at=timezone.now() - timedelta(minutes=12))
    using.trigger(bound, "nightly", mode="manual", branches=[], tags=[])
    using.trigger(bound, "paused", enabled=False)
    page = read(alice.client.get(here)).text
    assert "api main platform/api main release/* tag v* 12 min ago Active" in page
    assert "nightly platform/api default branch None yet Manual" in page
    assert "Disabled" in page


def test_a_trigger_that_waits_says_until_when(
    alice: Somebody, instance: Instance, here: str
) -> None:
    gone = rows.binding(instance, "gitlab", unbound_at=timezone.now())
    since = timezone.now() - timedelta(days=4)
    made = using.trigger(gone, waiting_since=since)
    until = since + timedelta(days=30)
    said = f"Nothing is bound. This trigger is kept until {until.day} {until:%b %Y}."
    for where in (here, f"{here}{made.public_id}/"):
        page = read(alice.client.get(where))
        assert said in page.text
        assert "Run now" not in page.text
    chinese = read(alice.client.get(here, headers=CHINESE)).text
    assert "未绑定账号，此触发器保留到" in chinese


def test_trouble_with_the_webhook_is_said(alice: Somebody, instance: Instance, here: str) -> None:
    bound = rows.binding(instance, "gitlab")
    using.hook(bound, status="missing")
    using.trigger(bound)
    page = read(alice.client.get(here)).text
    assert "Webhook failing The webhook is gone from GitLab." in page


def test_without_anything_bound_the_page_leads_to_binding(
    alice: Somebody, instance: Instance, here: str
) -> None:
    for where in (here, f"{here}new/"):
        page = read(alice.client.get(where))
        assert "Nothing is bound yet." in page.text
        assert page.links["Code sources"].endswith("/sources/")


def test_a_trigger_is_made_previewed_run_and_deleted(
    alice: Somebody, binding: Binding, here: str
) -> None:
    client = alice.client
    typed = {
        "name": "api main",
        "binding": binding.public_id,
        "repository": "platform/api",
        "mode": "manual",
        "branches": "main\n feature/*",
        "tags": "",
        "variables": "image=acme/api\nlevel = 3",
        "enabled": "on",
    }
    previewed = read(client.post(f"{here}new/", {**typed, "preview": "1"}))
    assert "now: main" in previewed.text
    assert previewed.fields["repository"]["value"] == "platform/api"
    part = client.post(f"{here}preview/", {**typed, "branches": "no-such-*"})
    assert "Nothing matches now." in read(part).text

    made = client.post(f"{here}new/", typed)
    assert made.status_code == 302, read(made).text
    page = read(client.get(made.headers["Location"]))
    assert "The trigger api main was made." in page.text
    assert "level=3" in page.source
    with rls.tenant(binding.tenant_id):
        (trigger,) = Trigger.objects.of(binding.tenant_id)
    assert trigger.branches == ["main", "feature/*"]
    assert trigger.variables == {"image": "acme/api", "level": "3"}

    at = f"{here}{trigger.public_id}/"
    assert '<option value="main">' in client.get(f"{at}run/").content.decode()
    wrong = client.post(f"{at}run/", {"ref": "no-such-branch"})
    assert wrong.status_code == 422
    assert client.post(f"{at}run/", {"ref": "main", "reason": "test"}).status_code == 302
    assert [event.data["reason"] for event in events(alice.tenant, "build.manual")] == ["test"]
    assert "main" in read(client.get(at)).text

    assert (
        client.post(f"{at}change/", {**typed, "name": "other", "mode": "manual"}).status_code == 302
    )
    assert "Delete the trigger other?" in read(client.get(f"{at}delete/")).text
    assert client.post(f"{at}delete/").status_code == 302
    assert stored(trigger) is None


def test_what_the_service_refuses_stands_at_its_field(
    alice: Somebody, binding: Binding, here: str
) -> None:
    typed = {
        "name": "x",
        "binding": binding.public_id,
        "repository": "no/such",
        "mode": "automatic",
        "branches": "\n".join("b" * n for n in range(1, 30)),
        "variables": "no sign here",
    }
    answer = alice.client.post(f"{here}new/", typed)
    assert answer.status_code == 422
    assert "Write NAME=value, one on each line." in read(answer).text
    answer = alice.client.post(f"{here}new/", {**typed, "variables": "1=x"})
    assert answer.status_code == 422
    assert read(answer).text.count("This value cannot be used here") >= 2


def test_viewers_are_told_who_can_and_developers_may(
    bob: Somebody, carol: Somebody, instance: Instance, here: str
) -> None:
    made = using.trigger(rows.binding(instance, "gitlab"))
    refused = carol.client.get(here)
    assert refused.status_code == 403
    assert "Ask an admin: Alice." in read(refused).text
    assert "Triggers" not in read(carol.client.get(here.replace("triggers", "sources"))).links
    assert "Run now" in read(bob.client.get(f"{here}{made.public_id}/")).text


def test_many_triggers_cost_no_more_than_one(
    alice: Somebody, instance: Instance, here: str
) -> None:
    bound = rows.binding(instance, "gitlab")
    made = [using.trigger(bound, f"t-{n:03}", path=f"p/{n}") for n in range(30)]
    for n in range(12):
        brought = using.delivery(using.hook(bound, f"h/{n}"))
        using.firing(made[0], brought, ref=f"refs/heads/b-{n}")
    assert asked_of_database(alice.client, here) <= 10
    assert asked_of_database(alice.client, f"{here}{made[0].public_id}/") <= 10


def test_another_tenants_trigger_is_not_there(
    mallory: Somebody, instance: Instance, foreign_instance: Instance, here: str
) -> None:
    made = using.trigger(rows.binding(instance, "gitlab"))
    theirs = f"/t/globex/instances/{foreign_instance.name}/triggers/{made.public_id}/"
    for page in ("", "run/", "delete/"):
        assert mallory.client.get(f"{theirs}{page}").status_code == 404
    assert stored(made) is not None
