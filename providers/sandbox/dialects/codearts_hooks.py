"""CodeArts: webhooks of a repository, their log, and what they are sent."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from providers.sandbox.depot import CommitInfo
from providers.sandbox.dialect import Call, Push, Routes
from providers.sandbox.dialects.codearts_rules import (
    WEBHOOKS,
    moment,
    not_found,
    on_repository,
    paged,
    refuse,
)
from providers.sandbox.records import Change, Delivery, Hook, Message, Repository, Role
from providers.sandbox.wire import Answer, empty, json_answer
from providers.sandbox.world import Site

FLAGS = ("push_events", "tag_push_events", "merge_requests_events", "note_events")
KINDS = {"X-Repo-Token", "X-Gitlab-Token", "X-Auth-Token"}
FILTER = "push_events_branch_regex_filter"
MOST, LONGEST = 20, 500
MASK = "******"
routes: Routes[Call] = Routes()
OnHook = Callable[[Call, Repository, Hook], Answer]


def on_hook(method: str, rest: str = "") -> Callable[[OnHook], OnHook]:
    def remember(answer: OnHook) -> OnHook:
        def serve(call: Call, repository: Repository) -> Answer:
            hook = call.site.hooks.get(call.number("hook"))
            if hook is None or hook.repository != repository.id:
                return not_found()
            return answer(call, repository, hook)

        on_repository(routes, method, f"/hooks/{{hook}}{rest}", WEBHOOKS, Role.MAINTAIN)(serve)
        return answer

    return remember


@on_repository(routes, "GET", "/hooks", WEBHOOKS, Role.MAINTAIN)
def listed(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, call.site.hooks_of(repository))
    return json_answer([hook_json(hook) for hook in page], headers=headers)


@on_repository(routes, "POST", "/hooks", WEBHOOKS, Role.MAINTAIN)
def create(call: Call, repository: Repository) -> Answer:
    if len(call.site.hooks_of(repository)) >= MOST:
        return refuse(400, "CH.00400031", f"WebHook 数量不能超过 {MOST}")
    if _wrong(call.request.fields):
        return refuse(400, "CH.00400001", "参数不合法")
    hook = Hook(id=call.site.next_id(), repository=repository.id, url="", created=call.world.now())
    _configure(hook, call.request.fields)
    call.site.hooks[hook.id] = hook
    return json_answer(hook_json(hook), 201)


@on_hook("GET")
def shown(call: Call, repository: Repository, hook: Hook) -> Answer:
    return json_answer(hook_json(hook))


@on_hook("PUT")
def change(call: Call, repository: Repository, hook: Hook) -> Answer:
    if _wrong(call.request.fields):
        return refuse(400, "CH.00400001", "参数不合法")
    _configure(hook, call.request.fields)
    return json_answer(hook_json(hook))


@on_hook("DELETE")
def delete(call: Call, repository: Repository, hook: Hook) -> Answer:
    del call.site.hooks[hook.id]
    return empty()


@on_hook("GET", "/logs")
def logs(call: Call, repository: Repository, hook: Hook) -> Answer:
    """The newest first; one delivery by the `uuid` of its body."""
    wanted = call.request.args.get("uuid", "")
    found = [d for d in hook.deliveries[::-1] if not wanted or d.guid == wanted]
    page, headers = paged(call, found)
    return json_answer([_log(hook, d) for d in page], headers=headers)


def _log(hook: Hook, known: Delivery) -> dict[str, Any]:
    return {
        "id": known.id,
        "web_hook_id": hook.id,
        "trigger": "push_hooks" if known.event == "Push Hook" else "tag_push_hooks",
        "url": hook.url,
        "response_status": str(known.status) if known.status else "internal error",
        "execution_duration": round(known.seconds, 3),
        "uuid": known.guid,
        "created_at": moment(known.at),
    }


def _wrong(asked: dict[str, Any]) -> bool:
    """At least one event, a filter with pushes, an address of a bearable length."""
    url = str(asked.get("url", ""))
    events = any(asked.get(name) is True for name in FLAGS)
    unfiltered = asked.get("push_events") is True and not asked.get(FILTER)
    odd = str(asked.get("token_type", "X-Repo-Token")) not in KINDS
    address = url.startswith(("http://", "https://")) and len(url) <= LONGEST
    return not address or not events or unfiltered or odd


def _configure(hook: Hook, asked: dict[str, Any]) -> None:
    hook.url, hook.secret = str(asked["url"]), str(asked.get("token", ""))
    hook.settings = {
        "name": str(asked.get("name", "")),
        "description": str(asked.get("description", "")),
        "token_type": str(asked.get("token_type", "X-Repo-Token")),
        FILTER: str(asked.get(FILTER, "")),
        **{name: asked.get(name) is True for name in FLAGS},
    }


def hook_json(hook: Hook) -> dict[str, Any]:
    """With a mask where the secret is."""
    return {
        "id": hook.id,
        "url": hook.url,
        "token": MASK if hook.secret else "",
        "created_at": moment(hook.created),
        **hook.settings,
    }


# -- deliveries ------------------------------------------------------------------------------------


def push_messages(site: Site, repository: Repository, hook: Hook, push: Push) -> list[Message]:
    """One delivery per ref."""
    wanted = []
    for change in push.changes:
        tag = change.ref.startswith("refs/tags/")
        named = change.ref.removeprefix("refs/heads/")
        matches = tag or re.fullmatch(hook.settings[FILTER], named) is not None
        if hook.settings["tag_push_events" if tag else "push_events"] and matches:
            wanted.append(_message(site, repository, hook, change, push.login))
    return wanted


def _message(site: Site, repository: Repository, hook: Hook, change: Change, login: str) -> Message:
    """The delivery's id is in the body."""
    event = "Tag Push Hook" if change.ref.startswith("refs/tags/") else "Push Hook"
    number = str(uuid.uuid4())
    headers = {"Content-Type": "application/json", "X-Repo-Event": event}
    if hook.secret:
        headers[hook.settings["token_type"]] = hook.secret
    said = {"uuid": number, **_payload(site, repository, change, login)}
    return Message(event, headers, json.dumps(said, ensure_ascii=False).encode(), number)


def _payload(site: Site, repository: Repository, change: Change, login: str) -> dict[str, Any]:
    depot = site.world.depot
    infos = [] if change.deleted else depot.log(site.slug, repository, change.before, change.after)
    base = f"{site.world.origin}/{site.slug}/{repository.path}"
    kind = "tag_push" if change.ref.startswith("refs/tags/") else "push"
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": change.before,
        "after": change.after,
        "ref": change.ref,
        "checkout_sha": None if change.deleted else infos[-1].id,
        "user_name": login,
        "user_username": login,
        "project_id": repository.id,
        "project": {
            "id": repository.id,
            "name": repository.name,
            "web_url": base,
            "git_http_url": f"{base}.git",
            "path_with_namespace": repository.path,
            "default_branch": repository.default_branch,
        },
        "commits": [_commit(base, info) for info in infos],
        "total_commits_count": len(infos),
    }


def _commit(base: str, info: CommitInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "message": info.message,
        "timestamp": moment(info.committed),
        "url": f"{base}/commit/{info.id}",
        "author": {"name": info.author, "email": info.author_email},
    }
