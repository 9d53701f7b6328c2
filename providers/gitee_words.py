"""Gitee's words turned into ours: accounts, repositories, refs, hooks, pushes and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers import reading
from providers.answer import Answer, by_gateway, wait_asked
from providers.errors import BadAnswer, MissingScope, ProviderError, RateLimited, TokenRejected
from providers.types import Access, Hook, Identity, Purpose, Push, Ref, Repository

Notices = tuple[tuple[str, Mapping[str, str]], ...]

# Strongest first: key of `permission`, our word, Gitee's word.
ROLES = (
    ("admin", Access.ADMIN, "admin"),
    ("push", Access.WRITE, "push"),
    ("pull", Access.READ, "pull"),
)
EVENTS = ("issues_events", "note_events", "merge_requests_events")
SIGNED = 1
"""`encryption_type` of a hook that signs; 0 sends the secret itself."""

# Gitee answers in English or in Chinese; status and error words decide, sentences only the reason.
_EXPIRED = re.compile(r"expired|过期|失效", re.IGNORECASE)
_REVOKED = re.compile(r"does not exist|revoked|不存在|撤销", re.IGNORECASE)
_BLOCKED = re.compile(r"blocked|locked|suspended|锁定|冻结|封禁|禁用", re.IGNORECASE)


# -- the account ---------------------------------------------------------------------------------


def identity(raw: reading.Raw) -> Identity:
    return Identity(
        id=reading.stable_id(raw, "id", "a Gitee account"),
        login=reading.text(raw, "login", "a Gitee account"),
        name=reading.optional(raw, "name") or None,
        web_url=reading.optional(raw, "html_url") or None,
        avatar_url=reading.optional(raw, "avatar_url") or None,
    )


def lacking(
    granted: frozenset[str] | None, needed: Mapping[Purpose, tuple[str, ...]]
) -> Mapping[Purpose, tuple[str, ...]]:
    """The abilities that `granted` is known not to give: no scope contains another."""
    if granted is None:
        return {}
    return {purpose: names for purpose, names in needed.items() if not granted.issuperset(names)}


def notices(granted: frozenset[str] | None) -> Notices:
    return (("SCOPE-03", {}),) if granted is not None and "groups" not in granted else ()


# -- what it sees --------------------------------------------------------------------------------


def repository(raw: reading.Raw, base_url: str) -> Repository:
    """`html_url` ends in .git, and no key holds an address to clone from."""
    of = "a Gitee repository"
    path = reading.text(raw, "full_name", of)
    access, access_name, hookable = _access(raw.get("permission"))
    where, branch = reading.inner(raw, "namespace"), reading.optional(raw, "default_branch")
    kind = where.get("type")
    return Repository(
        id=reading.stable_id(raw, "id", of),
        path=path,
        name=reading.optional(raw, "path") or path.rpartition("/")[2],
        clone_url=f"{base_url}/{path}.git",
        web_url=f"{base_url}/{path}",
        default_branch=branch or None,
        visibility=_visibility(raw),
        archived=raw.get("archived") is True,
        empty=raw.get("empty_repo") is True or not branch,
        access=access,
        access_name=access_name,
        hookable=hookable,
        owner=reading.optional(where, "path") or path.rpartition("/")[0],
        owner_is_person=kind == "personal" if kind else None,
        pushed_at=reading.moment(raw.get("pushed_at")),
    )


def _visibility(raw: reading.Raw) -> str:
    if raw.get("internal") is True:
        return "internal"
    return "public" if raw.get("private") is False else "private"


def _access(permission: object) -> tuple[Access, str, bool | None]:
    if not isinstance(permission, dict):
        return Access.UNKNOWN, "", None
    for key, access, name in ROLES:
        if permission.get(key) is True:
            return access, name, access is Access.ADMIN
    return Access.NONE, "", False


def branch(raw: reading.Raw, default: object) -> Ref:
    name = reading.text(raw, "name", "a Gitee branch")
    protected = raw.get("protected") is True
    return Ref(name, _sha(raw, "a Gitee branch"), protected=protected, default=name == default)


def tag(raw: reading.Raw) -> Ref:
    return Ref(reading.text(raw, "name", "a Gitee tag"), _sha(raw, "a Gitee tag"), "tag")


def commit(raw: reading.Raw) -> Ref:
    sha = reading.commit_id(raw, "sha", "a Gitee commit")
    return Ref(sha, sha, "commit")


def _sha(raw: reading.Raw, of: str) -> str:
    return reading.commit_id(reading.part(raw, "commit", of), "sha", of)


# -- hooks and pushes ----------------------------------------------------------------------------


def wanted_hook(url: str, secret: str) -> Mapping[str, Any]:
    """All of it every time. A host that does not know `encryption_type` ignores it, and sends the
    secret itself (`providers.md` 5.7)."""
    return {
        "url": url,
        "password": secret,
        "encryption_type": SIGNED,
        "push_events": True,
        "tag_push_events": True,
        **dict.fromkeys(EVENTS, False),
    }


def hook(raw: reading.Raw) -> Hook:
    return Hook(
        id=reading.stable_id(raw, "id", "a Gitee hook"),
        url=reading.optional(raw, "url"),
        complete=reading.subscribed(raw, "push_events", "tag_push_events"),
    )


def push(raw: reading.Raw) -> Push:
    of = "a Gitee push"
    where = reading.inner(raw, "repository") or reading.part(raw, "project", of)
    who = reading.inner(raw, "pusher") or reading.inner(raw, "sender")
    head, after = reading.inner(raw, "head_commit"), reading.commit_id(raw, "after", of)
    before = reading.optional(raw, "before")
    deleted = raw.get("deleted") is True or not after.strip("0")
    return Push(
        repository_id=reading.stable_id(where, "id", of),
        ref=reading.pushed_ref(raw, of),
        before=before,
        # `after` of an annotated tag is the tag object; a build needs the commit.
        after=reading.commit_id(head, "id", of) if head and not deleted else after,
        created=raw.get("created") is True or (bool(before) and not before.strip("0")),
        deleted=deleted,
        pusher=reading.optional(who, "login") or reading.optional(who, "name"),
        repository_path=reading.optional(where, "full_name")
        or reading.optional(where, "path_with_namespace"),
        title=reading.optional(head, "message").partition("\n")[0],
        author=reading.optional(reading.inner(head, "author"), "name"),
        committed_at=reading.optional(head, "timestamp"),
        web_url=reading.optional(head, "url"),
    )


# -- what an answer other than 2xx means ---------------------------------------------------------


def refusal(answer: Answer) -> ProviderError | None:
    """Gitee's own meaning; None where the common table of the door knows no less."""
    if by_gateway(answer):
        return None
    said = reading.message(answer)
    if answer.status == 429 or (answer.status == 403 and limited(answer)):
        # The hour's budget is one account's; what a 429 without it means nobody says.
        reason = "limit" if limited(answer) else "secondary"
        return RateLimited(reason, retry_after=wait_asked(answer.headers))
    if answer.status == 401:
        return _unauthorized(said)
    if answer.status == 403:
        return _forbidden(said)
    return None


def limited(answer: Answer) -> bool:
    """Whether the hour's budget of requests is spent."""
    return answer.headers.get("x-ratelimit-remaining") == "0"


def _unauthorized(said: str) -> ProviderError:
    if "is required" in said:  # we sent one: our mistake, not the token's
        return BadAnswer("refused", "Gitee saw no token")
    if _EXPIRED.search(said):
        return TokenRejected("expired")
    return TokenRejected("revoked" if _REVOKED.search(said) else "unknown")


def _forbidden(said: str) -> ProviderError:
    """A scope and a role that are too small are told apart by what was asked, not by the text."""
    if "User-Agent" in said:
        return BadAnswer("refused", "Gitee wants a User-Agent")
    if _BLOCKED.search(said):
        return TokenRejected("suspended")
    return MissingScope("scope", missing=("projects",))
