"""CodeArts Repo's words turned into ours: accounts, repositories, refs, hooks, pushes, refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from providers import reading
from providers.answer import Answer, by_gateway
from providers.errors import BadAnswer, MissingScope, NotFound, ProviderError, TokenRejected
from providers.types import Expiry, Hook, Identity, Push, Quality, Ref, Repository

READ = "repository read"
DOWNLOAD = "download"
WEBHOOKS = "webhooks"
MOST_HOOKS = 20
"""Webhooks of one repository: support.huaweicloud.com, CodeArts Repo user guide, webhooks."""

OURS = "Mooring"
ENDED = "DEV.00000003"
_BLOCKED = re.compile(r"suspended|arrears|frozen|restricted|欠费|冻结|停用|禁用|受限", re.I)
_ENDED = re.compile(r"expired|过期", re.I)
_ABSENT = re.compile(r"not.?(found|exist)|不存在", re.I)


# -- the account ---------------------------------------------------------------------------------


def caller(raw: reading.Raw) -> Identity:
    """Who signed: an account, and the user or agency in it. The session of an agency is left out:
    it is another one each time."""
    of = "a Huawei Cloud caller"
    account = reading.stable_id(raw, "account_id", of)
    principal = reading.stable_id(raw, "principal_id", of).partition(":")[0]
    name = reading.optional(raw, "principal_urn").rpartition(":")[2].partition("/")[0]
    return Identity(f"{account}/{principal}", name or principal)


def owner(token: reading.Raw) -> Identity:
    """Whose IAM token it is."""
    of = "an IAM token"
    user = reading.part(token, "user", of)
    account = reading.stable_id(reading.part(user, "domain", of), "id", of)
    return Identity(
        f"{account}/{reading.stable_id(user, 'id', of)}", reading.text(user, "name", of)
    )


def ends(token: reading.Raw) -> Expiry:
    end = reading.moment(token.get("expires_at"))
    return Expiry(end, Quality.EXACT) if end else Expiry()


# -- what it sees --------------------------------------------------------------------------------


def repository(raw: reading.Raw, base_url: str) -> Repository:
    """A row of the list, or a whole one. What `permissions` counts is not said: the account's
    role stays unknown (`providers.md` 14)."""
    of = "a CodeArts repository"
    url = reading.text(raw, "http_url_to_repo", of)
    path = _path(url, base_url)
    branch = reading.optional(raw, "default_branch")
    return Repository(
        id=reading.stable_id(raw, "id", of),
        path=path,
        name=reading.optional(raw, "name") or path.rpartition("/")[2],
        clone_url=url,
        web_url=reading.optional(raw, "web_url") or url.removesuffix(".git"),
        default_branch=branch or None,
        visibility=_visibility(raw),
        archived=raw.get("archived") is True,
        empty=raw.get("empty_repo") is True,
        owner=path.rpartition("/")[0],
        pushed_at=reading.moment(raw.get("last_activity_at") or raw.get("updated_at")),
    )


def _path(url: str, base_url: str) -> str:
    """The full path, as it stands in the address to clone from: the list has no key for it."""
    inside = url.startswith(f"{base_url}/")
    path = url.removeprefix(f"{base_url}/") if inside else urlsplit(url).path
    return path.strip("/").removesuffix(".git")


def _visibility(raw: reading.Raw) -> str:
    told = reading.optional(raw, "visibility")
    return told if told in ("private", "internal", "public") else "private"


def branch(raw: reading.Raw, commits: Mapping[str, str]) -> Ref:
    """A branch of the list, which may leave the commit out: `commits` has them by name."""
    name = reading.text(raw, "name", "a CodeArts branch")
    commit = reading.inner(raw, "commit") or {"id": commits.get(name)}
    return Ref(
        name,
        reading.commit_id(commit, "id", "a CodeArts branch"),
        protected=raw.get("protected") is True,
        default=raw.get("default") is True,
    )


def tag(raw: reading.Raw) -> Ref:
    """`commit` is the commit; where it is left out, `target` is."""
    of = "a CodeArts tag"
    commit = reading.inner(raw, "commit") or {"id": raw.get("target")}
    return Ref(reading.text(raw, "name", of), reading.commit_id(commit, "id", of), "tag")


def commit(raw: reading.Raw) -> Ref:
    sha = reading.commit_id(raw, "id", "a CodeArts commit")
    return Ref(sha, sha, "commit")


# -- hooks and pushes ----------------------------------------------------------------------------


def wanted_hook(url: str, secret: str) -> Mapping[str, Any]:
    """All of it every time. Pushes need a filter of branches, and any branch is one."""
    return {
        "url": url,
        "name": OURS,
        "description": OURS,
        "push_events": True,
        "push_events_branch_regex_filter": ".*",
        "tag_push_events": True,
        "merge_requests_events": False,
        "note_events": False,
        "token": secret,
        "token_type": "X-Repo-Token",
    }


def hook(raw: reading.Raw, health: str = "unknown") -> Hook:
    of = "a CodeArts hook"
    return Hook(
        reading.stable_id(raw, "id", of),
        reading.text(raw, "url", of),
        health=health,
        complete=reading.subscribed(raw, "push_events", "tag_push_events"),
    )


def is_ours(raw: reading.Raw) -> bool:
    return raw.get("name") == OURS


def health(logs: Iterable[reading.Raw]) -> str:
    """From the newest delivery: its status, or "internal error" where no answer came."""
    told = [str(log.get("response_status") or "") for log in logs]
    if not told:
        return "unknown"
    return "ok" if re.fullmatch(r"2\d\d", told[0]) else "failing"


def told_in(body: bytes) -> Mapping[str, str]:
    """What a proven body says of itself: `uuid`, the delivery's id, and `object_kind`."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    found = raw if isinstance(raw, dict) else {}
    return {name: reading.optional(found, name) for name in ("uuid", "object_kind")}


