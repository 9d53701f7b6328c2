"""GitLab: what a webhook is sent, how that is proven, and when the hook is switched off."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from providers.sandbox.depot import CommitInfo
from providers.sandbox.dialect import Push
from providers.sandbox.dialects.gitlab_rules import VERSION
from providers.sandbox.records import Change, Hook, Message, Repository
from providers.sandbox.world import Site

MOST_REFS = 3
"""`push_event_hooks_limit`: a push of more branches or tags fires no hook at all."""
FAILURES_ALLOWED = 3
FOR_GOOD = 40
LONGEST_OFF = 86400.0


def push_messages(site: Site, project: Repository, hook: Hook, push: Push) -> list[Message]:
    """One delivery per ref; nothing for a push of more than three, or while switched off."""
    now = site.world.now()
    if len(push.changes) > MOST_REFS or hook.off_for_good or off(hook, now):
        return []
    wanted = []
    for change in push.changes:
        tag = change.ref.startswith("refs/tags/")
        if hook.settings["tag_push_events" if tag else "push_events"]:
            wanted.append(message_for(site, project, hook, change, push.login))
    return wanted


def message_for(site: Site, project: Repository, hook: Hook, change: Change, login: str) -> Message:
    tag = change.ref.startswith("refs/tags/")
    event = "Tag Push Hook" if tag else "Push Hook"
    body = json.dumps(_payload(site, project, change, login), ensure_ascii=False).encode()
    guid = str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"GitLab/{VERSION}",
        "Idempotency-Key": guid,
        "X-Gitlab-Event": event,
        "X-Gitlab-Webhook-UUID": hook.settings["uuid"],
        "X-Gitlab-Instance": f"{site.world.origin}/{site.slug}",
        "X-Gitlab-Event-UUID": str(uuid.uuid4()),
    }
    if hook.secret:
        headers["X-Gitlab-Token"] = hook.secret
    if hook.signing_key:
        headers.update(signed(hook, guid, body, site.world.now()))
    return Message(event, headers, body, guid)


def signed(hook: Hook, guid: str, body: bytes, now: float) -> dict[str, str]:
    """Standard Webhooks: HMAC-SHA256 over id, time and body."""
    stamp = str(int(now))
    key = key_bytes(hook.signing_key) or b""
    drawn = hmac.new(key, f"{guid}.{stamp}.".encode() + body, hashlib.sha256).digest()
    proof = f"v1,{base64.b64encode(drawn).decode()}"
    return {"webhook-id": guid, "webhook-timestamp": stamp, "webhook-signature": proof}


def _payload(site: Site, project: Repository, change: Change, login: str) -> dict[str, Any]:
    tag = change.ref.startswith("refs/tags/")
    depot = site.world.depot
    infos = [] if change.deleted else depot.log(site.slug, project, change.before, change.after)
    account = site.accounts.get(login)
    base = f"{site.world.origin}/{site.slug}/{project.path}"
    return {
        "object_kind": "tag_push" if tag else "push",
        "event_name": "tag_push" if tag else "push",
        "before": change.before,
        "after": change.after,
        "ref": change.ref,
        "ref_protected": change.ref.removeprefix("refs/heads/") in project.protected,
        "checkout_sha": None if change.deleted else infos[-1].id,
        "message": None,
        "user_id": account.id if account else None,
        "user_name": account.name if account else login,
        "user_username": login,
        "user_email": "",
        "user_avatar": None,
        "project_id": project.id,
        "project": {
            "id": project.id,
            "name": project.name,
            "description": project.description or None,
            "web_url": base,
            "git_http_url": f"{base}.git",
            "git_ssh_url": f"git@sandbox.example:{project.path}.git",
            "namespace": project.owner,
            "visibility_level": {"private": 0, "internal": 10, "public": 20}[project.visibility],
            "path_with_namespace": project.path,
            "default_branch": project.default_branch,
        },
        "commits": [_commit(base, info) for info in infos],
        "total_commits_count": len(infos),
        "push_options": {},
        "repository": {"name": project.name, "homepage": base, "git_http_url": f"{base}.git"},
    }


def _commit(base: str, info: CommitInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "message": info.message,
        "title": info.title,
        "timestamp": datetime.fromtimestamp(info.committed, UTC).isoformat(),
        "url": f"{base}/-/commit/{info.id}",
        "author": {"name": info.author, "email": info.author_email},
        "added": [],
        "modified": ["README.md"],
        "removed": [],
    }


def key_bytes(key: str) -> bytes | None:
    """The key of `whsec_` + base64 of 32 bytes."""
    try:
        raw = base64.b64decode(key.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if key.startswith("whsec_") and len(raw) == 32 else None


# -- switching off ---------------------------------------------------------------------------------


def note_outcome(site: Site, hook: Hook, *, worked: bool) -> None:
    """The 4th failure in a row turns it off for a minute, each further one for twice as long, at
    most a day; the 40th for good. A success turns it on again."""
    if worked:
        hook.failures, hook.off_until, hook.off_for_good = 0, None, False
        return
    hook.failures += 1
    over = hook.failures - FAILURES_ALLOWED
    if hook.failures >= FOR_GOOD:
        hook.off_until, hook.off_for_good = None, True
    elif over > 0:
        hook.off_until = site.world.now() + min(60.0 * 2 ** (over - 1), LONGEST_OFF)


def off(hook: Hook, now: float) -> bool:
    return hook.off_until is not None and hook.off_until > now


def alert(hook: Hook, now: float) -> str:
    if hook.off_for_good:
        return "disabled"
    return "temporarily_disabled" if off(hook, now) else "executable"
