"""GitLab: webhooks of a project, what they are sent, and when they are switched off."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from providers.sandbox import hooks
from providers.sandbox.depot import ZEROS
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.gitlab_account import moment
from providers.sandbox.dialects.gitlab_deliveries import alert, key_bytes, message_for, off, signed
from providers.sandbox.dialects.gitlab_rules import (
    WRITE,
    as_bool,
    not_found,
    on_project,
    paged,
    release,
)
from providers.sandbox.records import Change, Delivery, Hook, Message, Repository, Role
from providers.sandbox.wire import Answer, empty, json_answer

TESTS_PER_MINUTE = 5
FLAGS = ("push_events", "tag_push_events", "enable_ssl_verification")
TEXTS = ("name", "description", "push_events_branch_filter", "branch_filter_strategy")
routes: Routes[Call] = Routes()
OnHook = Callable[[Call, Repository, Hook], Answer]


def on_hook(method: str, rest: str = "") -> Callable[[OnHook], OnHook]:
    def remember(answer: OnHook) -> OnHook:
        def serve(call: Call, project: Repository) -> Answer:
            hook = call.site.hooks.get(call.number("hook"))
            if hook is None or hook.repository != project.id:
                return not_found()
            return answer(call, project, hook)

        on_project(routes, method, f"/hooks/{{hook}}{rest}", WRITE, Role.MAINTAIN)(serve)
        return answer

    return remember


@on_project(routes, "GET", "/hooks", WRITE, Role.MAINTAIN)
def listed(call: Call, project: Repository) -> Answer:
    page, headers = paged(call, call.site.hooks_of(project))
    return json_answer([hook_json(call, hook) for hook in page], headers=headers)


@on_project(routes, "POST", "/hooks", WRITE, Role.MAINTAIN)
def create(call: Call, project: Repository) -> Answer:
    asked = call.request.fields
    refusal = _wrong(asked, needs_url=True)
    if refusal:
        return refusal
    hook = Hook(
        id=call.site.next_id(),
        repository=project.id,
        url=str(asked["url"]),
        created=call.world.now(),
        settings={
            "uuid": str(uuid.uuid4()),
            "push_events": True,
            "tag_push_events": False,
            "enable_ssl_verification": True,
            "branch_filter_strategy": "wildcard",
        },
    )
    _configure(call, hook, asked)
    call.site.hooks[hook.id] = hook
    return json_answer(hook_json(call, hook), 201)


@on_hook("GET")
def shown(call: Call, project: Repository, hook: Hook) -> Answer:
    return json_answer(hook_json(call, hook))


@on_hook("PUT")
def change(call: Call, project: Repository, hook: Hook) -> Answer:
    """A new address drops the secrets, unless they come along."""
    asked = call.request.fields
    refusal = _wrong(asked, needs_url=True)
    if refusal:
        return refusal
    if asked["url"] != hook.url:
        hook.url, hook.secret, hook.signing_key = str(asked["url"]), "", ""
    _configure(call, hook, asked)
    return json_answer(hook_json(call, hook))


@on_hook("DELETE")
def delete(call: Call, project: Repository, hook: Hook) -> Answer:
    del call.site.hooks[hook.id]
    return empty()


def _wrong(asked: dict[str, Any], *, needs_url: bool) -> Answer | None:
    url = str(asked.get("url", ""))
    if needs_url and not url:
        return json_answer({"error": "url is missing"}, 400)
    if not url.startswith(("http://", "https://")):
        return json_answer({"error": "Invalid url given"}, 422)
    key = str(asked.get("signing_token", ""))
    if key and key_bytes(key) is None:
        return json_answer({"message": {"signing_token": ["is invalid"]}}, 422)
    return None


def _configure(call: Call, hook: Hook, asked: dict[str, Any]) -> None:
    for name in FLAGS:
        hook.settings[name] = as_bool(asked.get(name), bool(hook.settings.get(name)))
    for name in TEXTS:
        if name in asked:
            hook.settings[name] = asked[name]
    if "token" in asked:
        hook.secret = str(asked["token"] or "")
    if (
        "signing_token" in asked
        and call.switched("signing_off") is None
        and release(call) >= (18, 0)
    ):
        hook.signing_key = str(asked["signing_token"] or "")


def hook_json(call: Call, hook: Hook) -> dict[str, Any]:
    """Never with the secrets; whether there are any is said since the signing token exists."""
    now = call.world.now()
    said = {
        "id": hook.id,
        "url": hook.url,
        "name": hook.settings.get("name"),
        "description": hook.settings.get("description"),
        "created_at": moment(hook.created),
        "project_id": hook.repository,
        "push_events": hook.settings["push_events"],
        "tag_push_events": hook.settings["tag_push_events"],
        "merge_requests_events": False,
        "push_events_branch_filter": hook.settings.get("push_events_branch_filter"),
        "branch_filter_strategy": hook.settings.get("branch_filter_strategy"),
        "enable_ssl_verification": hook.settings["enable_ssl_verification"],
        "alert_status": alert(hook, now),
        "disabled_until": moment(hook.off_until) if off(hook, now) else None,
        "url_variables": [],
        "custom_headers": [],
    }
    if release(call) >= (18, 0):
        said["token_present"] = bool(hook.secret)
        said["signing_token_present"] = bool(hook.signing_key)
    return said


# -- tests and past deliveries ---------------------------------------------------------------------


@on_hook("POST", "/test/{event}")
def test(call: Call, project: Repository, hook: Hook) -> Answer:
    """From 16.11; waits for the receiver and says 422 when it refuses."""
    if release(call) < (16, 11):
        return json_answer({"error": "404 Not Found"}, 404)
    if call.parts["event"] not in {"push_events", "tag_push_events"}:
        return json_answer({"error": "trigger does not have a valid value"}, 400)
    if _too_often(call, project):
        text = "This endpoint has been requested too many times. Try again later."
        return json_answer({"message": {"error": text}}, 429, retry_after="60")
    heads = call.world.depot.refs(call.site.slug, project)
    ref = heads.get(f"refs/heads/{project.default_branch}")
    if ref is None:
        return json_answer({"message": "Ensure the project has at least one commit."}, 422)
    change = Change(ref.full, ZEROS, ref.target)
    message = message_for(call.site, project, hook, change, call.login)

    def send(answer: Answer) -> Answer:
        line = hooks.send(call.world, call.site, project, hook, message)
        if line["status"] is not None and 200 <= line["status"] < 400:
            return answer
        return json_answer({"message": line["error"] or f"answered {line['status']}"}, 422)

    call.afterwards = send
    return json_answer({"message": "201 Created"}, 201)


def _too_often(call: Call, project: Repository) -> bool:
    key = f"test|{project.id}|{call.login}|{int(call.world.now() // 60)}"
    call.site.spent[key] = call.site.spent.get(key, 0) + 1
    return call.site.spent[key] > TESTS_PER_MINUTE


@on_hook("GET", "/events")
def events(call: Call, project: Repository, hook: Hook) -> Answer:
    if release(call) < (17, 3):
        return json_answer({"error": "404 Not Found"}, 404)
    page, headers = paged(call, hook.deliveries[::-1])
    return json_answer([_event(hook, d) for d in page], headers=headers)


@on_hook("POST", "/events/{event}/resend")
def resend(call: Call, project: Repository, hook: Hook) -> Answer:
    if release(call) < (17, 4):
        return json_answer({"error": "404 Not Found"}, 404)
    known = next((d for d in hook.deliveries if d.id == call.number("event")), None)
    if known is None:
        return not_found()
    body = known.body.encode()
    fresh = signed(hook, known.guid, body, call.world.now()) if hook.signing_key else {}
    message = Message(known.event, {**known.headers, **fresh}, body, known.guid)

    def send(answer: Answer) -> Answer:
        line = hooks.send(call.world, call.site, project, hook, message, again=True)
        return json_answer({"response_status": line["status"]}, 201)

    call.afterwards = send
    return empty(201)


def _event(hook: Hook, known: Delivery) -> dict[str, Any]:
    return {
        "id": known.id,
        "url": hook.url,
        "trigger": "push_hooks" if known.event == "Push Hook" else "tag_push_hooks",
        "request_data": json.loads(known.body),
        "response_status": str(known.status) if known.status else "internal error",
        "execution_duration": round(known.seconds, 3),
        "created_at": moment(known.at),
    }
