"""GitLab's webhooks in the sandbox: secrets that stay inside, proofs, tests and switching off."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.hosts import Heard, Receiver, Reply, Sandbox, ask

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SECRET = "test-hook-secret"


class Project:
    """The hooks of one project as one account sees them."""

    def __init__(self, sandbox: Sandbox, number: int = 1077, name: str = "full") -> None:
        token = sandbox.token("gitlab", "build-bot", name)
        self.url = f"{sandbox.base('gitlab')}/api/v4/projects/{number}/hooks"
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, rest: str = "", body: Any = None) -> Reply:
        return ask(method, self.url + rest, json_body=body, headers=self.headers)

    def add(self, url: str, **more: Any) -> dict[str, Any]:
        wanted = {"url": url, "push_events": True, "tag_push_events": True, "token": SECRET}
        made = self("POST", "", {**wanted, **more})
        assert made.status == 201, made.body
        said: dict[str, Any] = made.json()
        return said


@pytest.fixture
def project(sandbox: Sandbox) -> Project:
    return Project(sandbox)


def signature(heard: Heard) -> str:
    """What Standard Webhooks puts over id, time and body."""
    signed = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode()
    drawn = hmac.new(bytes(range(32)), signed + heard.body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(drawn).decode()}"


def test_secrets_are_never_shown_back(project: Project) -> None:
    made = project.add("http://127.0.0.1:9/", signing_token=KEY)
    assert (made["token_present"], made["signing_token_present"]) == (True, True)
    assert made["alert_status"] == "executable"
    shown = project("GET", f"/{made['id']}")
    assert shown.json() == made
    assert SECRET not in shown.body.decode()
    assert KEY not in shown.body.decode()


def test_a_push_arrives_with_token_and_signature(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    project.add(receiver.url, signing_token=KEY)
    pushed = sandbox.push("gitlab", "platform/api", "main")
    (heard,) = receiver.wait(1)
    said = json.loads(heard.body)
    assert heard.headers["x-gitlab-token"] == SECRET
    assert heard.headers["x-gitlab-event"] == "Push Hook"
    assert heard.headers["x-gitlab-instance"] == sandbox.base("gitlab")
    assert heard.headers["webhook-id"] == heard.headers["idempotency-key"]
    assert heard.headers["webhook-signature"] == signature(heard)
    assert (said["object_kind"], said["project_id"]) == ("push", 1077)
    assert said["project"]["path_with_namespace"] == "platform/api"
    assert (said["before"], said["after"]) == (pushed["before"], pushed["after"])
    assert said["checkout_sha"] == pushed["after"]


def test_while_the_flag_is_off_the_signing_key_is_silently_ignored(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    sandbox.fault("gitlab", "signing_off")
    assert not project.add(receiver.url, signing_token=KEY)["signing_token_present"]
    sandbox.push("gitlab", "platform/api")
    (heard,) = receiver.wait(1)
    assert "webhook-signature" not in heard.headers
    assert heard.headers["x-gitlab-token"] == SECRET


def test_a_signing_key_of_the_wrong_form_is_refused(project: Project) -> None:
    body = {"url": "http://127.0.0.1:9/", "signing_token": "whsec_test"}
    assert project("POST", "", body).status == 422


def test_a_new_address_drops_the_secret_unless_it_comes_along(project: Project) -> None:
    hook = project.add("http://127.0.0.1:9/a")["id"]
    same = project("PUT", f"/{hook}", {"url": "http://127.0.0.1:9/a"}).json()
    assert same["token_present"]
    moved = project("PUT", f"/{hook}", {"url": "http://127.0.0.1:9/b"}).json()
    assert not moved["token_present"]
    both = {"url": "http://127.0.0.1:9/c", "token": SECRET}
    assert project("PUT", f"/{hook}", both).json()["token_present"]


def test_tags_and_deletions(sandbox: Sandbox, project: Project, receiver: Receiver) -> None:
    project.add(receiver.url)
    sandbox.push("gitlab", "platform/api", "refs/tags/v9", annotated=True)
    sandbox.push("gitlab", "platform/api", "refs/heads/release/1.0", delete=True)
    tag, gone = receiver.wait(2)
    assert tag.headers["x-gitlab-event"] == "Tag Push Hook"
    said = json.loads(tag.body)
    assert (said["object_kind"], said["before"]) == ("tag_push", "0" * 40)
    assert said["checkout_sha"] != said["after"]
    deleted = json.loads(gone.body)
    assert deleted["after"] == "0" * 40
    assert deleted["checkout_sha"] is None


def test_a_push_of_more_than_three_refs_rings_nobody(sandbox: Sandbox, project: Project) -> None:
    project.add("http://127.0.0.1:9/")
    four = [f"refs/heads/b{n}" for n in range(4)]
    assert sandbox.push("gitlab", "platform/api", refs=four)["deliveries"] == []
    assert len(sandbox.push("gitlab", "platform/api", refs=four[:3])["deliveries"]) == 3


def test_hooks_are_for_maintainers(sandbox: Sandbox) -> None:
    assert Project(sandbox, 1079)("GET").status == 403
    assert Project(sandbox, 1079)("GET").json() == {"message": "403 Forbidden"}
    assert Project(sandbox, 1088)("GET").status == 404
    assert Project(sandbox, 1077, "reduced")("GET").json()["error"] == "insufficient_scope"


def test_deleting_twice_is_404(project: Project) -> None:
    hook = project.add("http://127.0.0.1:9/")["id"]
    assert project("DELETE", f"/{hook}").status == 204
    assert project("DELETE", f"/{hook}").status == 404
    assert project("GET").json() == []


def test_the_fourth_failure_turns_it_off_and_a_test_turns_it_on_again(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    hook = project.add(receiver.url)["id"]
    receiver.status = 500
    for _ in range(3):
        sandbox.push("gitlab", "platform/api")
        assert project("GET", f"/{hook}").json()["alert_status"] == "executable"
    sandbox.push("gitlab", "platform/api")
    off = project("GET", f"/{hook}").json()
    assert off["alert_status"] == "temporarily_disabled"
    assert off["disabled_until"]
    assert sandbox.push("gitlab", "platform/api")["deliveries"] == []
    assert project("POST", f"/{hook}/test/push_events").status == 422
    receiver.status = 200
    assert project("POST", f"/{hook}/test/push_events").status == 201
    assert project("GET", f"/{hook}").json()["alert_status"] == "executable"
    assert len(sandbox.push("gitlab", "platform/api")["deliveries"]) == 1


def test_after_the_pause_it_tries_again_and_forty_failures_are_the_end(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    hook = project.add(receiver.url)["id"]
    receiver.status = 500
    for failure in range(40):
        sandbox.skew(failure * 90_000)
        assert len(sandbox.push("gitlab", "platform/api")["deliveries"]) == 1
    sandbox.skew(0)
    assert project("GET", f"/{hook}").json()["alert_status"] == "disabled"


def test_tests_need_a_commit_a_newer_server_and_patience(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    hook = project.add(receiver.url)["id"]
    statuses = [project("POST", f"/{hook}/test/push_events").status for _ in range(6)]
    assert statuses == [201] * 5 + [429]
    empty = Project(sandbox, 1085)
    assert empty("POST", f"/{empty.add(receiver.url)['id']}/test/push_events").status == 422
    sandbox.fault("gitlab", "old_version", value="16.10.0")
    assert project("POST", f"/{hook}/test/push_events").status == 404


def test_past_deliveries_are_listed_and_sent_again_under_their_id(
    sandbox: Sandbox, project: Project, receiver: Receiver
) -> None:
    hook = project.add(receiver.url, signing_token=KEY)["id"]
    sandbox.push("gitlab", "platform/api")
    (event,) = project("GET", f"/{hook}/events").json()
    assert event["response_status"] == "200"
    sandbox.skew(600)
    assert project("POST", f"/{hook}/events/{event['id']}/resend").status == 201
    first, second = receiver.wait(2)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body
    assert second.headers["webhook-signature"] == signature(second)
    assert second.headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