def push(raw: reading.Raw) -> Push:
    """Like GitLab's, as far as known: what is read here is confirmed by the API before it counts
    (`providers.md` 8.7)."""
    of = "a CodeArts push"
    where = reading.inner(raw, "project") or reading.inner(raw, "repository")
    after, before = reading.commit_id(raw, "after", of), reading.optional(raw, "before")
    deleted = not after.strip("0")
    head = _head(raw, reading.optional(raw, "checkout_sha") or after)
    return Push(
        repository_id=reading.stable_id({"id": raw.get("project_id"), **where}, "id", of),
        ref=reading.pushed_ref(raw, of),
        before=before,
        # `after` of an annotated tag may be the tag object; a build needs the commit.
        after=reading.commit_id(head, "id", of) if head and not deleted else after,
        created=bool(before) and not before.strip("0"),
        deleted=deleted,
        pusher=reading.optional(raw, "user_username") or reading.optional(raw, "user_name"),
        repository_path=reading.optional(where, "path_with_namespace"),
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


# -- what an answer means --------------------------------------------------------------------------


def settled(answer: Answer) -> Answer:
    """The answer itself, unless it is a refusal that comes with status 200 (`providers.md` 8.9)."""
    if b'"status"' not in answer.body:
        return answer
    found = answer.json()
    failed = isinstance(found, dict) and found.get("status") in ("failed", "fail", "error")
    if failed and isinstance(found.get("error"), dict):
        code, said = told(answer)
        if _ABSENT.search(f"{code} {said}"):
            raise NotFound("unknown")
        raise BadAnswer("refused", code=code if re.fullmatch(r"[A-Za-z0-9._-]{1,40}", code) else "")
    return answer


def refusal(answer: Answer) -> ProviderError | None:
    """CodeArts' own meaning; None where the common table of the door knows no less."""
    if by_gateway(answer):
        return None
    code, said = told(answer)
    if answer.status == 401:
        ended = code == ENDED or _ENDED.search(said)
        return TokenRejected("expired" if ended else "unknown")
    if answer.status == 403:
        if _BLOCKED.search(said):
            return TokenRejected("suspended")
        return MissingScope("scope", missing=(READ,))
    return None


def told(answer: Answer) -> tuple[str, str]:
    """Code and sentence of an error: flat or nested, in one of three spellings. To decide by,
    never to show or log."""
    try:
        raw = answer.object()
    except BadAnswer:
        return "", ""
    inner = reading.inner(raw, "error")
    codes = [one.get(key) for one in (raw, inner) for key in ("error_code", "errorCode", "code")]
    said = [one.get(key) for one in (raw, inner) for key in ("error_msg", "errorMsg", "message")]
    return _first(codes), _first(said)


def is_own(answer: Answer) -> bool:
    """Whether a refusal is worded as Huawei words them."""
    code, said = told(answer)
    return bool(re.match(r"(DEV|APIGW|CH|REPO|IAM|PAP\d?)\.", code)) and bool(said)


def _first(found: Iterable[object]) -> str:
    return next((str(one) for one in found if one not in (None, "")), "")
