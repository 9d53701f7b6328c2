"""GitHub: webhooks of a repository, their deliveries, and what they are sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from providers.sandbox import hooks
from providers.sandbox.dialect import Call, Push, Routes
from providers.sandbox.dialects.github_deliveries import (
    message_for,
    person_json,
    push_messages,
    repository_json,
)
from providers.sandbox.dialects.github_rules import (
    API,
    HOOK_SCOPES,
    has_scope,
    invalid,
    iso,
    not_found,
    on_repository,
    paged,
)
from providers.sandbox.records import Change, Delivery, Hook, Message, Repository, Role
from providers.sandbox.wire import Answer, empty, json_answer

MOST = 20
ACCEPTED = "admin:repo_hook, read:repo_hook, repo, write:repo_hook"
routes: Routes[Call] = Routes()
OnHook = Callable[[Call, Repository, Hook], Answer]


def on_hook(method: str, rest: str = "") -> Callable[[OnHook], OnHook]:
    """Register below `/hooks/{hook}`: 404 without the role, the scope or the hook."""

    def remember(answer: OnHook) -> OnHook:
        def serve(call: Call, repository: Repository) -> Answer:
            hook = call.site.hooks.get(call.number("hook"))
            if hook is None or hook.repository != repository.id or not _allowed(call, repository):
                return not_found()
            return answer(call, repository, hook)

        on_repository(routes, method, f"/hooks/{{hook}}{rest}", ACCEPTED)(serve)
        return answer

    return remember


def _allowed(call: Call, repository: Repository) -> bool:
    """Webhooks are for administrators; everybody else does not find them."""
    return call.site.role(call.login, repository) >= Role.ADMIN and has_scope(call, *HOOK_SCOPES)


@on_repository(routes, "GET", "/hooks", ACCEPTED)
def listed(call: Call, repository: Repository) -> Answer:
    if not _allowed(call, repository):
        return not_found()
    found = call.site.hooks_of(repository)
    page, headers = paged(call, found, f"/repositories/{repository.id}/hooks")
    return json_answer([hook_json(call, repository, hook) for hook in page], headers=headers)


@on_repository(routes, "POST", "/hooks", ACCEPTED)
def create(call: Call, repository: Repository) -> Answer:
    if not _allowed(call, repository):
        return not_found()
    asked = call.request.fields
    config = asked.get("config") if isinstance(asked.get("config"), dict) else {}
    events = asked.get("events") or ["push"]
    if not config or not config.get("url"):
        return invalid("Hook", "url cannot be blank", "url")
    if refusal := _clash(call, repository, config, events):
        return refusal
    hook = Hook(
        id=call.site.next_id(),
        repository=repository.id,
        url=str(config["url"]),
        events=list(events),
        active=bool(asked.get("active", True)),
        created=call.world.now(),
    )
    _configure(hook, config)
    call.site.hooks[hook.id] = hook
    _later(call, repository, hook, _ping(call, repository, hook))
    return json_answer(hook_json(call, repository, hook), 201)


def _clash(
    call: Call, repository: Repository, config: dict[str, Any], events: list[str]
) -> Answer | None:
    others = call.site.hooks_of(repository)
    if any(h.url == config["url"] and set(h.events) == set(events) for h in others):
        return invalid("Hook", "Hook already exists on this repository")
    if sum(bool(set(h.events) & set(events)) for h in others) >= MOST:
        return invalid("Hook", f'The "{events[0]}" event cannot have more than {MOST} hooks')
    return None


def _configure(hook: Hook, config: dict[str, Any]) -> None:
    """`config` is replaced whole: what is left out falls back, the secret too."""
    hook.url = str(config.get("url", hook.url))
    hook.secret = str(config.get("secret", ""))
    hook.settings = {
        "content_type": str(config.get("content_type", "form")),
        "insecure_ssl": str(config.get("insecure_ssl", "0")),
    }


@on_hook("GET")
def shown(call: Call, repository: Repository, hook: Hook) -> Answer:
    return json_answer(hook_json(call, repository, hook))


@on_hook("PATCH")
def change(call: Call, repository: Repository, hook: Hook) -> Answer:
    asked = call.request.fields
    if isinstance(asked.get("config"), dict):
        _configure(hook, asked["config"])
    hook.events = list(asked.get("events", hook.events))
    hook.active = bool(asked.get("active", hook.active))
    return json_answer(hook_json(call, repository, hook))


@on_hook("DELETE")
def delete(call: Call, repository: Repository, hook: Hook) -> Answer:
    del call.site.hooks[hook.id]
    return empty()


@on_hook("POST", "/pings")
def ping(call: Call, repository: Repository, hook: Hook) -> Answer:
    _later(call, repository, hook, _ping(call, repository, hook))
    return empty()


@on_hook("POST", "/tests")
def test(call: Call, repository: Repository, hook: Hook) -> Answer:
    """Replays the last push; nothing is sent when there was none or nobody subscribed."""
    changes = [Change(p["ref"], p["before"], p["after"]) for p in repository.last_push]
    push = Push(call.login, changes)
    for message in push_messages(call.site, repository, hook, push):
        _later(call, repository, hook, message)
    return empty()


@on_hook("GET", "/deliveries")
def deliveries(call: Call, repository: Repository, hook: Hook) -> Answer:
    wanted = call.request.args.get("status", "")
    found = [_delivery(repository, d) for d in reversed(hook.deliveries)]
    if wanted:
        found = [d for d in found if (200 <= d["status_code"] < 300) == (wanted == "success")]
    page, headers = paged(call, found, f"/repositories/{repository.id}/hooks/{hook.id}/deliveries")
    return json_answer(list(page), headers=headers)


@on_hook("GET", "/deliveries/{delivery}")
def delivery(call: Call, repository: Repository, hook: Hook) -> Answer:
    for known in hook.deliveries:
        if known.id == call.number("delivery"):
            detail = _delivery(repository, known)
            detail["request"] = {"headers": known.headers, "payload": known.body}
            detail["response"] = {"headers": {}, "payload": ""}
            return json_answer(detail)
    return not_found()


@on_hook("POST", "/deliveries/{delivery}/attempts")
def attempt(call: Call, repository: Repository, hook: Hook) -> Answer:
    """Once more, under the same delivery GUID."""
    for known in hook.deliveries:
        if known.id == call.number("delivery"):
            message = Message(known.event, known.headers, known.body.encode(), known.guid)
            _later(call, repository, hook, message, again=True)
            return json_answer({}, 202)
    return not_found()


def _later(
    call: Call, repository: Repository, hook: Hook, message: Message, *, again: bool = False
) -> None:
    threading.Thread(
        target=hooks.send,
        args=(call.world, call.site, repository, hook, message),
        kwargs={"again": again},
        daemon=True,
    ).start()


def hook_json(call: Call, repository: Repository, hook: Hook) -> dict[str, Any]:
    url = f"{call.base}{API}/repos/{repository.path}/hooks/{hook.id}"
    config = {"url": hook.url, **hook.settings}
    if hook.secret:
        config["secret"] = "********"  # noqa: S105 - what GitHub shows of it
    last = hook.deliveries[-1] if hook.deliveries else None
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": hook.events,
        "config": config,
        "created_at": iso(hook.created),
        "updated_at": iso(hook.created),
        "url": url,
        "test_url": f"{url}/tests",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": _last_response(last),
    }


def _last_response(last: Delivery | None) -> dict[str, Any]:
    if last is None:
        return {"code": None, "status": "unused", "message": None}
    fine = 200 <= last.status < 300
    status = "active" if fine else "connection_error" if not last.status else "invalid_response"
    return {"code": last.status or None, "status": status, "message": last.error or None}


def _delivery(repository: Repository, known: Delivery) -> dict[str, Any]:
    fine = 200 <= known.status < 300
    return {
        "id": known.id,
        "guid": known.guid,
        "delivered_at": iso(known.at),
        "redelivery": known.again,
        "duration": round(known.seconds, 2),
        "status": "OK" if fine else known.error or "Invalid HTTP Response",
        "status_code": known.status,
        "event": known.event,
        "action": None,
        "installation_id": None,
        "repository_id": repository.id,
    }


def _ping(call: Call, repository: Repository, hook: Hook) -> Message:
    payload = {
        "zen": "Keep it logically awesome.",
        "hook_id": hook.id,
        "hook": hook_json(call, repository, hook),
        "repository": repository_json(call.site, repository),
        "sender": person_json(call.site, call.login),
    }
    return message_for(call.site, hook, "ping", payload)
