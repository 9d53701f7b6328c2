"""GitHub's words turned into ours: accounts, repositories, refs, hooks, pushes and refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers import reading
from providers.answer import Answer, by_gateway, retry_after, wait_asked
from providers.errors import (
    NOT_GRANTED,
    BadAnswer,
    MissingScope,
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
)
from providers.types import (
    Access,
    Headers,
    Hidden,
    Hook,
    Identity,
    Page,
    Purpose,
    Push,
    Ref,
    Repository,
)

SECONDARY_WAIT = 60.0
"""Seconds, where a secondary limit names no time: docs.github.com, rate limits for the REST API."""

OLDEST_KNOWN = (3, 17)
"""The oldest Enterprise Server whose API description was read."""

# A scope contains others: any one of these grants the ability.
GRANTING: Mapping[Purpose, frozenset[str]] = {
    Purpose.LIST: frozenset({"repo"}),
    Purpose.REFS: frozenset({"repo"}),
    Purpose.CLONE: frozenset({"repo"}),
    Purpose.HOOKS: frozenset({"repo", "admin:repo_hook"}),
}
NAMES_ORGANIZATIONS = frozenset({"read:org", "write:org", "admin:org"})

# Strongest first: key of `permissions`, our word, GitHub's word.
ROLES = (
    ("admin", Access.ADMIN, "admin"),
    ("maintain", Access.WRITE, "maintain"),
    ("push", Access.WRITE, "write"),
    ("triage", Access.READ, "triage"),
    ("pull", Access.READ, "read"),
)


# -- the account ---------------------------------------------------------------------------------


def identity(raw: reading.Raw) -> Identity:
    return Identity(
        id=reading.stable_id(raw, "id", "a GitHub account"),
        login=reading.text(raw, "login", "a GitHub account"),
        name=reading.optional(raw, "name") or None,
        web_url=reading.optional(raw, "html_url") or None,
        avatar_url=reading.optional(raw, "avatar_url") or None,
        bot=raw.get("type") == "Bot",
    )


def is_overview(answer: Answer) -> bool:
    """Is this what `/meta` answers? The member is required by GitHub's own description."""
    if answer.status != 200:
        return False
    try:
        return "verifiable_password_authentication" in answer.object()
    except BadAnswer:
        return False


def scopes(headers: Headers) -> frozenset[str] | None:
    """The granted scopes; None where GitHub does not say."""
    return frozenset(_names(headers, "x-oauth-scopes")) if "x-oauth-scopes" in headers else None


def _names(headers: Headers, name: str) -> tuple[str, ...]:
    return tuple(filter(None, (one.strip() for one in headers.get(name, "").split(","))))


def lacking(
    granted: frozenset[str] | None, needed: Mapping[Purpose, tuple[str, ...]]
) -> Mapping[Purpose, tuple[str, ...]]:
    """The abilities that `granted` is known not to give, and what each would need."""
    return {
        purpose: needed[purpose]
        for purpose, granting in GRANTING.items()
        if granted is not None and not granting & granted
    }


def notices(
    granted: frozenset[str] | None, server: str
) -> tuple[tuple[str, Mapping[str, str]], ...]:
    told: list[tuple[str, Mapping[str, str]]] = []
    if granted is not None and not granted & NAMES_ORGANIZATIONS:
        told.append(("SCOPE-03", {}))
    if is_old(server):
        told.append(("API-02", {"version": server}))
    return tuple(told)


