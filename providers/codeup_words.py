"""Codeup's words turned into ours: accounts, repositories, refs, hooks, pushes and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from providers import reading
from providers.answer import Answer, by_gateway, retry_after
from providers.errors import BadAnswer, MissingScope, ProviderError, RateLimited, TokenRejected
from providers.types import Access, Expiry, Headers, Hook, Identity, Push, Quality, Ref, Repository

# The permissions of a token, as its page names them (ux/spec.md 5.7).
MEMBERS = "Organization members read-only"
DEPARTMENTS = "Organization departments read-only"
REPOSITORIES = "Code repositories read-only"
BRANCHES = "Branches read-only"
TAGS = "Tags read-only"
WEBHOOKS = "Webhook read/write"
OF_REFS = {"branches": BRANCHES, "tags": TAGS}
READING = (MEMBERS, DEPARTMENTS, REPOSITORIES, BRANCHES, TAGS)

# Weakest first: access level, our word, theirs.
ROLES = (
    (0, Access.NONE, "no access"),
    (20, Access.READ, "viewer"),
    (30, Access.WRITE, "developer"),
    (40, Access.ADMIN, "administrator"),
)
ADMINISTRATOR = 40
VISIBILITY = {"0": "private", "10": "internal", "20": "public"}

_SENTENCES = ("errorMessage", "errorDescription", "message")
_BLOCKED = re.compile(r"blocked|disabled|suspended|deactivated|禁用|冻结|停用|锁定", re.IGNORECASE)
_MILLISECONDS = 10**11
"""A moment above this is counted in milliseconds: in seconds it would be the year 5138."""


# -- the account ---------------------------------------------------------------------------------


def identity(raw: reading.Raw) -> Identity:
    return Identity(
        id=reading.stable_id(raw, "id", "a Codeup user"),
        login=reading.text(raw, "username", "a Codeup user"),
        name=reading.optional(raw, "name") or None,
    )


# -- what it sees --------------------------------------------------------------------------------


def repository(raw: reading.Raw, base_url: str) -> Repository:
    """A row of the list, or a whole one. The list may leave out what a clone needs: the address
    is the page's own and `.git` then, and `clone` asks again."""
    of = "a Codeup repository"
    web_url = reading.text(raw, "webUrl", of)
    path = reading.optional(raw, "pathWithNamespace") or _path(web_url, base_url)
    level = _level(raw.get("accessLevel"))
    access, access_name = _role(level)
    branch = raw.get("defaultBranch")
    return Repository(
        id=reading.stable_id(raw, "id", of),
        path=path,
        name=reading.optional(raw, "name") or path.rpartition("/")[2],
        clone_url=reading.optional(raw, "httpUrlToRepo") or f"{web_url}.git",
        web_url=web_url,
        default_branch=branch if isinstance(branch, str) and branch else None,
        visibility=_visibility(raw),
        archived=raw.get("archived") is True,
        empty="defaultBranch" in raw and not branch,
        access=access,
        access_name=access_name,
        hookable=None if level is None else level >= ADMINISTRATOR,
        owner=path.rpartition("/")[0],
        pushed_at=reading.moment(raw.get("lastActivityAt")),
    )


def _path(web_url: str, base_url: str) -> str:
    """The full path: what stands behind the address of the server."""
    if web_url.startswith(f"{base_url}/"):
        return web_url.removeprefix(f"{base_url}/")
    return urlsplit(web_url).path.strip("/")


def _level(told: object) -> int | None:
    """The access level: a text in one call, a number in another."""
    text = str(told)
    return int(text) if not isinstance(told, bool) and text.isdecimal() and len(text) < 4 else None


def _role(level: int | None) -> tuple[Access, str]:
    if level is None:
        return Access.UNKNOWN, ""
    _, access, name = max(role for role in ROLES if role[0] <= level)
    return access, name


def _visibility(raw: reading.Raw) -> str:
    told = reading.optional(raw, "visibility")
    if told in VISIBILITY.values():
        return told
    return VISIBILITY.get(str(raw.get("visibilityLevel")), "private")


def branch(raw: reading.Raw) -> Ref:
    return Ref(
        reading.text(raw, "name", "a Codeup branch"),
        _commit_id(raw, "a Codeup branch"),
        protected=str(raw.get("protected")).lower() == "true",
        default=raw.get("defaultBranch") is True,
    )


def tag(raw: reading.Raw) -> Ref:
    return Ref(reading.text(raw, "name", "a Codeup tag"), _commit_id(raw, "a Codeup tag"), "tag")


def commit(raw: reading.Raw) -> Ref:
    sha = reading.commit_id(raw, "id", "a Codeup commit")
    return Ref(sha, sha, "commit")


def _commit_id(raw: reading.Raw, of: str) -> str:
    return reading.commit_id(reading.part(raw, "commit", of), "id", of)


