"""Gitee's webhooks in the sandbox: a signature that leaves the body out, and a body that tells."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.hosts import Heard, Receiver, Reply, Sandbox, ask

SECRET = "test-hook-secret"


class Hooks:
    """The hooks of one repository as one account sees them."""

    def __init__(self, sandbox: Sandbox) -> None:
        token = sandbox.token("gitee", "octavia")
        self.url = f"{sandbox.base('gitee')}/api/v5/repos/octavia/harbor/hooks"
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, rest: str = "", body: Any = None) -> Reply:
        return ask(method, self.url + rest, json_body=body, headers=self.headers)

    def add(self, url: str, **more: Any) -> dict[str, Any]:
        wanted = {"url": url, "password": SECRET, "encryption_type": 1, "tag_push_events": True}
        made = self("POST", "", {**wanted, **more})
        assert made.status == 201, made.body
        said: dict[str, Any] = made.json()
        return said


@pytest.fixture
def hooks(sandbox: Sandbox) -> Hooks:
    return Hooks(sandbox)


def signature(heard: Heard, secret: str = SECRET) -> str:
    signed = f"{heard.headers['x-gitee-timestamp']}\n{secret}".encode()
    drawn = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return base64.b64encode(drawn).decode()


def test_a_push_is_signed_over_time_and_secret_alone(
    sandbox: Sandbox, hooks: Hooks, receiver: Receiver
) -> None:
    hooks.add(receiver.url)
    pushed = sandbox.push("gitee", "octavia/harbor", "main")
    (heard,) = receiver.wait(1)
    said = heard.body.decode()
    assert heard.headers["x-gitee-token"] == signature(heard)
    assert heard.headers["x-gitee-event"] == "Push Hook"
    assert heard.headers["user-agent"] == "git-oschina-hook"
    assert len(heard.headers["x-gitee-timestamp"]) == 13
    read = json.loads(said)
    assert (read["hook_name"], read["sign"]) == ("push_hooks", signature(heard))
    assert (read["before"], read["after"]) == (pushed["before"], pushed["after"])
    assert read["repository"]["full_name"] == "octavia/harbor"
    assert SECRET not in said


def test_a_password_travels_in_header_and_body(
    sandbox: Sandbox, hooks: Hooks, receiver: Receiver
) -> None:
    hooks.add(receiver.url, encryption_type=0)
    sandbox.push("gitee", "octavia/harbor", "main")
    (heard,) = receiver.wait(1)
    assert heard.headers["x-gitee-token"] == SECRET
    assert json.loads(heard.body)["password"] == SECRET


def test_an_old_host_ignores_the_kind_of_proof(
    sandbox: Sandbox, hooks: Hooks, receiver: Receiver
) -> None:
    sandbox.fault("gitee", "signing_off")
    hooks.add(receiver.url)
    sandbox.push("gitee", "octavia/harbor", "main")
    (heard,) = receiver.wait(1)
    assert heard.headers["x-gitee-token"] == SECRET


def test_a_tag_is_an_event_of_its_own(sandbox: Sandbox, hooks: Hooks, receiver: Receiver) -> None:
    hooks.add(receiver.url)
    made = sandbox.push("gitee", "octavia/harbor", "refs/tags/v9", annotated=True)
    (heard,) = receiver.wait(1)
    said = json.loads(heard.body)
    assert (heard.headers["x-gitee-event"], said["hook_name"]) == (
        "Tag Push Hook",
        "tag_push_hooks",
    )
    assert said["after"] == made["after"] != said["head_commit"]["id"]


def test_the_secret_is_not_shown_back_and_a_change_keeps_what_is_left_out(
    sandbox: Sandbox, hooks: Hooks, receiver: Receiver
) -> None:
    made = hooks.add("http://127.0.0.1:9/")
    assert SECRET not in hooks("GET").body.decode()
    hooks("PATCH", f"/{made['id']}", {"url": receiver.url})
    sandbox.push("gitee", "octavia/harbor", "main")
    assert receiver.wait(1)[0].headers["x-gitee-token"]
    assert hooks("DELETE", f"/{made['id']}").status == 204
    assert hooks("GET").json() == []
    assert hooks("DELETE", f"/{made['id']}").status == 404


def test_a_test_pushes_the_tip_once_more(
    sandbox: Sandbox, hooks: Hooks, receiver: Receiver
) -> None:
    made = hooks.add(receiver.url)
    assert hooks("POST", f"/{made['id']}/tests").status == 204
    (heard,) = receiver.wait(1)
    assert json.loads(heard.body)["ref"] == "refs/heads/main"
