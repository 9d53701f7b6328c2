"""GitHub's webhooks in the sandbox: management, proofs, deliveries and what is not delivered."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.hosts import Heard, Receiver, Reply, Sandbox, ask

SECRET = "test-hook-secret"


class Repo:
    """The hooks of one repository as one account sees them."""

    def __init__(self, sandbox: Sandbox, path: str, token: str) -> None:
        self.sandbox, self.path = sandbox, path
        self.url = f"{sandbox.base('github')}/api/v3/repos/{path}/hooks"
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, rest: str = "", body: Any = None) -> Reply:
        return ask(method, self.url + rest, json_body=body, headers=self.headers)

    def add(self, url: str, **more: Any) -> Reply:
        config = {"url": url, "content_type": "json", "secret": SECRET, **more.pop("config", {})}
        return self("POST", "", {"name": "web", "events": ["push"], "config": config, **more})

    def deliveries(self, hook: int, count: int) -> list[dict[str, Any]]:
        """Its history once it has `count` entries: pings are sent in the background."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            known: list[dict[str, Any]] = self("GET", f"/{hook}/deliveries").json()
            if len(known) >= count:
                return known
            time.sleep(0.02)
        raise AssertionError("no such delivery")


@pytest.fixture
def harbor(sandbox: Sandbox) -> Repo:
    return Repo(sandbox, "octavia/harbor", sandbox.token("github", "octavia"))


def proven(heard: Heard, secret: str = SECRET) -> bool:
    drawn = hmac.new(secret.encode(), heard.body, hashlib.sha256).hexdigest()
    return heard.headers["x-hub-signature-256"] == f"sha256={drawn}"


def test_a_new_hook_is_pinged(harbor: Repo, receiver: Receiver) -> None:
    made = harbor.add(receiver.url)
    assert made.status == 201
    assert made.json()["config"]["secret"] == "********"
    assert made.json()["config"]["content_type"] == "json"
    (ping,) = receiver.wait(1)
    assert ping.headers["x-github-event"] == "ping"
    assert ping.headers["user-agent"].startswith("GitHub-Hookshot/")
    assert json.loads(ping.body)["hook_id"] == made.json()["id"]
    assert proven(ping)