# -- hooks and pushes ----------------------------------------------------------------------------


def wanted_hook(url: str, secret: str) -> Mapping[str, Any]:
    """All of it every time: what a change leaves out may be lost."""
    return {
        "url": url,
        "token": secret,
        "description": "Mooring",
        "pushEvents": True,
        "tagPushEvents": True,
        "mergeRequestsEvents": False,
        "noteEvents": False,
        "enableSslVerification": True,
    }


def hook(raw: reading.Raw) -> Hook:
    """Without its secret, which Codeup shows back in clear."""
    return Hook(
        id=reading.stable_id(raw, "id", "a Codeup hook"),
        url=reading.text(raw, "url", "a Codeup hook"),
        complete=reading.subscribed(raw, "pushEvents", "tagPushEvents"),
    )


def push(raw: reading.Raw) -> Push:
    of = "a Codeup push"
    after, before = reading.commit_id(raw, "after", of), reading.optional(raw, "before")
    head = _head(raw, after)
    deleted = not after.strip("0")
    return Push(
        repository_id=reading.stable_id(raw, "project_id", of),
        ref=reading.pushed_ref(raw, of),
        before=before,
        # `after` of an annotated tag may be the tag object; a build needs the commit.
        after=reading.commit_id(head, "id", of) if head and not deleted else after,
        created=bool(before) and not before.strip("0"),
        deleted=deleted,
        pusher=reading.optional(raw, "user_username") or reading.optional(raw, "user_name"),
        repository_path=_pushed_path(reading.inner(raw, "repository")),
        title=reading.optional(head, "message").partition("\n")[0],
        author=reading.optional(reading.inner(head, "author"), "name"),
        committed_at=reading.optional(head, "timestamp"),
        web_url=reading.optional(head, "url"),
    )


def _head(raw: reading.Raw, after: str) -> reading.Raw:
    """The commit that `after` names; for a tag object the newest one that came along."""
    commits = raw.get("commits")
    listed = [one for one in commits if isinstance(one, dict)] if isinstance(commits, list) else []
    named = next((one for one in listed if one.get("id") == after), None)
    if named is not None:
        return named
    return listed[-1] if listed and str(raw.get("ref")).startswith("refs/tags/") else {}


def _pushed_path(where: reading.Raw) -> str:
    """No key holds the full path: it stands in both addresses (`providers.md` 7.7)."""
    by_ssh = re.fullmatch(r"[^@/]+@[^:/]+:(.+)", reading.optional(where, "git_ssh_url"))
    path = by_ssh[1] if by_ssh else urlsplit(reading.optional(where, "git_http_url")).path
    return path.strip("/").removesuffix(".git")


# -- what an answer other than 2xx means ---------------------------------------------------------


def refusal(answer: Answer) -> ProviderError | None:
    """Codeup's own meaning; None where the common table of the door knows no less."""
    if by_gateway(answer):
        return None
    if answer.status == 401:
        return TokenRejected("unknown")
    if answer.status == 403:
        if _BLOCKED.search(sentence(answer)):
            return TokenRejected("suspended")
        return MissingScope("scope", missing=(REPOSITORIES,))
    if answer.status == 429:
        return RateLimited(retry_after=_wait(answer))
    return None


def sentence(answer: Answer) -> str:
    """What a JSON error says. To decide by, never to show or log."""
    try:
        said = answer.object()
    except BadAnswer:
        return ""
    return " ".join(str(said.get(key) or "") for key in _SENTENCES)


def is_own(answer: Answer) -> bool:
    """Whether a refusal is worded as Codeup words them."""
    try:
        return not {"errorMessage", "errorDescription", "errorCode"}.isdisjoint(answer.object())
    except BadAnswer:
        return False


def _wait(answer: Answer) -> float:
    """Seconds: as a header asks, else until the moment `reset_at` of the body."""
    asked = retry_after(answer.headers)
    if asked is not None:
        return asked
    try:
        until = _moment(answer.object().get("reset_at"))
    except BadAnswer:
        until = None
    return 60.0 if until is None else (until - now_there(answer.headers)).total_seconds()


def _moment(written: object) -> datetime | None:
    """A moment as ISO text, or counted in seconds or milliseconds."""
    text = str(written)
    if isinstance(written, bool) or not text.isdecimal() or len(text) > 15:
        return reading.moment(written)
    number = int(text)
    return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, UTC)


def now_there(headers: Headers) -> datetime:
    """The host's own clock where it tells it."""
    return reading.host_time(headers) or datetime.now(UTC)


def has_ended(stated: Expiry, headers: Headers) -> bool:
    """Whether the date that a person stated has passed."""
    end = stated.at if stated.quality is Quality.STATED else None
    return end is not None and end <= now_there(headers)
