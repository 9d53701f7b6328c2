"""Bitbucket's words turned into ours: accounts, repositories, refs, hooks, pushes, refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from providers import reading
from providers.answer import Answer, by_gateway, wait_asked
from providers.errors import BadAnswer, MissingScope, ProviderError, RateLimited, TokenRejected
from providers.types import Access, Headers, Hook, Identity, Purpose, Push, Ref, Repository

HOUR = 3600.0
"""Seconds: limits count a rolling hour: developer.atlassian.com, API request limits."""

ZEROS = "0" * 40

# A scope contains others: developer.atlassian.com, Bitbucket OAuth 2.0 scopes.
_READING = frozenset({"repository", "repository:write", "pullrequest", "pullrequest:write"})
GRANTING: Mapping[Purpose, frozenset[str]] = {
    Purpose.LIST: _READING,
    Purpose.REFS: _READING,
    Purpose.CLONE: _READING,
    Purpose.HOOKS: frozenset({"webhook"}),
}

ROLES = (("admin", Access.ADMIN, "admin"), ("contributor", Access.WRITE, "write"))
"""Strongest first: what a list is asked for, our word, Bitbucket's word."""

_UUID = re.compile(r"\{[0-9A-Za-z-]{1,64}\}")
_SLUG = re.compile(r"[A-Za-z0-9_.{}-]{1,128}")
_CHANGE = re.compile(r"\b(CHANGE-\d{1,9})\b")
_SPACES = {"branch": "refs/heads/", "tag": "refs/tags/"}


# -- lists ---------------------------------------------------------------------------------------


def values(answer: Answer, of: str) -> list[reading.Raw]:
    """The rows of one page; null is none."""
    found = answer.object().get("values") or []
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadAnswer("shape", f"{of} without 'values'")
    return found


def next_page(answer: Answer) -> str:
    """The address of the next page, "" at the end. The token is not sent there unjudged."""
    return reading.optional(answer.object(), "next")


def quoted(text: str) -> str:
    """A text inside a query of Bitbucket's own language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def workspace(raw: reading.Raw) -> str:
    of = "a Bitbucket workspace"
    slug = reading.text(reading.part(raw, "workspace", of), "slug", of)
    if not _SLUG.fullmatch(slug) or slug in {".", ".."}:
        raise BadAnswer("shape", f"{of} whose 'slug' is none")
    return slug


# -- the account ---------------------------------------------------------------------------------


def identity(raw: reading.Raw) -> Identity:
    """By uuid: names change. Raises TokenRejected("suspended") for an account that is not active.

    `username` is not asked for: Atlassian advises against it, and newer accounts have none.
    """
    of = "a Bitbucket account"
    login, links = reading.text(raw, "nickname", of), reading.inner(raw, "links")
    if raw.get("account_status") not in (None, "active"):
        raise TokenRejected("suspended", login=login)
    return Identity(
        id=reading.stable_id(raw, "uuid", of),
        login=login,
        name=reading.optional(raw, "display_name") or None,
        web_url=_href(links, "html"),
        avatar_url=_href(links, "avatar"),
        bot=raw.get("type") == "app_user",
    )


def _href(links: reading.Raw, key: str) -> str | None:
    return reading.optional(reading.inner(links, key), "href") or None


def scopes(headers: Headers) -> frozenset[str] | None:
    """The granted scopes; None where an answer does not say."""
    told = headers.get("x-oauth-scopes")
    return None if told is None else frozenset(re.split(r"[\s,]+", told)) - {""}


def lacking(
    granted: frozenset[str] | None, needed: Mapping[Purpose, tuple[str, ...]]
) -> Mapping[Purpose, tuple[str, ...]]:
    """The abilities that `granted` is known not to give, and what each would need."""
    return {
        purpose: needed[purpose]
        for purpose, granting in GRANTING.items()
        if granted is not None and not granting & granted
    }


# -- what it sees --------------------------------------------------------------------------------


def repository(raw: reading.Raw) -> Repository:
    """Without the account's role, which no repository tells."""
    of = "a Bitbucket repository"
    path, links = reading.text(raw, "full_name", of), reading.part(raw, "links", of)
    owner = reading.optional(reading.inner(raw, "owner"), "type")
    return Repository(
        id=reading.stable_id(raw, "uuid", of),
        path=path,
        name=reading.optional(raw, "name") or path.rpartition("/")[2],
        clone_url=_clone_url(links),
        web_url=_href(links, "html") or "",
        default_branch=default_branch(raw),
        visibility="private" if raw.get("is_private", True) else "public",
        empty=default_branch(raw) is None,
        owner=path.rpartition("/")[0],
        owner_is_person=owner == "user" if owner else None,
        pushed_at=reading.moment(raw.get("updated_on")),
    )


def default_branch(raw: reading.Raw) -> str | None:
    """None before the first push."""
    return reading.optional(reading.inner(raw, "mainbranch"), "name") or None


def _clone_url(links: reading.Raw) -> str:
    """The address for HTTPS. It comes with the account's name before an @, which we drop."""
    ways = links.get("clone")
    for way in ways if isinstance(ways, list) else []:
        if isinstance(way, dict) and way.get("name") == "https":
            parts = urlsplit(reading.text(way, "href", "a Bitbucket clone link"))
            return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    raise BadAnswer("shape", "a Bitbucket repository whose 'links' hold no clone address")


def with_role(found: Repository, access: Access | None, name: str) -> Repository:
    """`access` None: nobody could tell."""
    if access is None:
        return found
    return replace(found, access=access, access_name=name, hookable=access is Access.ADMIN)


