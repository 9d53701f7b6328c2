"""Triggers, builds by hand and deliveries over the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Hook
from bindings.services.listen import work
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from tests.bindings import hooked
from tests.bindings.listen.conftest import Listening
from tests.bindings.listen.conftest import listening as listening
from tests.people import Somebody

V1 = "/api/v1"


@pytest.fixture
def binding(listening: Listening) -> Binding:
    return listening.bind("gitlab")


def create(client: Any, at: Binding, **more: Any) -> Any:
    body = {
        "name": "api main",
        "binding": at.public_id,
        "repository": "platform/api",
        "branches": ["main", "release/*"],
        "tags": ["v*"],
        "variables": {"image": "acme/api"},
        "endpoints": None,
    } | more
    path = f"{V1}/instances/{at.instance.public_id}/triggers"
    return client.post(path, body, "application/json")


def test_a_trigger_from_birth_to_end(binding: Binding, alice: Somebody) -> None:
    client = alice.api()
    made = create(client, binding)
    assert made.status_code == 201, made.content
    shown = made.json()
    where = f"{V1}/triggers/{shown['id']}"
    assert made.headers["Location"] == where
    assert set(shown) == {
        *("id", "instance", "binding", "provider", "repository", "name", "mode", "enabled"),
        *("branches", "tags", "variables", "endpoints", "status", "status_reason", "webhook"),
        *("last_event_at", "created_at"),
    }
    assert (shown["status"], shown["status_reason"], shown["endpoints"]) == ("active", None, None)
    assert shown["webhook"].startswith("hok_")
    assert shown["repository"]["path"] == "platform/api"

    got = client.get(where)
    assert got.json() == shown
    assert client.patch(where, {}, "application/json").status_code == 428
    stale = {"If-Match": '"stale"'}
    assert client.patch(where, {}, "application/json", headers=stale).status_code == 412
    match = {"If-Match": got.headers["ETag"]}
    changed = client.patch(where, {"enabled": False}, "application/json", headers=match)
    assert (changed.status_code, changed.json()["status"]) == (200, "disabled")
    again = client.patch(where, {"enabled": True}, "application/json", headers=match)
    assert again.status_code == 412

    run = client.post(f"{where}/runs", {"ref": "main", "reason": "why"}, "application/json")
    assert run.status_code == 202, run.content
    assert (run.json()["ref"], run.json()["kind"]) == ("refs/heads/main", "branch")
    assert len(run.json()["sha"]) == 40
    nowhere = client.post(f"{where}/runs", {"ref": "nowhere"}, "application/json")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "GL-REF-01")

    match = {"If-Match": changed.headers["ETag"]}
    assert client.delete(where, headers=match).status_code == 204
    assert client.get(where).status_code == 404


def test_mistakes_are_named_by_their_places(binding: Binding, alice: Somebody) -> None:
    client = alice.api()
    answer = create(client, binding, branches=["ok", "x" * 201], variables={"1": "x"})
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == ["#/branches/1"]
    answer = create(client, binding, variables={"1": "x"}, tags=["v"] * 21)
    assert [e["pointer"] for e in answer.json()["errors"]] == ["#/tags", "#/variables"]
    assert create(client, binding).status_code == 201
    taken = create(client, binding)
    assert (taken.status_code, taken.json()["suggestion"]) == (409, "api main-2")
    assert create(client, binding, name="x", binding="bnd_nobodys").status_code == 404
    unseen = create(client, binding, name="x", repository="platform/nowhere")
    assert (unseen.status_code, unseen.json()["code"]) == (404, "GL-REPO-02")


def test_triggers_are_listed_by_what_they_are(acme: Tenant, alice: Somebody) -> None:
    hook, other = hooked.hook(acme), hooked.hook(acme, "gitea", status="disabled")
    first = hooked.trigger(hook, "b")
    hooked.trigger(hook, "a", mode="manual")
    hooked.trigger(other, "c")
    hooked.trigger(other, "d", waiting_since=timezone.now())
    client = alice.api("triggers:read")

    def names(**query: str) -> list[str]:
        answer = client.get(f"{V1}/triggers", query)
        assert answer.status_code == 200, answer.content
        return [row["name"] for row in answer.json()["data"]]

    assert names() == ["a", "b", "c", "d"]
    assert names(status="active") == ["b"]
    assert names(status="manual_only") == ["a"]
    assert names(status="webhook_failing") == ["c"]
    assert names(status="waiting") == ["d"]
    assert names(mode="manual") == ["a"]
    assert names(binding=hook.binding.public_id) == ["a", "b"]
    assert names(instance=other.binding.instance.public_id) == ["c", "d"]
    assert names(repository="acme/app") == ["a", "b", "c", "d"]
    assert names(repository=hook.repository.public_id) == ["a", "b"]
    page = client.get(f"{V1}/triggers", {"limit": "1"}).json()
    after = client.get(f"{V1}/triggers", {"limit": "1", "cursor": page["next_cursor"]}).json()
    assert after["data"][0]["id"] == first.public_id


# -- deliveries -----------------------------------------------------------------------------------


@pytest.fixture
def hook(acme: Tenant) -> Hook:
    """One that had a push, a ping and a forgery."""
    made = hooked.hook(acme)
    hooked.trigger(made, branches=["**"])
    hooked.post(made, *hooked.github(delivery="7c1e-a08"))
    hooked.post(made, *hooked.github({"zen": "test"}, event="ping"))
    hooked.post(made, *hooked.github(secret="test-wrong"))
    work.run(budget_s=0, stopping=lambda: False)
    return made


def test_a_delivery_is_shown_whole(hook: Hook, alice: Somebody, acme: Tenant) -> None:
    client = alice.api("deliveries:read")
    listed = client.get(f"{V1}/deliveries").json()["data"]
    assert [row["outcome"] for row in listed] == ["refused", "ignored", "matched"]
    brief = listed[-1]
    (event,) = hooked.events(acme)
    assert brief["provider_delivery_id"] == "7c1e-a08"
    assert (brief["event"], brief["ref"]) == ("push", "refs/heads/main")
    assert (brief["before"], brief["after"]) == (hooked.OTHER_SHA, hooked.SHA)
    assert (brief["signature"], brief["origin"]) == ("valid", "provider")
    assert brief["events"] == [event.public_id]
    assert brief["webhook"] == hook.public_id

    whole = client.get(f"{V1}/deliveries/{brief['id']}")
    assert whole.status_code == 200
    shown = whole.json()
    assert {name: shown[name] for name in brief} == brief
    assert shown["headers"]["X-Github-Event"] == "push"
    assert "X-Hub-Signature-256" not in shown["headers"]
    assert shown["payload"]["ref"] == "refs/heads/main"
    refused = client.get(f"{V1}/deliveries/{listed[0]['id']}").json()
    assert (refused["payload"], refused["provider_delivery_id"]) == (None, None)
    assert refused["signature"] == "mismatch"


@pytest.mark.parametrize("body", [b"\xff", b"[" * 500 + b"]" * 500, b'{"a": 1e999}', b""])
def test_an_odd_payload_is_no_crash(acme: Tenant, alice: Somebody, body: bytes) -> None:
    hook = hooked.hook(acme)
    hooked.post(hook, *hooked.github(body))
    (row,) = hooked.deliveries(hook)
    assert alice.api("deliveries:read").get(f"{V1}/deliveries/{row.public_id}").status_code == 200


def test_deliveries_are_filtered(hook: Hook, alice: Somebody, acme: Tenant) -> None:
    other = hooked.hook(acme)
    hooked.post(other, *hooked.github())
    client = alice.api("deliveries:read")

    def count(**query: str) -> int:
        answer = client.get(f"{V1}/deliveries", query)
        assert answer.status_code == 200, answer.content
        return len(answer.json()["data"])

    assert count() == 4
    assert count(webhook=hook.public_id) == 3
    assert count(binding=other.binding.public_id) == 1
    assert count(instance=hook.binding.instance.public_id) == 3
    assert count(repository=hook.repository.public_id) == 3
    assert count(repository="acme/app") == 4
    assert count(event="push") == 2
    assert count(outcome="matched") == 1
    assert count(signature="mismatch") == 1
    assert count(since="2030-01-01") == 0
    assert count(until="2020-01-01") == 0
    assert client.get(f"{V1}/deliveries", {"outcome": "odd"}).status_code == 400


def test_a_token_of_one_instance_sees_its_own_only(
    hook: Hook, alice: Somebody, second_instance: Instance
) -> None:
    (row, *_others) = hooked.deliveries(hook)
    client = alice.api(instances=[second_instance])
    assert client.get(f"{V1}/deliveries").json()["data"] == []
    assert client.get(f"{V1}/deliveries/{row.public_id}").status_code == 404
    assert client.get(f"{V1}/triggers").json()["data"] == []


def test_a_replay_is_accepted_and_a_forgery_is_not(hook: Hook, alice: Somebody) -> None:
    push, _ping, forged = hooked.deliveries(hook)
    client = alice.api("deliveries:replay", "deliveries:read")
    done = client.post(f"{V1}/deliveries/{push.public_id}/replays", {}, "application/json")
    assert (done.status_code, done.json()["replays"]) == (202, 1)
    refused = client.post(f"{V1}/deliveries/{forged.public_id}/replays", {}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "X-STATE-01")


def test_nothing_is_told_across_tenants(hook: Hook, mallory: Somebody) -> None:
    client = mallory.api()
    (row, *_others) = hooked.deliveries(hook)
    assert client.get(f"{V1}/deliveries").json()["data"] == []
    for path in (f"deliveries/{row.public_id}", f"triggers/{hook.public_id}"):
        assert client.get(f"{V1}/{path}").status_code == 404


def test_expiries_say_how_many_triggers_end(acme: Tenant, alice: Somebody) -> None:
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    with rls.tenant(acme.pk):
        Binding.objects.of(acme).filter(pk=hook.binding_id).update(
            expires_at=timezone.now(), quality="exact"
        )
    (entry,) = alice.api("bindings:read").get(f"{V1}/expiries").json()["data"]
    assert entry["triggers"] == 1
