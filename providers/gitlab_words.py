"""GitLab's words turned into ours: tokens, projects, refs, hooks, pushes and refusals."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new as keyed_hash
from typing import Any

from providers import reading
from providers.answer import Answer, by_gateway
from providers.errors import BadAnswer, MissingScope, NotFound, ProviderError, TokenRejected
from providers.types import (
    Access,
    Expiry,
    Headers,
    Hook,
    Identity,
    Purpose,
    Push,
    Quality,
    Ref,
    Repository,
)

Notices = tuple[tuple[str, Mapping[str, str]], ...]

# Any one of these grants the ability: docs.gitlab.com, personal access token scopes.
GRANTING: Mapping[Purpose, frozenset[str]] = {
    Purpose.LIST: frozenset({"api", "read_api"}),
    Purpose.REFS: frozenset({"api", "read_api"}),
    Purpose.CLONE: frozenset({"api", "read_repository", "write_repository"}),
    Purpose.HOOKS: frozenset({"api"}),
}
FAR_MORE = frozenset({"sudo", "admin_mode"})
SUSPENDED = frozenset({"blocked", "deactivated", "banned", "ldap_blocked"})

# Weakest first: access level, our word, GitLab's word.
ROLES = (
    (0, Access.NONE, "No access"),
    (5, Access.READ, "Minimal Access"),
    (10, Access.READ, "Guest"),
    (15, Access.READ, "Planner"),
    (20, Access.READ, "Reporter"),
    (30, Access.WRITE, "Developer"),
    (40, Access.ADMIN, "Maintainer"),
    (50, Access.ADMIN, "Owner"),
)
MAINTAINER = 40


# -- the account and its token -------------------------------------------------------------------


def identity(raw: reading.Raw) -> Identity:
    """Raises TokenRejected("suspended") for an account that may not act any more."""
    login = reading.text(raw, "username", "a GitLab user")
    if raw.get("state") in SUSPENDED:
        raise TokenRejected("suspended", login=login)
    return Identity(
        id=reading.stable_id(raw, "id", "a GitLab user"),
        login=login,
        name=reading.optional(raw, "name") or None,
        web_url=reading.optional(raw, "web_url") or None,
        avatar_url=reading.optional(raw, "avatar_url") or None,
        bot=raw.get("bot") is True or bool(bot_of(login)),
    )


def numbered(token: reading.Raw, typed: str, ask: Callable[[str], Answer]) -> Identity:
    """Whose token it is where only the number is told. The name is the one somebody typed, if it
    is this user's; also if nobody may look names up, which then says nothing against it."""
    key = "user_id" if "user_id" in token else "resource_owner_id"
    number = reading.stable_id(token, key, "a GitLab token")
    return Identity(number, typed if typed and _may_be(number, typed, ask) else f"#{number}")


def _may_be(number: str, typed: str, ask: Callable[[str], Answer]) -> bool:
    try:
        told = reading.rows(ask(typed), "users")
    except (TokenRejected, MissingScope, NotFound, BadAnswer):
        return True
    return any(str(one.get("id")) == number for one in told)


def bot_of(login: str) -> str:
    """ "project" or "group" for the user that such an access token acts as, else ""."""
    found = re.match(r"(project|group)_\d+_bot(_|\d|$)", login)
    return found[1] if found else ""


def scopes(raw: reading.Raw, key: str) -> frozenset[str]:
    """The granted scopes as a list, or as one text with spaces."""
    found = raw.get(key)
    listed = found.split() if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise BadAnswer("shape", f"a GitLab token without '{key}'")
    return frozenset(listed)


def lacking(
    granted: frozenset[str], needed: Mapping[Purpose, tuple[str, ...]]
) -> Mapping[Purpose, tuple[str, ...]]:
    """The abilities that `granted` does not give, and what each would need."""
    return {
        purpose: needed[purpose] for purpose, granting in GRANTING.items() if not granting & granted
    }


def ends_on(raw: reading.Raw) -> Expiry:
    """A token ends at 00:00 UTC of its date, not at the end of that day: docs.gitlab.com,
    personal access tokens. A null date is said, so it means never; an absent one says nothing."""
    written = raw.get("expires_at")
    if written is None:
        return Expiry(quality=Quality.NEVER if "expires_at" in raw else Quality.UNKNOWN)
    return midnight(reading.text(raw, "expires_at", "a GitLab token"))