def test_a_push_is_delivered_signed_under_a_guid(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    harbor.add(receiver.url)
    receiver.wait(1)
    pushed = sandbox.push("github", "octavia/harbor", "refs/heads/main")
    assert [d["status"] for d in pushed["deliveries"]] == [200]
    _, push = receiver.wait(2)
    said = json.loads(push.body)
    assert proven(push)
    assert push.headers["x-github-delivery"] == pushed["deliveries"][0]["delivery"]
    assert (said["ref"], said["before"], said["after"]) == (
        "refs/heads/main",
        pushed["before"],
        pushed["after"],
    )
    assert said["repository"]["id"] == 70001
    assert said["head_commit"]["id"] == pushed["after"]


def test_tags_new_branches_and_deletions(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    harbor.add(receiver.url)
    receiver.wait(1)
    tag = sandbox.push("github", "octavia/harbor", "refs/tags/v2.0.0", annotated=True)
    sandbox.push("github", "octavia/harbor", "refs/heads/fresh")
    sandbox.push("github", "octavia/harbor", "refs/heads/fresh", delete=True)
    _, first, second, third = receiver.wait(4)
    tagged = json.loads(first.body)
    assert tagged["created"]
    assert tagged["after"] == tag["after"] != tagged["head_commit"]["id"]
    assert json.loads(second.body)["before"] == "0" * 40
    gone = json.loads(third.body)
    assert gone["deleted"]
    assert gone["after"] == "0" * 40


def test_several_branches_are_several_deliveries_but_four_tags_are_none(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    harbor.add(receiver.url)
    receiver.wait(1)
    branches = [f"refs/heads/b{n}" for n in range(4)]
    tags = [f"refs/tags/t{n}" for n in range(4)]
    assert len(sandbox.push("github", "octavia/harbor", refs=branches)["deliveries"]) == 4
    assert sandbox.push("github", "octavia/harbor", refs=tags)["deliveries"] == []


def test_the_same_hook_again_is_422(harbor: Repo, receiver: Receiver) -> None:
    harbor.add(receiver.url)
    again = harbor.add(receiver.url)
    assert again.status == 422
    assert "Hook already exists" in again.json()["errors"][0]["message"]


def test_twenty_hooks_per_event_and_no_more(harbor: Repo) -> None:
    for number in range(20):
        assert harbor.add(f"http://127.0.0.1:9/{number}").status == 201
    refused = harbor.add("http://127.0.0.1:9/more")
    assert refused.status == 422
    assert "20 hooks" in refused.json()["errors"][0]["message"]


def test_without_a_content_type_the_body_is_a_form(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    harbor("POST", "", {"config": {"url": receiver.url, "secret": SECRET}})
    (ping,) = receiver.wait(1)
    assert ping.headers["content-type"] == "application/x-www-form-urlencoded"
    assert json.loads(parse_qs(ping.body.decode())["payload"][0])["zen"]
    assert proven(ping)


def test_a_changed_config_is_replaced_whole(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    hook = harbor.add(receiver.url).json()["id"]
    receiver.wait(1)
    changed = harbor("PATCH", f"/{hook}", {"config": {"url": receiver.url, "content_type": "json"}})
    assert "secret" not in changed.json()["config"]
    sandbox.push("github", "octavia/harbor")
    assert "x-hub-signature-256" not in receiver.wait(2)[1].headers


def test_only_administrators_with_a_fitting_scope_see_hooks(sandbox: Sandbox) -> None:
    full = sandbox.token("github", "octavia")
    hooks_only = sandbox.token("github", "octavia", "hooks-only")
    assert Repo(sandbox, "octavia/tugboat", hooks_only)("GET").status == 200
    assert Repo(sandbox, "otto/workshop", full)("GET").status == 404
    assert Repo(sandbox, "otto/notes", full).add("http://127.0.0.1:9/").status == 404
    none = sandbox.token("github", "octavia", "public-only")
    reply = Repo(sandbox, "octavia/tugboat", none)("GET")
    assert reply.status == 404
    assert "admin:repo_hook" in reply.headers["x-accepted-oauth-scopes"]


def test_failed_deliveries_are_listed_and_sent_again_under_the_same_guid(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    hook = harbor.add(receiver.url).json()["id"]
    receiver.wait(1)
    harbor.deliveries(hook, 1)
    receiver.status = 500
    sandbox.push("github", "octavia/harbor")
    (failed,) = harbor("GET", f"/{hook}/deliveries?status=failure").json()
    assert (failed["status_code"], failed["redelivery"]) == (500, False)
    receiver.status = 200
    assert harbor("POST", f"/{hook}/deliveries/{failed['id']}/attempts").status == 202
    heard = receiver.wait(3)
    assert heard[2].headers["x-github-delivery"] == failed["guid"]
    assert heard[2].body == heard[1].body
    assert harbor.deliveries(hook, 3)[0]["redelivery"]


def test_pings_and_tests_on_demand(sandbox: Sandbox, harbor: Repo, receiver: Receiver) -> None:
    hook = harbor.add(receiver.url).json()["id"]
    receiver.wait(1)
    assert harbor("POST", f"/{hook}/pings").status == 204
    assert receiver.wait(2)[1].headers["x-github-event"] == "ping"
    pushed = sandbox.push("github", "octavia/harbor", deliver=False)
    assert harbor("POST", f"/{hook}/tests").status == 204
    assert json.loads(receiver.wait(3)[2].body)["after"] == pushed["after"]


def test_a_deleted_hook_is_gone_and_silent(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    hook = harbor.add(receiver.url).json()["id"]
    assert harbor("DELETE", f"/{hook}").status == 204
    assert harbor("DELETE", f"/{hook}").status == 404
    assert sandbox.push("github", "octavia/harbor")["deliveries"] == []


def test_nothing_leaves_this_machine(sandbox: Sandbox, harbor: Repo) -> None:
    harbor.add("http://192.0.2.1/hook")
    (line,) = sandbox.push("github", "octavia/harbor")["deliveries"]
    assert line["status"] == 0
    assert "loopback" in line["error"]


def test_deliveries_can_be_dropped_doubled_or_forged(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    harbor.add(receiver.url)
    receiver.wait(1)
    sandbox.fault("github", "hook_drop", times=1)
    (dropped,) = sandbox.push("github", "octavia/harbor")["deliveries"]
    assert (dropped["status"], dropped["error"]) == (None, "dropped")
    sandbox.fault("github", "hook_twice", times=1)
    one, two = sandbox.push("github", "octavia/harbor")["deliveries"]
    assert one["delivery"] != two["delivery"]
    sandbox.fault("github", "hook_forged", "octavia/*", times=1)
    sandbox.push("github", "octavia/harbor")
    heard = receiver.wait(4)
    assert [proven(h) for h in heard] == [True, True, True, False]
    assert heard[1].body == heard[2].body


def test_a_delayed_delivery_arrives_later(
    sandbox: Sandbox, harbor: Repo, receiver: Receiver
) -> None:
    harbor.add(receiver.url)
    receiver.wait(1)
    sandbox.fault("github", "hook_delay", value=0.2)
    (line,) = sandbox.push("github", "octavia/harbor")["deliveries"]
    assert (line["status"], line["error"]) == (None, "delayed")
    assert receiver.wait(2)[1].headers["x-github-delivery"] == line["delivery"]