def span(rows: list[reading.Raw]) -> str:
    """The query for everything made between the first and the last of these, "" without times."""
    made = {reading.moment(row.get("created_on")): row.get("created_on") for row in rows}
    times = sorted(when for when in made if when)
    if not times or None in made:
        return ""
    return f"created_on >= {made[times[0]]} AND created_on <= {made[times[-1]]}"


def ref(raw: reading.Raw, kind: str, default: object = None) -> Ref:
    of = f"a Bitbucket {kind}"
    name, goal = reading.text(raw, "name", of), reading.part(raw, "target", of)
    is_default = kind == "branch" and name == default
    return Ref(name, reading.commit_id(goal, "hash", of), kind, default=is_default)


def commit(raw: reading.Raw) -> Ref:
    sha = reading.commit_id(raw, "hash", "a Bitbucket commit")
    return Ref(sha, sha, "commit")


# -- hooks and pushes ----------------------------------------------------------------------------


def wanted_hook(url: str, secret: str) -> Mapping[str, Any]:
    """All of it every time; an old secret would stay where none is sent."""
    return {
        "description": "Mooring",
        "url": url,
        "active": True,
        "secret": secret,
        "events": ["repo:push"],
    }


def hook(raw: reading.Raw) -> Hook:
    active = raw.get("active") is not False
    return Hook(
        id=reading.stable_id(raw, "uuid", "a Bitbucket hook"),
        url=reading.optional(raw, "url"),
        active=active,
        health="unknown" if active else "disabled",
        complete=reading.listens(raw, "repo:push"),
    )


def pushes(raw: reading.Raw) -> Iterator[Push]:
    """One for each ref that moved: a delivery tells all of a push together."""
    of = "a Bitbucket push"
    where, actor = reading.part(raw, "repository", of), reading.inner(raw, "actor")
    pusher = reading.optional(actor, "nickname") or reading.optional(actor, "display_name")
    changes = reading.part(raw, "push", of).get("changes")
    if not isinstance(changes, list) or not all(isinstance(one, dict) for one in changes):
        raise BadAnswer("shape", f"{of} without 'changes'")
    for change in changes:
        yield _push(
            change,
            reading.stable_id(where, "uuid", of),
            reading.optional(where, "full_name"),
            pusher,
        )


def _push(change: reading.Raw, repository_id: str, path: str, pusher: str) -> Push:
    of = "a Bitbucket push of a ref"
    new, old = reading.inner(change, "new"), reading.inner(change, "old")
    moved = new or old
    space = _SPACES.get(reading.text(moved, "type", of))
    if space is None:
        raise BadAnswer("shape", f"{of} whose 'type' is neither branch nor tag")
    full = reading.pushed_ref({"ref": space + reading.text(moved, "name", of)}, of)
    head = reading.part(new, "target", of) if new else {}
    return Push(
        repository_id=repository_id,
        ref=full,
        before=reading.optional(reading.inner(old, "target"), "hash") or ZEROS,
        after=reading.commit_id(head, "hash", of) if new else ZEROS,
        created=not old,
        deleted=not new,
        forced=change.get("forced") is True,
        pusher=pusher,
        repository_path=path,
        title=reading.optional(head, "message").partition("\n")[0],
        author=_author(reading.inner(head, "author")),
        committed_at=reading.optional(head, "date"),
        web_url=_href(reading.inner(head, "links"), "html") or "",
    )


def _author(raw: reading.Raw) -> str:
    """The name git knows, without the address in angle brackets."""
    known = reading.optional(reading.inner(raw, "user"), "display_name")
    return known or reading.optional(raw, "raw").partition("<")[0].strip()


# -- what an answer other than 2xx means ---------------------------------------------------------


def refusal(answer: Answer) -> ProviderError | None:
    """Bitbucket's own meaning; None where the common table of the door knows no less."""
    if by_gateway(answer):
        return None
    if answer.status == 429:
        return RateLimited(retry_after=wait_asked(answer.headers, HOUR))
    said, detail = _said(answer)
    if answer.status == 401:
        # "Token is invalid, expired, or not supported" says nothing of the three.
        return TokenRejected("expired" if "Access token expired" in said else "unknown")
    if answer.status == 403:
        return _forbidden(said, detail)
    change = _CHANGE.search(said)
    if answer.status == 410 and change:
        return BadAnswer("api_removed", status="410", change=change[1])
    return None


def own(answer: Answer) -> bool:
    """Whether an error is written as Bitbucket writes them."""
    try:
        raw = answer.object()
    except BadAnswer:
        return False
    return raw.get("type") == "error" and bool(
        reading.optional(reading.inner(raw, "error"), "message")
    )


def _said(answer: Answer) -> tuple[str, reading.Raw]:
    try:
        error = reading.inner(answer.object(), "error")
    except BadAnswer:
        return "", {}
    return reading.optional(error, "message"), reading.inner(error, "detail")


def _forbidden(said: str, detail: reading.Raw) -> ProviderError:
    required, granted = _names(detail, "required"), _names(detail, "granted")
    if required:
        return MissingScope("scope", missing=tuple(n for n in required if n not in granted))
    if re.search(r"\b(suspended|deactivated|blocked)\b", said):
        return TokenRejected("suspended")
    return MissingScope("role")


def _names(detail: reading.Raw, key: str) -> list[str]:
    found = detail.get(key)
    listed = found if isinstance(found, list) else []
    return [name for name in listed if isinstance(name, str)]