def midnight(written: str) -> Expiry:
    """The end of a token whose date is written YYYY-MM-DD. Raises BadAnswer("shape")."""
    try:
        return Expiry(
            datetime.strptime(written[:10], "%Y-%m-%d").replace(tzinfo=UTC), Quality.EXACT
        )
    except ValueError:
        raise BadAnswer("shape", "a GitLab token whose 'expires_at' is no date") from None


def ends_in(raw: reading.Raw, headers: Headers, known: Expiry) -> Expiry:
    """The same for OAuth: what was said when it was issued, else the seconds that are left."""
    left = raw.get("expires_in")
    if left is None:
        return Expiry(quality=Quality.NEVER if "expires_in" in raw else Quality.UNKNOWN)
    if known.quality is Quality.EXACT:
        return known
    end = reading.later(headers, left) if isinstance(left, int) else None
    return Expiry(end, Quality.EXACT) if end else Expiry()


def notices(who: Identity, granted: frozenset[str] = frozenset()) -> Notices:
    told: list[tuple[str, Mapping[str, str]]] = []
    if kind := bot_of(who.login):
        told.append(("USER-03", {"kind": kind, "login": who.login}))
    if more := FAR_MORE & granted:
        told.append(("TOK-06", {"scope": ", ".join(sorted(more))}))
    return tuple(told)


# -- what it sees --------------------------------------------------------------------------------


def project(raw: reading.Raw) -> Repository:
    of = "a GitLab project"
    level, owner = _level(raw.get("permissions")), reading.inner(raw, "namespace")
    path, kind = reading.text(raw, "path_with_namespace", of), owner.get("kind")
    access, access_name = _role(level)
    return Repository(
        id=reading.stable_id(raw, "id", of),
        path=path,
        name=reading.optional(raw, "name") or path.rpartition("/")[2],
        clone_url=reading.text(raw, "http_url_to_repo", of),
        web_url=reading.text(raw, "web_url", of),
        default_branch=reading.optional(raw, "default_branch") or None,
        visibility=reading.optional(raw, "visibility") or "private",
        archived=raw.get("archived") is True,
        # `empty_repo` is left out of short answers; only an empty project has no default branch.
        empty=bool(raw.get("empty_repo", not raw.get("default_branch"))),
        access=access,
        access_name=access_name,
        hookable=None if level is None else level >= MAINTAINER,
        owner=reading.optional(owner, "full_path") or path.rpartition("/")[0],
        owner_is_person=kind == "user" if kind else None,
        pushed_at=reading.moment(raw.get("last_activity_at")),
    )


def _level(permissions: object) -> int | None:
    """The higher of the two levels; None when neither is told: an administrator, a share."""
    found = permissions if isinstance(permissions, dict) else {}
    both = (reading.inner(found, key) for key in ("project_access", "group_access"))
    told = [str(one.get("access_level", "")) for one in both]
    return max((int(level[:3]) for level in told if level.isdecimal()), default=None)


def _role(level: int | None) -> tuple[Access, str]:
    if level is None:
        return Access.UNKNOWN, ""
    _, access, name = max(role for role in ROLES if role[0] <= level)
    return access, name


def branch(raw: reading.Raw) -> Ref:
    return Ref(
        reading.text(raw, "name", "a GitLab branch"),
        _commit_id(raw, "a GitLab branch"),
        protected=raw.get("protected") is True,
        default=raw.get("default") is True,
    )


def tag(raw: reading.Raw) -> Ref:
    """`target` of an annotated tag is the tag object; `commit` is always the commit."""
    name = reading.text(raw, "name", "a GitLab tag")
    return Ref(name, _commit_id(raw, "a GitLab tag"), "tag", protected=raw.get("protected") is True)


def commit(raw: reading.Raw) -> Ref:
    sha = reading.commit_id(raw, "id", "a GitLab commit")
    return Ref(sha, sha, "commit")


def _commit_id(raw: reading.Raw, of: str) -> str:
    return reading.commit_id(reading.part(raw, "commit", of), "id", of)


# -- hooks and pushes ----------------------------------------------------------------------------


