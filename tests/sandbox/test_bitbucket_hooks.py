"""Bitbucket's webhooks in the sandbox: one delivery per push, tried again, never too large."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.hosts import Heard, Receiver, Reply, Sandbox, ask

SECRET = "test-hook-secret"


class Project:
    """The hooks of one repository as one account sees them."""

    def __init__(self, sandbox: Sandbox, path: str = "octavia/harbor", name: str = "full") -> None:
        token = sandbox.token("bitbucket", "octavia", name)
        self.url = f"{sandbox.base('bitbucket')}/2.0/repositories/{path}/hooks"
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, hook: str = "", body: Any = None) -> Reply:
        url = f"{self.url}/{quote(hook)}" if hook else self.url
        return ask(method, url, json_body=body, headers=self.headers)

    def add(self, url: str, **more: Any) -> dict[str, Any]:
        wanted = {"url": url, "active": True, "events": ["repo:push"], "secret": SECRET, **more}
        made = self("POST", "", wanted)
        assert made.status == 201, made.body
        told: dict[str, Any] = made.json()
        return told


@pytest.fixture
def project(sandbox: Sandbox) -> Project:
    return Project(sandbox)


def signature(heard: Heard) -> str:
    return f"sha256={hmac.new(SECRET.encode(), heard.body, hashlib.sha256).hexdigest()}"


def test_a_hook_is_known_by_a_uuid_in_braces_and_hides_its_secret(project: Project) -> None:
    made = project.add("http://127.0.0.1:9/")
    assert made["uuid"].startswith("{")
    assert made["secret_set"]
    shown = project("GET", made["uuid"])
    assert shown.json() == made
    assert SECRET not in shown.body.decode()
    assert project("GET").json()["values"] == [made]


def test_a_secret_that_is_left_out_stays_and_null_takes_it_away(project: Project) -> None:
    made = project.add("http://127.0.0.1:9/")
    body = {"url": made["url"], "events": ["repo:push"]}
    assert project("PUT", made["uuid"], body).json()["secret_set"]
    assert not project("PUT", made["uuid"], {**body, "secret": None}).json()["secret_set"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "http://127.0.0.1:9/", "events": ["repo:pushed"]}, 422),
        ({"url": "here", "events": ["repo:push"]}, 400),
        ({"url": "http://127.0.0.1:9/"}, 400),
    ],
)
def test_what_a_hook_needs(project: Project, body: dict[str, Any], status: int) -> None:
    assert project("POST", "", body).status == status


def test_all_refs_of_a_push_come_in_one_signed_delivery(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    made = project.add(receiver.url)
    refs = ["refs/heads/main", "refs/heads/next", "refs/tags/v9"]
    sandbox.push("bitbucket", "octavia/harbor", refs=refs)
    (heard,) = receiver.wait(1)
    assert heard.headers["x-event-key"] == "repo:push"
    assert heard.headers["x-hook-uuid"] == made["uuid"].strip("{}")
    assert heard.headers["x-attempt-number"] == "1"
    assert heard.headers["x-hub-signature"] == signature(heard)
    assert "x-hub-signature-256" not in heard.headers
    told = json.loads(heard.body)
    changes = told["push"]["changes"]
    assert [(c["new"]["type"], c["new"]["name"]) for c in changes] == [
        ("branch", "main"),
        ("branch", "next"),
        ("tag", "v9"),
    ]
    assert [c["created"] for c in changes] == [False, True, True]
    assert told["repository"]["full_name"] == "octavia/harbor"
    assert told["actor"]["nickname"] == "octavia"


def test_the_end_of_a_branch_has_no_new_side(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url)
    sandbox.push("bitbucket", "octavia/harbor", "refs/heads/release/1.0", delete=True)
    (heard,) = receiver.wait(1)
    (change,) = json.loads(heard.body)["push"]["changes"]
    assert (change["new"], change["closed"]) == (None, True)
    assert change["old"]["name"] == "release/1.0"


def test_the_target_of_an_annotated_tag_is_its_commit(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url)
    pushed = sandbox.push("bitbucket", "octavia/harbor", "refs/tags/v9", annotated=True)
    (heard,) = receiver.wait(1)
    (change,) = json.loads(heard.body)["push"]["changes"]
    assert change["new"]["target"]["hash"] != pushed["after"]


def test_without_a_secret_nothing_is_signed(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url, secret=None)
    sandbox.push("bitbucket", "octavia/harbor")
    (heard,) = receiver.wait(1)
    assert "x-hub-signature" not in heard.headers


def test_errors_of_the_receiver_are_tried_twice_more_and_refusals_are_not(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url)
    receiver.status = 500
    sandbox.push("bitbucket", "octavia/harbor")
    tries = receiver.wait(3)
    assert [heard.headers["x-attempt-number"] for heard in tries] == ["1", "2", "3"]
    assert len({heard.headers["x-request-uuid"] for heard in tries}) == 1
    assert len({heard.body for heard in tries}) == 1
    receiver.status = 404
    sandbox.push("bitbucket", "octavia/harbor")
    assert len(receiver.wait(4)) == 4


def test_a_delivery_that_would_be_too_large_is_not_sent(sandbox: Sandbox, project: Project) -> None:
    project.add("http://127.0.0.1:9/")
    many = [f"refs/heads/b{n:03d}" for n in range(250)]
    assert sandbox.push("bitbucket", "octavia/harbor", refs=many)["deliveries"] == []
    assert len(sandbox.push("bitbucket", "octavia/harbor", refs=many[:9])["deliveries"]) == 1


def test_an_inactive_hook_stays_silent(sandbox: Sandbox, project: Project) -> None:
    project.add("http://127.0.0.1:9/", active=False)
    assert sandbox.push("bitbucket", "octavia/harbor")["deliveries"] == []


def test_hooks_are_for_administrators(sandbox: Sandbox) -> None:
    assert Project(sandbox, "otto/workshop")("GET").status == 403
    assert Project(sandbox, "otto/vault")("GET").status == 404
    assert Project(sandbox, "octavia/harbor", "reduced")("GET").status == 403


def test_deleting_twice_is_404(project: Project) -> None:
    hook = project.add("http://127.0.0.1:9/")["uuid"]
    assert project("DELETE", hook).status == 204
    assert project("DELETE", hook).status == 404


def test_the_control_api_finds_a_hook_by_its_uuid(sandbox: Sandbox, project: Project) -> None:
    hook = project.add("http://127.0.0.1:9/")["uuid"]
    sandbox.change_hook("bitbucket", hook, deleted=True)
    assert project("GET").json()["values"] == []
