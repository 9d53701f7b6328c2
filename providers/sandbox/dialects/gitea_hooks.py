"""Gitea: webhooks of a repository, what they are sent, and how that is proven."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from providers.sandbox import hooks
from providers.sandbox.depot import ZEROS
from providers.sandbox.dialect import Call, Push, Routes
from providers.sandbox.dialects.gitea_repositories import (
    commit_json,
    moment,
    repository_json,
    user_json,
)
from providers.sandbox.dialects.gitea_rules import not_found, on_repository, paged, say
from providers.sandbox.records import Change, Hook, Message, Repository, Role
from providers.sandbox.wire import Answer, empty, json_answer
from providers.sandbox.world import Site

KINDS = {"gitea", "forgejo", "gogs", "slack", "discord"}
routes: Routes[Call] = Routes()
OnHook = Callable[[Call, Repository, Hook], Answer]


def on_hook(method: str, rest: str = "") -> Callable[[OnHook], OnHook]:
    def remember(answer: OnHook) -> OnHook:
        def serve(call: Call, repository: Repository) -> Answer:
            hook = call.site.hooks.get(call.number("hook"))
            if hook is None or hook.repository != repository.id:
                return not_found(call)
            return answer(call, repository, hook)

        on_repository(routes, method, f"/hooks/{{hook}}{rest}", Role.ADMIN)(serve)
        return answer

    return remember


@on_repository(routes, "GET", "/hooks", Role.ADMIN)
def listed(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, call.site.hooks_of(repository), links=False)
    return json_answer([hook_json(hook) for hook in page], headers=headers)


@on_repository(routes, "POST", "/hooks", Role.ADMIN)
def create(call: Call, repository: Repository) -> Answer:
    """Inactive unless it is said otherwise."""
    asked = call.request.fields
    config = _config(asked)
    if asked.get("type") not in KINDS:
        return say(call, 422, f"Invalid hook type: {asked.get('type', '')}")
    for name in ("url", "content_type"):
        if name not in config:
            return say(call, 422, f"Missing config option: {name}")
    hook = Hook(
        id=call.site.next_id(),
        repository=repository.id,
        url=str(config["url"]),
        active=asked.get("active") is True,
        created=call.world.now(),
        settings={"type": asked["type"]},
    )
    if refusal := _configure(call, hook, asked):
        return refusal
    call.site.hooks[hook.id] = hook
    return json_answer(hook_json(hook), 201)


@on_hook("GET")
def shown(call: Call, repository: Repository, hook: Hook) -> Answer:
    return json_answer(hook_json(hook))


@on_hook("PATCH")
def change(call: Call, repository: Repository, hook: Hook) -> Answer:
    """Events that are left out become `push`; the rest that is left out stays."""
    asked = call.request.fields
    hook.active = bool(asked.get("active", hook.active))
    return _configure(call, hook, asked) or json_answer(hook_json(hook))


@on_hook("DELETE")
def delete(call: Call, repository: Repository, hook: Hook) -> Answer:
    del call.site.hooks[hook.id]
    return empty()


def _config(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    given = asked.get("config")
    return given if isinstance(given, dict) else {}


def _configure(call: Call, hook: Hook, asked: Mapping[str, Any]) -> Answer | None:
    config = _config(asked)
    if config.get("content_type", "json") not in {"json", "form"}:
        return say(call, 422, "Invalid content type")
    hook.url = str(config.get("url", hook.url))
    hook.secret = str(config.get("secret", hook.secret))
    hook.events = [str(event) for event in asked.get("events") or ["push"]]
    hook.settings["branch_filter"] = str(asked.get("branch_filter", ""))
    if "content_type" in config:
        hook.settings["content_type"] = config["content_type"]
    return None


def hook_json(hook: Hook) -> dict[str, Any]:
    """Without the secret."""
    return {
        "id": hook.id,
        "type": hook.settings["type"],
        "branch_filter": hook.settings["branch_filter"],
        "config": {"content_type": hook.settings["content_type"], "url": hook.url},
        "events": hook.events,
        "authorization_header": "",
        "active": hook.active,
        "updated_at": moment(hook.created),
        "created_at": moment(hook.created),
    }


@on_hook("POST", "/tests")
def test(call: Call, repository: Repository, hook: Hook) -> Answer:
    """A push of the tip of the default branch that moves nothing; nothing without a commit."""
    refs = call.world.depot.refs(call.site.slug, repository)
    ref = refs.get(f"refs/heads/{repository.default_branch}")
    if ref is None:
        return empty()
    message = _message(
        call.site, repository, hook, Change(ref.full, ref.commit, ref.commit), call.login
    )

    def send(answer: Answer) -> Answer:
        hooks.send(call.world, call.site, repository, hook, message)
        return answer

    call.afterwards = send
    return empty()


# -- deliveries ------------------------------------------------------------------------------------


def push_messages(site: Site, repository: Repository, hook: Hook, push: Push) -> list[Message]:
    """One delivery per ref. A branch that is deleted is another event, a tag is a push as well."""
    if not hook.active or "push" not in hook.events:
        return []
    told = [c for c in push.changes if not (c.deleted and c.ref.startswith("refs/heads/"))]
    return [_message(site, repository, hook, change, push.login) for change in told]


def _message(site: Site, repository: Repository, hook: Hook, change: Change, login: str) -> Message:
    payload = json.dumps(_payload(site, repository, change, login), ensure_ascii=False).encode()
    body, kind = payload, "application/json"
    if hook.settings["content_type"] == "form":
        body, kind = urlencode({"payload": payload}).encode(), "application/x-www-form-urlencoded"
    guid = str(uuid.uuid4())
    proofs = _proofs(hook.secret, payload)
    names = {"Delivery": guid, "Event": "push", "Event-Type": "push"}
    headers = {f"X-{who}-{name}": text for who in _LOOKS for name, text in names.items()}
    return Message("push", {"Content-Type": kind, **headers, **proofs}, body, guid)


_LOOKS = ("Gitea", "Gogs", "GitHub")


def _proofs(secret: str, payload: bytes) -> dict[str, str]:
    """Without a secret the headers are there all the same, and empty."""
    long = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest() if secret else ""
    short = hmac.new(secret.encode(), payload, hashlib.sha1).hexdigest() if secret else ""
    return {
        "X-Gitea-Signature": long,
        "X-Gogs-Signature": long,
        "X-Hub-Signature": f"sha1={short}",
        "X-Hub-Signature-256": f"sha256={long}",
    }


def _payload(site: Site, repository: Repository, change: Change, login: str) -> dict[str, Any]:
    """`after` of an annotated tag is the tag object; `head_commit` is always a commit."""
    depot, base = site.world.depot, f"{site.world.origin}/{site.slug}"
    infos = []
    if not change.deleted:
        before = ZEROS if change.before == change.after else change.before
        infos = depot.log(site.slug, repository, before, change.after)
    spoken = [commit_json(base, repository, info) for info in infos]
    tag = change.ref.startswith("refs/tags/")
    person = user_json(base, site.accounts[login])
    return {
        "ref": change.ref,
        "before": change.before,
        "after": change.after,
        "compare_url": f"{base}/{repository.path}/compare/{change.before}...{change.after}",
        "commits": None if tag else spoken[::-1],
        "total_commits": 0 if tag else len(spoken),
        "head_commit": spoken[-1] if spoken else None,
        "repository": repository_json(site, base, repository, Role.NONE),
        "pusher": person,
        "sender": person,
    }