def wanted_hook(url: str, secret: str) -> Mapping[str, Any]:
    """All of it every time: a changed `url` alone would drop the token (docs.gitlab.com,
    project webhooks API). Servers that do not know a signing token ignore it."""
    return {
        "url": url,
        "name": "Mooring",
        "push_events": True,
        "tag_push_events": True,
        "enable_ssl_verification": True,
        "token": plain_word(secret),
        "signing_token": signing_key(secret),
    }


def plain_word(secret: str) -> str:
    """What travels in X-Gitlab-Token of every delivery. Derived, so that whoever reads that
    header cannot sign with it."""
    return keyed_hash(secret.encode(), b"X-Gitlab-Token", sha256).hexdigest()


def signing_key(secret: str) -> str:
    """The secret as a Standard Webhooks key, which GitLab wants: whsec_, 32 bytes in base 64."""
    if re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret):
        return secret
    return "whsec_" + b64encode(sha256(secret.encode()).digest()).decode()


def hook(raw: reading.Raw) -> Hook:
    status = reading.optional(raw, "alert_status")
    off = status in ("temporarily_disabled", "disabled")
    return Hook(
        id=reading.stable_id(raw, "id", "a GitLab hook"),
        url=reading.text(raw, "url", "a GitLab hook"),
        active=not off,
        health="disabled" if off else "ok" if status == "executable" else "unknown",
        signed=raw.get("signing_token_present") is True,
        disabled_until=reading.moment(raw.get("disabled_until")),
        complete=reading.subscribed(raw, "push_events", "tag_push_events"),
    )


def delivery_key(headers: Headers) -> str:
    """One id per event and hook; the event's UUID alone is shared by all hooks of a project."""
    if key := headers.get("idempotency-key") or headers.get("webhook-id"):
        return key
    event, which = headers.get("x-gitlab-event-uuid"), headers.get("x-gitlab-webhook-uuid", "")
    return f"{event}/{which}" if event else ""


def push(raw: reading.Raw) -> Push:
    of = "a GitLab push"
    where = reading.inner(raw, "project")
    # `after` of an annotated tag is the tag object; `checkout_sha` is the commit, null if deleted.
    after = reading.commit_id(raw, "checkout_sha" if raw.get("checkout_sha") else "after", of)
    before, head = reading.optional(raw, "before"), _head(raw, after)
    return Push(
        repository_id=reading.stable_id({"id": raw.get("project_id"), **where}, "id", of),
        ref=reading.pushed_ref(raw, of),
        before=before,
        after=after,
        created=bool(before) and not before.strip("0"),
        deleted=not after.strip("0"),
        pusher=reading.optional(raw, "user_username") or reading.optional(raw, "user_name"),
        repository_path=reading.optional(where, "path_with_namespace"),
        title=reading.optional(head, "message").partition("\n")[0],
        author=reading.optional(reading.inner(head, "author"), "name"),
        committed_at=reading.optional(head, "timestamp"),
        web_url=reading.optional(head, "url"),
    )


def _head(raw: reading.Raw, after: str) -> reading.Raw:
    commits = raw.get("commits")
    listed = [one for one in commits if isinstance(one, dict)] if isinstance(commits, list) else []
    return next((one for one in listed if one.get("id") == after), {})


# -- what an answer other than 2xx means ---------------------------------------------------------


def refusal(answer: Answer) -> ProviderError | None:
    """GitLab's own meaning; None where the common table of the door knows no less."""
    if by_gateway(answer):
        return None
    said = reading.message(answer)
    if answer.status == 401:
        reason = re.search(r"\b(expired|revoked)\b", said)
        return TokenRejected(reason[1] if reason else "unknown", _sentence(said))
    if answer.status == 403:
        return _forbidden(answer, said)
    most = re.search(r"[Mm]aximum number of\D*hooks\D*(\d+)", said)
    if most and answer.status in (400, 422):
        return BadAnswer("hook_limit", n=most[1])
    return None


def _sentence(said: str) -> str:
    """What tells GitLab's own "not signed in" from any other server's."""
    return "401 Unauthorized" if said.strip() == "401 Unauthorized" else ""


def _forbidden(answer: Answer, said: str) -> ProviderError:
    if "insufficient_scope" in said:
        wanted = reading.optional(answer.object(), "scope").split()
        return MissingScope("scope", missing=tuple(wanted))
    if re.search(r"\b(blocked|deactivated)\b", said):
        return TokenRejected("suspended")
    return MissingScope("role")
