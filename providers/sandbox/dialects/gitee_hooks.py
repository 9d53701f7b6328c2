"""Gitee: webhooks of a repository, and what they are sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Any

from providers.sandbox import hooks
from providers.sandbox.depot import ZEROS, CommitInfo
from providers.sandbox.dialect import Call, Push, Routes
from providers.sandbox.dialects.gitee_rules import HOOK, moment, on_repository, paged, say
from providers.sandbox.records import Change, Hook, Message, Repository, Role
from providers.sandbox.wire import Answer, empty, json_answer
from providers.sandbox.world import Site

FLAGS = ("push_events", "tag_push_events", "issues_events", "note_events", "merge_requests_events")
SIGNED = 1
"""`encryption_type`: 0 sends the password itself, 1 signs with it."""
routes: Routes[Call] = Routes()
OnHook = Callable[[Call, Repository, Hook], Answer]


def on_hook(method: str, rest: str = "") -> Callable[[OnHook], OnHook]:
    def remember(answer: OnHook) -> OnHook:
        def serve(call: Call, repository: Repository) -> Answer:
            hook = call.site.hooks.get(call.number("hook"))
            if hook is None or hook.repository != repository.id:
                return say(404, "WebHook Not Found")
            return answer(call, repository, hook)

        on_repository(routes, method, f"/hooks/{{hook}}{rest}", HOOK, Role.ADMIN)(serve)
        return answer

    return remember


@on_repository(routes, "GET", "/hooks", HOOK, Role.ADMIN)
def listed(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, call.site.hooks_of(repository))
    return json_answer([hook_json(hook) for hook in page], headers=headers)


@on_repository(routes, "POST", "/hooks", HOOK, Role.ADMIN)
def create(call: Call, repository: Repository) -> Answer:
    if not str(call.request.fields.get("url", "")).startswith(("http://", "https://")):
        return say(400, "url is invalid")
    settings = {**dict.fromkeys(FLAGS, False), "push_events": True, "encryption_type": 0}
    hook = Hook(
        id=call.site.next_id(),
        repository=repository.id,
        url="",
        created=call.world.now(),
        settings=settings,
    )
    _configure(call, hook)
    call.site.hooks[hook.id] = hook
    return json_answer(hook_json(hook), 201)


@on_hook("GET")
def shown(call: Call, repository: Repository, hook: Hook) -> Answer:
    return json_answer(hook_json(hook))


@on_hook("PATCH")
def change(call: Call, repository: Repository, hook: Hook) -> Answer:
    _configure(call, hook)
    return json_answer(hook_json(hook))


@on_hook("DELETE")
def delete(call: Call, repository: Repository, hook: Hook) -> Answer:
    del call.site.hooks[hook.id]
    return empty()


@on_hook("POST", "/tests")
def test(call: Call, repository: Repository, hook: Hook) -> Answer:
    """Sends the tip of the default branch as if it had been pushed just now."""
    known = call.world.depot.refs(call.site.slug, repository)
    ref = known.get(f"refs/heads/{repository.default_branch}")
    if ref is None:
        return say(400, "仓库为空")
    message = message_for(call.site, repository, hook, Change(ref.full, ZEROS, ref.target), "")

    def send(answer: Answer) -> Answer:
        hooks.send(call.world, call.site, repository, hook, message)
        return answer

    call.afterwards = send
    return empty()


def _configure(call: Call, hook: Hook) -> None:
    """With the switch `signing_off` the host has never heard of `encryption_type`."""
    asked = call.request.fields
    hook.url = str(asked.get("url", hook.url))
    hook.secret = str(asked.get("password", hook.secret))
    for name in FLAGS:
        hook.settings[name] = asked.get(name, hook.settings[name]) in {True, "true", "1"}
    if "encryption_type" in asked and call.switched("signing_off") is None:
        hook.settings["encryption_type"] = int(asked["encryption_type"])


def hook_json(hook: Hook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "url": hook.url,
        "password": "",
        "project_id": hook.repository,
        "result": None,
        "result_code": hook.deliveries[-1].status if hook.deliveries else None,
        "created_at": moment(hook.created),
        **{name: hook.settings[name] for name in FLAGS},
    }


# -- deliveries ------------------------------------------------------------------------------------


def push_messages(site: Site, repository: Repository, hook: Hook, push: Push) -> list[Message]:
    """One delivery per ref, without an id."""
    wanted = []
    for change in push.changes:
        tag = change.ref.startswith("refs/tags/")
        if hook.settings["tag_push_events" if tag else "push_events"]:
            wanted.append(message_for(site, repository, hook, change, push.login))
    return wanted


def message_for(
    site: Site, repository: Repository, hook: Hook, change: Change, login: str
) -> Message:
    """The proof covers the time and the secret, never the body, which repeats both."""
    tag = change.ref.startswith("refs/tags/")
    event = "Tag Push Hook" if tag else "Push Hook"
    stamp = str(int(site.world.now() * 1000))
    proof = _signature(hook.secret, stamp)
    signed = hook.settings["encryption_type"] == SIGNED
    said = {
        "hook_name": "tag_push_hooks" if tag else "push_hooks",
        "password": "" if signed else hook.secret,
        "hook_id": hook.id,
        "hook_url": f"{site.world.origin}/{site.slug}/{repository.path}/hooks/{hook.id}/edit",
        "timestamp": stamp,
        "sign": proof,
        **_payload(site, repository, change, login),
    }
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "git-oschina-hook",
        "X-Gitee-Token": proof if signed else hook.secret,
        "X-Gitee-Timestamp": stamp,
        "X-Gitee-Event": event,
    }
    body = json.dumps(said, ensure_ascii=False).encode()
    return Message(event, headers, body, secrets.token_hex(8))


def _signature(secret: str, stamp: str) -> str:
    drawn = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(drawn).decode()


def _payload(site: Site, repository: Repository, change: Change, login: str) -> dict[str, Any]:
    depot = site.world.depot
    infos = [] if change.deleted else depot.log(site.slug, repository, change.before, change.after)
    base = f"{site.world.origin}/{site.slug}/{repository.path}"
    commits = [_commit(base, info) for info in infos]
    person = _person(site, login or repository.owner)
    where = {
        "id": repository.id,
        "name": repository.name,
        "path": repository.name,
        "full_name": repository.path,
        "path_with_namespace": repository.path,
        "private": repository.visibility != "public",
        "html_url": base,
        "git_http_url": f"{base}.git",
        "git_ssh_url": f"git@sandbox.example:{repository.path}.git",
        "default_branch": repository.default_branch,
    }
    return {
        "ref": change.ref,
        "before": change.before,
        "after": change.after,
        "created": change.created,
        "deleted": change.deleted,
        "compare": f"{base}/compare/{change.before}...{change.after}",
        "commits": commits,
        "head_commit": commits[-1] if commits else None,
        "total_commits_count": len(commits),
        "commits_more_than_ten": False,
        "repository": where,
        "project": where,
        "pusher": person,
        "sender": person,
        "enterprise": None,
    }


def _person(site: Site, login: str) -> dict[str, Any]:
    account = site.accounts[login]
    return {"id": account.id, "name": account.name, "login": account.login, "user_name": login}


def _commit(base: str, info: CommitInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "tree_id": info.tree,
        "distinct": True,
        "message": info.message,
        "timestamp": moment(info.committed),
        "url": f"{base}/commit/{info.id}",
        "author": {"name": info.author, "email": info.author_email},
        "added": None,
        "removed": None,
        "modified": ["README.md"],
    }
