"""Codeup: webhooks of a repository, shown with their secret, and what they are sent."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from providers.sandbox.depot import CommitInfo
from providers.sandbox.dialect import Call, Push, Routes
from providers.sandbox.dialects.codeup_rules import (
    HOOKS,
    HOOKS_READ,
    moment,
    not_found,
    on_repository,
    paged,
    refuse,
)
from providers.sandbox.records import Change, Hook, Message, Repository, Role
from providers.sandbox.wire import Answer, json_answer
from providers.sandbox.world import Site

FLAGS = ("pushEvents", "tagPushEvents", "mergeRequestsEvents", "noteEvents")
LONGEST = 1024
routes: Routes[Call] = Routes()
OnHook = Callable[[Call, Repository, Hook], Answer]


def on_hook(method: str, permission: str) -> Callable[[OnHook], OnHook]:
    def remember(answer: OnHook) -> OnHook:
        def serve(call: Call, repository: Repository) -> Answer:
            hook = call.site.hooks.get(call.number("hook"))
            if hook is None or hook.repository != repository.id:
                return not_found()
            return answer(call, repository, hook)

        on_repository(routes, method, "/webhooks/{hook}", permission, Role.MAINTAIN)(serve)
        return answer

    return remember


@on_repository(routes, "GET", "/webhooks", HOOKS_READ, Role.MAINTAIN)
def listed(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, call.site.hooks_of(repository))
    return json_answer([hook_json(hook) for hook in page], headers=headers)


@on_repository(routes, "POST", "/webhooks", HOOKS, Role.MAINTAIN)
def create(call: Call, repository: Repository) -> Answer:
    url = str(call.request.fields.get("url", ""))
    if not url.startswith(("http://", "https://")) or len(url) > LONGEST:
        return refuse(422, "InvalidParameter", "url 不合法")
    hook = Hook(
        id=call.site.next_id(),
        repository=repository.id,
        url=url,
        created=call.world.now(),
        settings={**dict.fromkeys(FLAGS, False), "description": ""},
    )
    _configure(hook, call.request.fields)
    call.site.hooks[hook.id] = hook
    return json_answer(hook_json(hook), 201)


@on_hook("GET", HOOKS_READ)
def shown(call: Call, repository: Repository, hook: Hook) -> Answer:
    return json_answer(hook_json(hook))


@on_hook("PUT", HOOKS)
def change(call: Call, repository: Repository, hook: Hook) -> Answer:
    """What is left out is set back."""
    hook.url = str(call.request.fields.get("url", hook.url))
    _configure(hook, call.request.fields)
    return json_answer(hook_json(hook))


@on_hook("DELETE", HOOKS)
def delete(call: Call, repository: Repository, hook: Hook) -> Answer:
    del call.site.hooks[hook.id]
    return json_answer(hook_json(hook))


def _configure(hook: Hook, asked: dict[str, Any]) -> None:
    hook.secret = str(asked.get("token", ""))
    hook.settings["description"] = str(asked.get("description", ""))
    for name in FLAGS:
        hook.settings[name] = asked.get(name) is True


def hook_json(hook: Hook) -> dict[str, Any]:
    """With the secret in clear."""
    return {
        "id": hook.id,
        "repositoryId": hook.repository,
        "url": hook.url,
        "token": hook.secret,
        "description": hook.settings["description"],
        "enableSSLVerification": True,
        "createdAt": moment(hook.created),
        "lastTestResult": None,
        **{name: hook.settings[name] for name in FLAGS},
    }


# -- deliveries ------------------------------------------------------------------------------------


def push_messages(site: Site, repository: Repository, hook: Hook, push: Push) -> list[Message]:
    """One delivery per ref, without an id and without a signature."""
    wanted = []
    for change in push.changes:
        tag = change.ref.startswith("refs/tags/")
        if hook.settings["tagPushEvents" if tag else "pushEvents"]:
            wanted.append(_message(site, repository, hook, change, push.login))
    return wanted


def _message(site: Site, repository: Repository, hook: Hook, change: Change, login: str) -> Message:
    tag = change.ref.startswith("refs/tags/")
    event = "Tag Push Hook" if tag else "Push Hook"
    headers = {"Content-Type": "application/json", "Codeup-Event": event}
    if hook.secret:
        headers["X-Codeup-Token"] = hook.secret
    said = _payload(site, repository, change, login)
    body = json.dumps(said, ensure_ascii=False).encode()
    return Message(event, headers, body, secrets.token_hex(8))


def _payload(site: Site, repository: Repository, change: Change, login: str) -> dict[str, Any]:
    """Like GitLab's of old: no path of the repository, and a display name for the pusher."""
    depot = site.world.depot
    infos = [] if change.deleted else depot.log(site.slug, repository, change.before, change.after)
    base = f"{site.world.origin}/{site.slug}/{repository.path}"
    ssh = f"git@sandbox.example:{repository.path}.git"
    account = site.accounts.get(login)
    return {
        "object_kind": "tag_push" if change.ref.startswith("refs/tags/") else "push",
        "before": change.before,
        "after": change.after,
        "ref": change.ref,
        "user_id": account.id if account else None,
        "user_name": account.name if account else login,
        "user_email": "",
        "project_id": repository.id,
        "repository": {
            "name": repository.name,
            "url": ssh,
            "description": repository.description,
            "homepage": base,
            "git_http_url": f"{base}.git",
            "git_ssh_url": ssh,
            "visibility_level": 0,
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
