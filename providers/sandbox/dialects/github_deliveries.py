"""GitHub: what a webhook is sent for a push, and how that is proven."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Any
from urllib.parse import urlencode

from providers.sandbox.depot import ZEROS, CommitInfo
from providers.sandbox.dialect import Push
from providers.sandbox.dialects.github_rules import iso
from providers.sandbox.records import Change, Hook, Message, Repository
from providers.sandbox.world import Site


def push_messages(site: Site, repository: Repository, hook: Hook, push: Push) -> list[Message]:
    """One delivery per ref; none when more than three tags moved at once."""
    if not hook.active or not {"push", "*"} & set(hook.events):
        return []
    tags = [c for c in push.changes if c.ref.startswith("refs/tags/")]
    if len(tags) > 3:
        return []
    return [
        message_for(site, hook, "push", _payload(site, repository, change, push.login))
        for change in push.changes
    ]


def message_for(site: Site, hook: Hook, event: str, payload: dict[str, Any]) -> Message:
    body = json.dumps(payload, ensure_ascii=False).encode()
    kind = "application/json"
    if hook.settings.get("content_type") != "json":
        body, kind = urlencode({"payload": body}).encode(), "application/x-www-form-urlencoded"
    guid = str(uuid.uuid4())
    headers = {
        "Accept": "*/*",
        "Content-Type": kind,
        "User-Agent": "GitHub-Hookshot/sandbox",
        "X-GitHub-Delivery": guid,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(hook.repository),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-GitHub-Enterprise-Version": "3.19.1",
    }
    if hook.secret:
        key = hook.secret.encode()
        proof = hmac.new(key, body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={proof}"
        headers["X-Hub-Signature"] = f"sha1={hmac.new(key, body, hashlib.sha1).hexdigest()}"
    return Message(event, headers, body, guid)


def _payload(site: Site, repository: Repository, change: Change, login: str) -> dict[str, Any]:
    depot = site.world.depot
    commits = (
        [] if change.deleted else depot.log(site.slug, repository, change.before, change.after)
    )
    spoken = [_commit(site, repository, info) for info in commits]
    base = f"{site.world.origin}/{site.slug}/{repository.path}"
    person = site.accounts.get(login)
    return {
        "ref": change.ref,
        "before": change.before,
        "after": change.after,
        "repository": repository_json(site, repository),
        "pusher": {"name": login, "email": f"{login}@sandbox.example"},
        "sender": person_json(site, login) if person else None,
        "created": change.created,
        "deleted": change.deleted,
        "forced": False,
        "base_ref": None,
        "compare": f"{base}/compare/{change.before[:12]}...{change.after[:12]}",
        "commits": [] if change.ref.startswith("refs/tags/") else spoken,
        "head_commit": spoken[-1] if spoken and change.after != ZEROS else None,
    }


def _commit(site: Site, repository: Repository, info: CommitInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "tree_id": info.tree,
        "distinct": True,
        "message": info.message,
        "timestamp": iso(info.committed),
        "url": f"{site.world.origin}/{site.slug}/{repository.path}/commit/{info.id}",
        "author": {"name": info.author, "email": info.author_email},
        "committer": {"name": info.committer, "email": info.committer_email},
        "added": [],
        "removed": [],
        "modified": ["README.md"],
    }


def repository_json(site: Site, repository: Repository) -> dict[str, Any]:
    base = f"{site.world.origin}/{site.slug}"
    return {
        "id": repository.id,
        "name": repository.name,
        "full_name": repository.path,
        "private": repository.visibility != "public",
        "owner": person_json(site, repository.owner),
        "html_url": f"{base}/{repository.path}",
        "clone_url": f"{base}/{repository.path}.git",
        "default_branch": repository.default_branch or "main",
        "archived": repository.archived,
    }


def person_json(site: Site, login: str) -> dict[str, Any]:
    account = site.accounts[login]
    return {"login": login, "id": account.id, "type": account.kind}