def is_old(server: str) -> bool:
    """Whether an Enterprise Server's version is older than what we know; "" is github.com."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", server)
    return found is not None and (int(found[1]), int(found[2])) < OLDEST_KNOWN


# -- what it sees --------------------------------------------------------------------------------


def repository(raw: reading.Raw) -> Repository:
    of = "a GitHub repository"
    owner = reading.part(raw, "owner", of)
    access, access_name, hookable = _access(raw.get("permissions"))
    private = "private" if raw.get("private", True) else "public"
    return Repository(
        id=reading.stable_id(raw, "id", of),
        path=reading.text(raw, "full_name", of),
        name=reading.text(raw, "name", of),
        clone_url=reading.text(raw, "clone_url", of),
        web_url=reading.text(raw, "html_url", of),
        default_branch=reading.optional(raw, "default_branch") or None,
        visibility=reading.optional(raw, "visibility") or private,
        archived=raw.get("archived") is True,
        access=access,
        access_name=access_name,
        hookable=hookable,
        owner=reading.text(owner, "login", of),
        owner_is_person=owner["type"] == "User" if "type" in owner else None,
        pushed_at=reading.moment(raw.get("pushed_at")),
    )


def _access(permissions: object) -> tuple[Access, str, bool | None]:
    if not isinstance(permissions, dict):
        return Access.UNKNOWN, "", None
    for key, access, name in ROLES:
        if permissions.get(key) is True:
            return access, name, access is Access.ADMIN
    return Access.NONE, "", False


def repositories(answer: Answer, matching: str = "") -> Page[Repository]:
    """One page of those whose path holds `matching`."""
    wanted = reading.holds(matching)
    found = map(repository, reading.rows(answer, "repositories"))
    return Page(
        tuple(one for one in found if wanted(one.path)),
        next=reading.next_link(answer),
        hidden=hidden(answer.headers),
        etag=answer.headers.get("etag", ""),
    )


def hidden(headers: Headers) -> tuple[Hidden, ...]:
    """Organizations that single sign-on keeps out of a list which otherwise looks complete."""
    told = headers.get("x-github-sso", "")
    found = re.search(r"partial-results;\s*organizations=([\d,]+)", told)
    numbers = found[1].split(",") if found else ()
    return tuple(Hidden("ORG-03", organization=number) for number in numbers if number)


def branch(raw: reading.Raw, default: object) -> Ref:
    name = reading.text(raw, "name", "a GitHub branch")
    return Ref(
        name,
        _sha(raw, "commit", "a GitHub branch"),
        protected=raw.get("protected") is True,
        default=name == default,
    )


def matching_branch(raw: reading.Raw, default: object) -> Ref:
    """One answer of `git/matching-refs/heads/…`, which does not say what is protected."""
    name = reading.text(raw, "ref", "a GitHub ref").removeprefix("refs/heads/")
    return Ref(name, _sha(raw, "object", "a GitHub ref"), default=name == default)


def tag(raw: reading.Raw) -> Ref:
    name = reading.text(raw, "name", "a GitHub tag")
    return Ref(name, _sha(raw, "commit", "a GitHub tag"), "tag")


def _sha(raw: reading.Raw, key: str, of: str) -> str:
    return reading.commit_id(reading.part(raw, key, of), "sha", of)


# -- hooks and pushes ----------------------------------------------------------------------------


def wanted_hook(url: str, secret: str) -> Mapping[str, Any]:
    # Left out, `content_type` is "form" and `name` is "web", which a change does not take.
    config = {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret}
    return {"active": True, "events": ["push"], "config": config}


def hook(raw: reading.Raw) -> Hook:
    active = raw.get("active") is not False
    return Hook(
        id=reading.stable_id(raw, "id", "a GitHub hook"),
        url=reading.optional(reading.inner(raw, "config"), "url"),
        active=active,
        health=_health(reading.inner(raw, "last_response")) if active else "disabled",
        complete=reading.listens(raw, "push") and reading.sends_json(raw),
    )


def _health(last: reading.Raw) -> str:
    """From the last answer our address gave GitHub; null after 30 quiet days, and without a code
    where no answer came."""
    code, status = last.get("code"), last.get("status")
    if isinstance(code, int):
        return "ok" if 200 <= code < 300 else "failing"
    return "unknown" if status in (None, "unused") else "failing"


def push(raw: reading.Raw) -> Push:
    of = "a GitHub push"
    where, head = reading.part(raw, "repository", of), reading.inner(raw, "head_commit")
    after = reading.commit_id(raw, "after", of)
    deleted = raw.get("deleted") is True or not after.strip("0")
    return Push(
        repository_id=reading.stable_id(where, "id", of),
        ref=reading.pushed_ref(raw, of),
        before=reading.optional(raw, "before"),
        # `after` of an annotated tag is the tag object; a build needs the commit.
        after=reading.commit_id(head, "id", of) if head and not deleted else after,
        created=raw.get("created") is True,
        deleted=deleted,
        forced=raw.get("forced") is True,
        pusher=reading.optional(reading.inner(raw, "pusher"), "name"),
        repository_path=reading.optional(where, "full_name"),
        title=reading.optional(head, "message").partition("\n")[0],
        author=reading.optional(reading.inner(head, "author"), "name"),
        committed_at=reading.optional(head, "timestamp"),
        web_url=reading.optional(head, "url"),
    )


# -- what an answer other than 2xx means ---------------------------------------------------------


def refusal(answer: Answer) -> ProviderError | None:
    """GitHub's own meaning; None where the common table of the door knows no less."""
    if by_gateway(answer):
        return None
    said = reading.message(answer)
    if answer.status in (403, 429) and (limit := _limit(answer, said)):
        return limit
    if answer.status == 403:
        return _forbidden(answer, said)
    if answer.status == 401 and "Bad credentials" in said:
        return TokenRejected("revoked")
    if answer.status == 409 and "is empty" in said:
        return NotFound("empty")
    if answer.status == 422 and (most := re.search(r"more than (\d+) hooks", _details(answer))):
        return BadAnswer("hook_limit", n=most[1])
    return None


