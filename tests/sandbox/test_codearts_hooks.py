"""The CodeArts dialect: webhooks with a filter of branches, their log, what they are sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hosts import Receiver, Sandbox
from tests.sandbox.test_codearts import Caller, owner_of

RICH = "foundry00228/api"
HOOKS = "/v4/repositories/83001/hooks"
SECRET = "test-hook-secret"
WANTED = {
    "url": "http://127.0.0.1:9/",
    "name": "n",
    "token": SECRET,
    "token_type": "X-Repo-Token",
    "push_events": True,
    "push_events_branch_regex_filter": ".*",
    "tag_push_events": True,
}


@pytest.fixture
def robot(sandbox: Sandbox) -> Caller:
    return owner_of(sandbox)


def test_a_hook_masks_its_secret_and_loses_what_a_change_leaves_out(robot: Caller) -> None:
    made = robot("POST", HOOKS, WANTED).json()
    assert (made["token"], made["name"], made["push_events"]) == ("******", "n", True)
    place = f"{HOOKS}/{made['id']}"
    changed = {"url": WANTED["url"], "note_events": True}
    assert robot("PUT", place, changed).json()["token"] == ""
    kept = robot("GET", place).json()
    assert (kept["push_events"], kept["note_events"], kept["name"]) == (False, True, "")
    assert robot("DELETE", place).status == 204
    for method in ("GET", "PUT", "DELETE"):
        assert robot(method, place, WANTED).status == 404


@pytest.mark.parametrize(
    "odd",
    [
        {"push_events": False, "tag_push_events": False},
        {"push_events_branch_regex_filter": ""},
        {"push_events_branch_regex_filter": None},
        {"token_type": "X-Own-Token"},
        {"url": "ftp://x"},
        {"url": "http://x/" + "y" * 500},
    ],
)
def test_what_a_hook_has_to_be_is_checked(robot: Caller, odd: dict[str, Any]) -> None:
    number = robot("POST", HOOKS, WANTED).json()["id"]
    for method, place in (("POST", HOOKS), ("PUT", f"{HOOKS}/{number}")):
        assert robot(method, place, {**WANTED, **odd}).status == 400


def test_there_is_room_for_twenty_hooks(robot: Caller) -> None:
    made = [robot("POST", HOOKS, WANTED).status for _ in range(21)]
    assert made == [201] * 20 + [400]
    listed = robot("GET", f"{HOOKS}?limit=5&offset=18")
    assert (len(listed.json()), listed.headers["x-total"]) == (2, "20")


def test_hooks_need_the_role_and_the_policy(sandbox: Sandbox, robot: Caller) -> None:
    for number, status in ((83001, 200), (83008, 403), (83010, 403), (83011, 404)):
        assert robot("GET", f"/v4/repositories/{number}/hooks").status == status
    assert owner_of(sandbox, "reduced")("POST", HOOKS, WANTED).status == 403


def test_a_hook_of_another_repository_is_not_found(robot: Caller) -> None:
    number = robot("POST", HOOKS, WANTED).json()["id"]
    assert robot("GET", f"/v4/repositories/83002/hooks/{number}").status == 404


@pytest.mark.parametrize("kind", ["X-Repo-Token", "X-Gitlab-Token"])
def test_a_delivery_carries_the_word_and_its_number_is_in_the_body(
    sandbox: Sandbox, robot: Caller, receiver: Receiver, kind: str
) -> None:
    robot("POST", HOOKS, {**WANTED, "url": receiver.url, "token_type": kind})
    pushed = sandbox.push("codearts", RICH)
    (heard,) = receiver.wait(1)
    said = json.loads(heard.body)
    assert (heard.headers[kind.lower()], heard.headers["x-repo-event"]) == (SECRET, "Push Hook")
    assert (said["object_kind"], said["project_id"], said["after"]) == (
        *("push", 83001),
        pushed["after"],
    )
    assert said["uuid"] not in str(heard.headers)


def test_only_branches_that_pass_the_filter_are_told(
    sandbox: Sandbox, robot: Caller, receiver: Receiver
) -> None:
    wanted = {**WANTED, "url": receiver.url, "push_events_branch_regex_filter": "release/.*"}
    robot("POST", HOOKS, wanted)
    for ref in ("main", "xrelease/1.0", "release/1.0", "refs/tags/v9"):
        sandbox.push("codearts", RICH, ref)
    told = [json.loads(heard.body)["ref"] for heard in receiver.wait(2)]
    assert told == ["refs/heads/release/1.0", "refs/tags/v9"]


def test_an_annotated_tag_is_told_as_its_object(
    sandbox: Sandbox, robot: Caller, receiver: Receiver
) -> None:
    robot("POST", HOOKS, {**WANTED, "url": receiver.url})
    pushed = sandbox.push("codearts", RICH, "refs/tags/v9", annotated=True)
    (heard,) = receiver.wait(1)
    said = json.loads(heard.body)
    assert said["object_kind"] == "tag_push"
    assert said["after"] == pushed["after"] != said["checkout_sha"] == said["commits"][-1]["id"]


def test_a_log_has_the_newest_first_and_finds_one(
    sandbox: Sandbox, robot: Caller, receiver: Receiver
) -> None:
    made = robot("POST", HOOKS, {**WANTED, "url": receiver.url}).json()
    logs = f"{HOOKS}/{made['id']}/logs"
    assert robot("GET", logs).json() == []
    sandbox.push("codearts", RICH)
    receiver.wait(1)
    receiver.status = 500
    sandbox.push("codearts", RICH)
    receiver.wait(2)
    robot("PUT", f"{HOOKS}/{made['id']}", WANTED)  # nobody listens there
    sandbox.push("codearts", RICH)
    said = robot("GET", logs).json()
    assert [one["response_status"] for one in said] == ["internal error", "500", "200"]
    number = json.loads(receiver.heard[0].body)["uuid"]
    (one,) = robot("GET", f"{logs}?uuid={number}").json()
    assert (one["uuid"], one["response_status"]) == (number, "200")
    assert SECRET not in str(said)
