"""Gitea's words turned into ours: accounts, scopes, repositories, refs, hooks, pushes, refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from providers import reading
from providers.answer import Answer, by_gateway
from providers.errors import MissingScope, NotFound, ProviderError, TokenRejected
from providers.types import Access, Hook, Identity, Purpose, Push, Ref, Repository

Notices = tuple[tuple[str, Mapping[str, str]], ...]

ALL = frozenset({"all"})
FIRST_WITH_SCOPES = (1, 19)
"""The first Gitea whose tokens can be limited; older ones can do what their owner can."""

# Strongest first: key of `permissions`, our word, Gitea's word.
ROLES = (
    ("admin", Access.ADMIN, "admin"),
    ("push", Access.WRITE, "write"),
    ("pull", Access.READ, "read"),
)
_SCOPE = re.compile(r"[a-z]+(?:[:-][a-z_]+)*")
_LACKS = re.compile(r"required scope(?:\(s\))?[^\[]*\[([^\]]*)\]")
_GRANTED = re.compile(r"token scope=([a-z:,_ -]+)")
# routers/api/v1/api.go of Gitea, verifyAuthWithOptions.
_OUT = re.compile(r"prohibited from signing in|not activated|must change your password")
STRANGER = "Only signed in user is allowed"
ADMINS_ONLY = "user should be the site admin"
"""What is said to a token whose scopes are enough and whose owner's role is not."""


# -- the account and its token -------------------------------------------------------------------


def identity(raw: reading.Raw) -> Identity:
    return Identity(
        id=reading.stable_id(raw, "id", "a Gitea account"),
        login=reading.text(raw, "login", "a Gitea account"),
        name=reading.optional(raw, "full_name") or None,
        web_url=reading.optional(raw, "html_url") or None,
        avatar_url=reading.optional(raw, "avatar_url") or None,
    )


def lacking(
    granted: frozenset[str], needed: Mapping[Purpose, tuple[str, ...]]
) -> Mapping[Purpose, tuple[str, ...]]:
    """The abilities that `granted` does not give, and what each would need."""
    return {
        purpose: lacks
        for purpose, scopes in needed.items()
        if (lacks := tuple(scope for scope in scopes if not gives(granted, scope)))
    }


def gives(granted: frozenset[str], scope: str) -> bool:
    """To write is to read as well: docs.gitea.com, OAuth2 provider, scopes."""
    return bool({"all", scope, scope.replace("read:", "write:")} & granted)


def notices(granted: frozenset[str], *, typed: bool) -> Notices:
    """`typed`: a person chose the scopes, and can choose others."""
    told: list[tuple[str, Mapping[str, str]]] = []
    if typed and granted == ALL:
        told.append(("TOK-06", {}))
    if "public-only" in granted:
        told.append(("SCOPE-04", {}))
    if not gives(granted, "read:organization"):
        told.append(("SCOPE-05", {}))
    return tuple(told)


def knows_scopes(version: str) -> bool:
    """Whether tokens can be limited there. Forgejo writes "9.0.3+gitea-1.22.0" and the like."""
    found = re.search(r"gitea-(\d{1,4})\.(\d{1,4})", version)
    found = found or re.match(r"(\d{1,4})\.(\d{1,4})", version)
    return found is None or (int(found[1]), int(found[2])) >= FIRST_WITH_SCOPES


# -- what it sees --------------------------------------------------------------------------------


def repository(raw: reading.Raw) -> Repository:
    of = "a Gitea repository"
    path, owner = reading.text(raw, "full_name", of), reading.inner(raw, "owner")
    access, access_name, hookable = _access(raw.get("permissions"))
    return Repository(
        id=reading.stable_id(raw, "id", of),
        path=path,
        name=reading.optional(raw, "name") or path.rpartition("/")[2],
        clone_url=reading.text(raw, "clone_url", of),
        web_url=reading.text(raw, "html_url", of),
        default_branch=reading.optional(raw, "default_branch") or None,
        visibility=_visibility(raw),
        archived=raw.get("archived") is True,
        empty=raw.get("empty") is True,
        access=access,
        access_name=access_name,
        hookable=hookable,
        owner=reading.optional(owner, "login") or path.rpartition("/")[0],
        pushed_at=reading.moment(raw.get("updated_at")),
    )


def _visibility(raw: reading.Raw) -> str:
    if raw.get("private", True):
        return "private"
    return "internal" if raw.get("internal") is True else "public"


def _access(permissions: object) -> tuple[Access, str, bool | None]:
    if not isinstance(permissions, dict):
        return Access.UNKNOWN, "", None
    for key, access, name in ROLES:
        if permissions.get(key) is True:
            return access, name, access is Access.ADMIN
    return Access.NONE, "", False


