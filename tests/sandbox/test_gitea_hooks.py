"""Gitea's webhooks in the sandbox: inactive unless told, look-alike headers, tests."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.hosts import Heard, Receiver, Reply, Sandbox, ask

SECRET = "test-hook-secret"


class Project:
    """The hooks of one repository as one account sees them."""

    def __init__(self, sandbox: Sandbox, path: str = "workshop/engine", name: str = "full") -> None:
        token = sandbox.token("gitea", "build-bot", name)
        self.url = f"{sandbox.base('gitea')}/api/v1/repos/{path}/hooks"
        self.headers = {"Authorization": f"token {token}"}

    def __call__(self, method: str, rest: str = "", body: Any = None) -> Reply:
        return ask(method, self.url + rest, json_body=body, headers=self.headers)

    def add(self, url: str, **more: Any) -> dict[str, Any]:
        config = {"url": url, "content_type": "json", "secret": SECRET, **more.pop("config", {})}
        wanted = {"type": "gitea", "active": True, "events": ["push"], "config": config, **more}
        made = self("POST", "", wanted)
        assert made.status == 201, made.body
        said: dict[str, Any] = made.json()
        return said


@pytest.fixture
def project(sandbox: Sandbox) -> Project:
    return Project(sandbox)


def signature(heard: Heard) -> str:
    return hmac.new(SECRET.encode(), heard.body, hashlib.sha256).hexdigest()


def test_a_hook_is_inactive_unless_it_is_said_otherwise(sandbox: Sandbox, project: Project) -> None:
    config = {"url": "http://127.0.0.1:9/", "content_type": "json"}
    made = project("POST", "", {"type": "gitea", "config": config}).json()
    assert (made["active"], made["events"]) == (False, ["push"])
    assert sandbox.push("gitea", "workshop/engine")["deliveries"] == []
    project("PATCH", f"/{made['id']}", {"active": True})
    assert len(sandbox.push("gitea", "workshop/engine")["deliveries"]) == 1


def test_the_secret_is_not_shown_back(project: Project) -> None:
    made = project.add("http://127.0.0.1:9/")
    assert made["config"] == {"url": "http://127.0.0.1:9/", "content_type": "json"}
    assert SECRET not in project("GET", f"/{made['id']}").body.decode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"type": "github"}, "Invalid hook type"),
        ({"type": "gitea", "config": {"content_type": "json"}}, "Missing config option: url"),
        ({"type": "gitea", "config": {"url": "http://x/"}}, "Missing config option: content_type"),
        ({"type": "gitea", "config": {"url": "http://x/", "content_type": "xml"}}, "Invalid"),
    ],
)
def test_what_a_hook_needs(project: Project, body: dict[str, Any], sentence: str) -> None:
    reply = project("POST", "", body)
    assert (reply.status, sentence in reply.json()["message"]) == (422, True)


def test_a_push_looks_like_three_hosts_and_is_signed_for_each(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url)
    pushed = sandbox.push("gitea", "workshop/engine")
    (heard,) = receiver.wait(1)
    names = {heard.headers[f"x-{who}-delivery"] for who in ("gitea", "gogs", "github")}
    assert len(names) == 1
    assert heard.headers["x-gitea-event"] == heard.headers["x-github-event"] == "push"
    assert heard.headers["x-gitea-signature"] == signature(heard)
    assert heard.headers["x-hub-signature-256"] == f"sha256={signature(heard)}"
    assert heard.headers["x-hub-signature"].startswith("sha1=")
    said = json.loads(heard.body)
    assert (said["before"], said["after"]) == (pushed["before"], pushed["after"])
    assert (said["repository"]["id"], said["pusher"]["login"]) == (2001, "build-bot")
    assert said["head_commit"]["id"] == pushed["after"]


def test_without_a_secret_the_proofs_are_there_and_empty(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url, config={"secret": ""})
    sandbox.push("gitea", "workshop/engine")
    (heard,) = receiver.wait(1)
    assert heard.headers["x-gitea-signature"] == ""
    assert heard.headers["x-hub-signature-256"] == "sha256="


def test_as_a_form_the_proof_is_over_the_payload(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url, config={"content_type": "form"})
    sandbox.push("gitea", "workshop/engine")
    (heard,) = receiver.wait(1)
    payload = parse_qs(heard.body.decode())["payload"][0].encode()
    proof = hmac.new(SECRET.encode(), payload, hashlib.sha256).hexdigest()
    assert heard.headers["x-gitea-signature"] == proof != signature(heard)


def test_a_tag_is_a_push_and_the_end_of_a_branch_is_none(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url)
    sandbox.push("gitea", "workshop/engine", "refs/tags/v9", annotated=True)
    gone = sandbox.push("gitea", "workshop/engine", "refs/heads/release/1.0", delete=True)
    assert gone["deliveries"] == []
    sandbox.push("gitea", "workshop/engine", "refs/tags/v9", delete=True)
    made, ended = (json.loads(heard.body) for heard in receiver.wait(2))
    assert made["commits"] is None
    assert made["head_commit"]["id"] != made["after"]
    assert (ended["ref"], ended["after"], ended["head_commit"]) == ("refs/tags/v9", "0" * 40, None)


def test_each_ref_of_a_push_is_told_apart(sandbox: Sandbox, project: Project) -> None:
    project.add("http://127.0.0.1:9/")
    four = [f"refs/heads/b{n}" for n in range(4)]
    assert len(sandbox.push("gitea", "workshop/engine", refs=four)["deliveries"]) == 4


def test_a_test_moves_nothing(sandbox: Sandbox, project: Project, receiver: Receiver) -> None:
    hook = project.add(receiver.url)["id"]
    assert project("POST", f"/{hook}/tests").status == 204
    (heard,) = receiver.wait(1)
    said = json.loads(heard.body)
    assert (said["before"], said["ref"]) == (said["after"], "refs/heads/main")
    empty = Project(sandbox, "build-bot/blank")
    assert empty("POST", f"/{empty.add(receiver.url)['id']}/tests").status == 204
    assert len(receiver.heard) == 1


def test_hooks_are_for_administrators(sandbox: Sandbox) -> None:
    assert Project(sandbox, "workshop/manual")("GET").status == 403
    assert "admin write" in Project(sandbox, "workshop/manual")("GET").json()["message"]
    assert Project(sandbox, "ann/vault")("GET").status == 404


def test_failures_change_nothing(sandbox: Sandbox, project: Project, receiver: Receiver) -> None:
    receiver.status = 500
    project.add(receiver.url)
    for _ in range(6):
        assert len(sandbox.push("gitea", "workshop/engine")["deliveries"]) == 1
    assert project("GET").json()[0]["active"] is True


def test_deleting_twice_is_404(project: Project) -> None:
    hook = project.add("http://127.0.0.1:9/")["id"]
    assert project("DELETE", f"/{hook}").status == 204
    assert project("DELETE", f"/{hook}").status == 404
    assert project("GET").json() == []
