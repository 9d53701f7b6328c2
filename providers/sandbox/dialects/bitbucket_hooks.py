"""Bitbucket: webhooks of a repository, what they are sent, and how that is proven."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from providers.sandbox.depot import CommitInfo
from providers.sandbox.dialect import Call, Push, Routes
from providers.sandbox.dialects.bitbucket_repositories import (
    account_json,
    commit_json,
    repository_json,
)
from providers.sandbox.dialects.bitbucket_rules import listed, moment, on_repository, say
from providers.sandbox.records import Change, Hook, Message, Repository, Role
from providers.sandbox.wire import Answer, empty, json_answer
from providers.sandbox.world import Site

EVENTS = {"repo:push", "repo:fork", "repo:updated", "pullrequest:created", "issue:created"}
LARGEST = 256 * 1024
"""Bytes; a larger payload is not sent, and nobody is told."""
ATTEMPTS = 3
routes: Routes[Call] = Routes()
OnHook = Callable[[Call, Repository, Hook], Answer]


def on_hook(method: str) -> Callable[[OnHook], OnHook]:
    def remember(answer: OnHook) -> OnHook:
        def serve(call: Call, repository: Repository) -> Answer:
            for hook in call.site.hooks_of(repository):
                if hook.settings["uuid"] == call.parts["hook"]:
                    return answer(call, repository, hook)
            return say(404, f"{call.parts['hook']} not found")

        on_repository(routes, method, "/hooks/{hook}", "webhook", Role.ADMIN)(serve)
        return answer

    return remember


@on_repository(routes, "GET", "/hooks", "webhook", Role.ADMIN)
def all_hooks(call: Call, repository: Repository) -> Answer:
    return listed(call, [hook_json(hook) for hook in call.site.hooks_of(repository)])


@on_repository(routes, "POST", "/hooks", "webhook", Role.ADMIN)
def create(call: Call, repository: Repository) -> Answer:
    hook = Hook(
        id=call.site.next_id(),
        repository=repository.id,
        url="",
        created=call.world.now(),
        settings={"uuid": f"{{{uuid.uuid4()}}}"},
    )
    if refusal := _configure(hook, call.request.fields):
        return refusal
    call.site.hooks[hook.id] = hook
    return json_answer(hook_json(hook), 201)


@on_hook("GET")
def shown(call: Call, repository: Repository, hook: Hook) -> Answer:
    return json_answer(hook_json(hook))


@on_hook("PUT")
def change(call: Call, repository: Repository, hook: Hook) -> Answer:
    return _configure(hook, call.request.fields) or json_answer(hook_json(hook))


@on_hook("DELETE")
def delete(call: Call, repository: Repository, hook: Hook) -> Answer:
    del call.site.hooks[hook.id]
    return empty()


def _configure(hook: Hook, asked: Mapping[str, Any]) -> Answer | None:
    """A secret that is left out stays, null takes it away."""
    events, url = asked.get("events"), str(asked.get("url") or "")
    if not url.startswith(("http://", "https://")) or not isinstance(events, list):
        return say(400, "Bad request", fields={"url": ["Enter a valid URL."]})
    if not set(events) <= EVENTS:
        return say(422, "Invalid event name")
    hook.url, hook.events = url, [str(event) for event in events]
    hook.active = asked.get("active") is not False
    hook.settings["description"] = asked.get("description")
    if "secret" in asked:
        hook.secret = str(asked["secret"] or "")
    return None


def hook_json(hook: Hook) -> dict[str, Any]:
    """Whether there is a secret, never the secret."""
    return {
        "type": "webhook_subscription",
        "uuid": hook.settings["uuid"],
        "description": hook.settings["description"],
        "url": hook.url,
        "subject_type": "repository",
        "active": hook.active,
        "events": hook.events,
        "secret_set": bool(hook.secret),
        "created_at": moment(hook.created),
    }


# -- deliveries ------------------------------------------------------------------------------------


def push_messages(site: Site, repository: Repository, hook: Hook, push: Push) -> list[Message]:
    """One delivery for all refs of a push; none when it would be too large."""
    if not hook.active or "repo:push" not in hook.events:
        return []
    body = json.dumps(_payload(site, repository, push), ensure_ascii=False).encode()
    if len(body) > LARGEST:
        return []
    guid = str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Bitbucket-Webhooks/2.0",
        "X-Event-Key": "repo:push",
        "X-Hook-UUID": hook.settings["uuid"].strip("{}"),
        "X-Request-UUID": guid,
        "X-Attempt-Number": "1",
    }
    if hook.secret:
        proof = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature"] = f"sha256={proof}"
    return [Message("repo:push", headers, body, guid)]


def again(message: Message, status: int) -> Message | None:
    """After an error of the receiver the same is sent up to twice more, with its number."""
    attempt = int(message.headers["X-Attempt-Number"])
    if status < 500 or attempt >= ATTEMPTS:
        return None
    headers = {**message.headers, "X-Attempt-Number": str(attempt + 1)}
    return replace(message, headers=headers)


def _payload(site: Site, repository: Repository, push: Push) -> dict[str, Any]:
    base = f"{site.world.origin}/{site.slug}"
    return {
        "actor": account_json(base, site.accounts[push.login]),
        "repository": repository_json(site, base, repository),
        "push": {"changes": [_change(site, base, repository, change) for change in push.changes]},
    }


def _change(site: Site, base: str, repository: Repository, change: Change) -> dict[str, Any]:
    depot = site.world.depot
    infos = []
    if not change.deleted:
        infos = depot.log(site.slug, repository, change.before, change.after)
    before = None if change.created else depot.commit(site.slug, repository, change.before)
    return {
        "new": _side(base, repository, change, infos[-1] if infos else None),
        "old": _side(base, repository, change, before),
        "created": change.created,
        "closed": change.deleted,
        "forced": False,
        "truncated": False,
        "commits": [commit_json(base, repository, info) for info in infos[::-1][:5]],
    }


def _side(
    base: str, repository: Repository, change: Change, info: CommitInfo | None
) -> dict[str, Any] | None:
    """A branch or tag before or after the push; its target is a commit, of annotated tags too."""
    if info is None:
        return None
    _, space, name = change.ref.split("/", 2)
    kind = "branch" if space == "heads" else "tag"
    return {"type": kind, "name": name, "target": commit_json(base, repository, info)}