def next_page(answer: Answer, asked: str) -> str:
    """The address of the page after `asked`, "" at the end.

    Lists of tags and hooks carry no `Link`, only how many there are. A server may send fewer than
    were asked for without a word (MAX_RESPONSE_ITEMS), so what came is what is counted with.
    """
    if link := reading.next_link(answer):
        return link
    total, came = reading.told(answer.headers, "x-total-count"), len(answer.items())
    if "link" in answer.headers or not came or total is None:
        return ""
    query = parse_qs(urlsplit(asked).query)
    page = _number(query, "page", 1)
    size = _number(query, "limit", came) if page > 1 else came
    if (page - 1) * size + came >= total:
        return ""
    return f"{asked.partition('?')[0]}?page={page + 1}&limit={size}"


def _number(query: Mapping[str, list[str]], name: str, otherwise: int) -> int:
    text = query.get(name, [""])[0]
    return int(text) if text.isdecimal() and len(text) < 9 else otherwise


def branch(raw: reading.Raw, default: object) -> Ref:
    name = reading.text(raw, "name", "a Gitea branch")
    commit = reading.part(raw, "commit", "a Gitea branch")
    return Ref(
        name,
        reading.commit_id(commit, "id", "a Gitea branch"),
        protected=raw.get("protected") is True,
        default=name == default,
    )


def tag(raw: reading.Raw) -> Ref:
    """`id` of an annotated tag is the tag object; `commit` is always the commit."""
    name = reading.text(raw, "name", "a Gitea tag")
    commit = reading.part(raw, "commit", "a Gitea tag")
    return Ref(name, reading.commit_id(commit, "sha", "a Gitea tag"), "tag")


def commit(raw: reading.Raw) -> Ref:
    sha = reading.commit_id(raw, "sha", "a Gitea commit")
    return Ref(sha, sha, "commit")


# -- hooks and pushes ----------------------------------------------------------------------------


def wanted_hook(url: str, secret: str) -> Mapping[str, Any]:
    """All of it every time. Left out, `active` is false: docs.gitea.com, API, CreateHookOption."""
    return {
        "type": "gitea",
        "active": True,
        "events": ["push"],
        "branch_filter": "*",
        "config": {"url": url, "content_type": "json", "secret": secret},
    }


def hook(raw: reading.Raw) -> Hook:
    active = raw.get("active") is not False
    return Hook(
        id=reading.stable_id(raw, "id", "a Gitea hook"),
        url=reading.optional(reading.inner(raw, "config"), "url"),
        active=active,
        health="unknown" if active else "disabled",
        complete=reading.listens(raw, "push") and reading.sends_json(raw),
    )


def pushes(raw: reading.Raw) -> tuple[Push, ...]:
    """None for a test of the hook: there the branch is where it was."""
    of = "a Gitea push"
    where, head = reading.part(raw, "repository", of), reading.inner(raw, "head_commit")
    after, before = reading.commit_id(raw, "after", of), reading.optional(raw, "before")
    if before == after:
        return ()
    deleted = not after.strip("0")
    found = Push(
        repository_id=reading.stable_id(where, "id", of),
        ref=reading.pushed_ref(raw, of),
        before=before,
        # `after` of an annotated tag is the tag object; a build needs the commit.
        after=reading.commit_id(head, "id", of) if head and not deleted else after,
        created=bool(before) and not before.strip("0"),
        deleted=deleted,
        pusher=reading.optional(reading.inner(raw, "pusher"), "login"),
        repository_path=reading.optional(where, "full_name"),
        title=reading.optional(head, "message").partition("\n")[0],
        author=reading.optional(reading.inner(head, "author"), "name"),
        committed_at=reading.optional(head, "timestamp"),
        web_url=reading.optional(head, "url"),
    )
    return (found,)


# -- what an answer other than 2xx means ---------------------------------------------------------


def refusal(answer: Answer) -> ProviderError | None:
    """Gitea's own meaning; None where the common table of the door knows no less."""
    if by_gateway(answer):
        return None
    said = reading.message(answer)
    if answer.status == 403:
        return _forbidden(said)
    if answer.status == 409 and "is empty" in said:
        return NotFound("empty")
    return None


def _forbidden(said: str) -> ProviderError:
    if "required scope" in said:
        return _short_of(said)
    if _OUT.search(said):
        return TokenRejected("suspended")
    if STRANGER in said:
        # A server that shows nothing to strangers takes whoever has a dead token for one.
        return TokenRejected("unknown", STRANGER)
    if "limited to public" in said:
        return NotFound("hidden")
    return MissingScope("role", ADMINS_ONLY if ADMINS_ONLY in said else "")


def _short_of(said: str) -> MissingScope:
    """Newer Gitea adds what the token has, Forgejo does not."""
    lacks, granted = _LACKS.search(said), _GRANTED.search(said)
    missing = tuple(_SCOPE.findall(lacks[1])) if lacks else ()
    return MissingScope(
        "scope", missing=missing, granted=" ".join(_SCOPE.findall(granted[1])) if granted else ""
    )