def app_refusal(answer: Answer) -> ProviderError | None:
    """The same for calls with the app's own rights: 401 is the app's fault, 404 a dead token."""
    if answer.status == 401:
        return BadAnswer("client_config")
    return TokenRejected("revoked") if answer.status == 404 else refusal(answer)


def _limit(answer: Answer, said: str) -> RateLimited | None:
    """Either status may be a limit: docs.github.com, rate limits for the REST API."""
    if "login attempts" in said:
        return RateLimited("login_lockout", retry_after=wait_asked(answer.headers))
    if answer.headers.get("x-ratelimit-remaining") == "0":
        return RateLimited("limit", retry_after=wait_asked(answer.headers))
    asked = retry_after(answer.headers)
    if asked is not None or "secondary rate limit" in said:
        return RateLimited("secondary", retry_after=SECONDARY_WAIT if asked is None else asked)
    return None


def _forbidden(answer: Answer, said: str) -> ProviderError:
    sso = re.match(r"required;\s*url=(https?://\S+)", answer.headers.get("x-github-sso", ""))
    if sso:
        named = re.search(r"/orgs/([^/?]+)/sso", sso[1])
        return MissingScope("sso", fix_url=sso[1], organization=named[1] if named else "")
    if "account was suspended" in said:
        return TokenRejected("suspended")
    if "User-Agent" in said:
        return BadAnswer("refused", "GitHub wants a User-Agent")
    if "OAuth App access restrictions" in said or "IP allow list" in said:
        named = re.search(r"`([^`]+)` organization", said)
        return MissingScope("org_policy", organization=named[1] if named else "")
    return _short_of(answer, said)


def _short_of(answer: Answer, said: str) -> MissingScope:
    accepted = _names(answer.headers, "x-accepted-oauth-scopes")
    if accepted and not {*accepted} & {*_names(answer.headers, "x-oauth-scopes")}:
        return MissingScope("scope", missing=accepted)
    if "not accessible by" in said:  # fine-grained: alternatives are separated by ";"
        fine = answer.headers.get("x-accepted-github-permissions", "").partition(";")[0].strip()
        return MissingScope("scope", NOT_GRANTED, missing=(fine,) if fine else ())
    return MissingScope("role")


def _details(answer: Answer) -> str:
    """All sentences of a 422: the cause stands in `errors`."""
    try:
        errors = answer.object().get("errors")
    except BadAnswer:
        return ""
    found = errors if isinstance(errors, list) else []
    return " ".join(reading.optional(one, "message") for one in found if isinstance(one, dict))
