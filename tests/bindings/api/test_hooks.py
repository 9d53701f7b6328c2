"""Webhooks over the API, exactly as the contract has them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bindings.models import Binding
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.sources import GitLab
from tests.hosts import Receiver, Sandbox
from tests.people import Somebody
from tests.portal.rest.calls import body_of, send

KEYS = {
    *("id", "binding", "repository", "url", "events", "status", "status_since"),
    *("provider_hook_id", "signature", "created_at", "last_delivery_at", "checked_at"),
}


@pytest.fixture
def gitlab(near: Sandbox) -> GitLab:
    """As services reach it."""
    return GitLab(near)


@pytest.fixture
def api(bob: Somebody, receiver: Receiver, settings: Any) -> Client:
    """A developer's program; what is delivered goes to a receiver."""
    settings.MOORING_URL = receiver.url.removesuffix("/hook")
    return bob.api("webhooks:read", "webhooks:write", "repositories:read", personal=True)


def asked(api: Client, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = send(api, method, f"/api/v1/{path}", body)
    assert answer.status_code == status, answer.content
    return body_of(answer) if answer.content else None


def test_a_webhook_from_its_wish_to_its_end(
    api: Client, gitlab: GitLab, binding: Binding, settings: Any, receiver: Receiver
):
    where, wish = f"bindings/{binding.public_id}/webhooks", {"repository": "platform/api"}
    answer = send(api, "POST", f"/api/v1/{where}", wish)
    made = body_of(answer)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/webhooks/{made['id']}"
    assert set(made) == KEYS
    assert made["url"] == f"{settings.MOORING_URL}/hooks/{made['id']}"
    assert made["repository"]["path"] == "platform/api"
    assert (made["events"], made["signature"]) == (["push", "tag"], "signed")
    assert (made["status"], made["last_delivery_at"]) == ("unverified", None)
    (there,) = gitlab.sandbox.hooks("gitlab")
    assert made["provider_hook_id"] == str(there["id"])
    assert asked(api, "POST", where, wish) == made
    assert asked(api, "POST", where, {"repository": made["repository"]["id"]}) == made

    path = f"webhooks/{made['id']}"
    assert asked(api, "GET", path) == made
    shown = asked(api, "GET", f"bindings/{binding.public_id}/repositories/platform%2Fapi")
    assert (shown["webhook"], shown["trigger_mode"]) == (made["id"], "automatic")
    asked(api, "POST", f"{path}/tests", {}, 202)
    assert receiver.wait(1)[0].path == f"/hooks/{made['id']}"
    repaired = asked(api, "POST", f"{path}/repairs", {})
    assert repaired["checked_at"] >= made["checked_at"]
    asked(api, "POST", f"{path}/recoveries", {}, 202)
    asked(api, "DELETE", path, None, 204)
    asked(api, "GET", path, None, 404)
    assert gitlab.sandbox.hooks("gitlab") == []


def test_they_are_listed_by_path_and_narrowed_down(
    api: Client,
    binding: Binding,
    instance: Instance,
    second_instance: Instance,
    alice: Somebody,
):
    where = f"bindings/{binding.public_id}/webhooks"
    for name in ("web", "api", "reports"):
        send(api, "POST", f"/api/v1/{where}", {"repository": f"platform/{name}"})
    found = asked(api, "GET", "webhooks")["data"]
    assert [row["repository"]["path"] for row in found] == ["platform/api", "platform/web"]
    first = found[0]
    for query, count in {
        f"binding={binding.public_id}": 2,
        "binding=bnd_00000000000000000000000000": 0,
        f"instance={instance.public_id}": 2,
        f"repository={first['repository']['id']}": 1,
        "repository=platform%2Fweb": 1,
        "status=unverified": 2,
        "status=failing&status=missing": 0,
    }.items():
        assert len(asked(api, "GET", f"webhooks?{query}")["data"]) == count, query
    page = asked(api, "GET", "webhooks?limit=1")
    rest = asked(api, "GET", f"webhooks?limit=1&cursor={page['next_cursor']}")
    assert [page["data"][0], rest["data"][0]] == found
    elsewhere = alice.api("webhooks:read", instances=[second_instance])
    assert asked(elsewhere, "GET", "webhooks")["data"] == []
    asked(api, "GET", "webhooks?status=removed", None, 400)


@pytest.mark.parametrize(
    ("repository", "status", "code"),
    [
        ("platform/reports", 422, "GL-HOOK-02"),
        ("platform/old-site", 409, "GL-REPO-03"),
        ("platform/nothing", 404, "GL-REPO-02"),
    ],
    ids=["role", "archived", "absent"],
)
def test_what_cannot_be_is_told_with_its_code(
    api: Client, binding: Binding, repository: str, status: int, code: str
):
    wish = {"repository": repository}
    refused = asked(api, "POST", f"bindings/{binding.public_id}/webhooks", wish, status)
    assert refused["code"] == code
    with rls.tenant(binding.tenant_id):
        assert not binding.hooks.exists()
