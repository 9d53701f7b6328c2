"""Bitbucket's manners: refusals, scopes, pages, its query language, and who may see what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.records import Account, Repository, Role
from providers.sandbox.wire import Answer, json_answer, redirect

API = "/2.0"
MOST = 100
NO_REPOSITORY = (
    "You may not have access to this repository or it no longer exists in this workspace. If you "
    "think this repository exists and you have access, make sure you are authenticated."
)
OnRepository = Callable[[Call, Repository], Answer]
Shown = dict[str, Any]


def say(status: int, message: str, **more: Any) -> Answer:
    return json_answer({"type": "error", "error": {"message": message, **more}}, status)


def lacks(required: Sequence[str], granted: Sequence[str]) -> Answer:
    text = "Your credentials lack one or more required privilege scopes."
    detail = {"granted": list(granted), "required": list(required)}
    return say(403, text, detail=detail)


def removed(change: str) -> Answer:
    """A function that is gone for good, or for the hours of a brown-out."""
    where = f"https://developer.atlassian.com/cloud/bitbucket/changelog#{change}"
    return say(
        410,
        f"{change} - Functionality has been deprecated",
        detail="Please read the changelog entry for more details.",
        data={"announcement_url": where},
    )


# -- names -----------------------------------------------------------------------------------------


def account_uuid(account: Account) -> str:
    return f"{{00000000-0000-4000-8000-{account.id:012d}}}"


def repository_uuid(repository: Repository) -> str:
    return f"{{00000000-0000-4000-9000-{repository.id:012d}}}"


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


# -- repositories ----------------------------------------------------------------------------------


def role(call: Call, repository: Repository) -> int:
    return call.site.role(call.login, repository)


def visible(call: Call, repository: Repository) -> bool:
    return repository.visibility == "public" or role(call, repository) >= Role.READ


def workspaces(call: Call) -> list[Account]:
    """The caller's own first, then every other that it is in or was let into by a repository."""
    found = {
        repository.owner
        for repository in call.site.repositories.values()
        if role(call, repository) >= Role.READ
    }
    found |= {a.login for a in call.site.accounts.values() if a.members.get(call.login, 0)}
    others = sorted(found - {call.login})
    return [call.site.accounts[slug] for slug in (call.login, *others)]


def on_repository(
    routes: Routes[Call],
    method: str,
    rest: str = "",
    scope: str = "repository",
    least: int = Role.READ,
) -> Callable[[OnRepository], OnRepository]:
    """Register below `/repositories/{workspace}/{slug}`; 403 below the role `least`."""

    def remember(answer: OnRepository) -> OnRepository:
        def serve(call: Call) -> Answer:
            found = _repository(call)
            if isinstance(found, Answer):
                return found
            if least >= Role.ADMIN and role(call, found) < least:
                return say(403, "You do not have admin access to this repository.")
            return answer(call, found)

        routes.on(method, f"{API}/repositories/{{workspace}}/{{slug}}{rest}", scope)(serve)
        return answer

    return remember


def _repository(call: Call) -> Repository | Answer:
    workspace, slug = call.parts["workspace"], call.parts["slug"]
    if workspace == "{}":
        # Documented for whoever knows a uuid only; a switch takes it away.
        everything = call.site.repositories.values()
        known = {repository_uuid(one): one for one in everything}
        found = known.get(slug) if call.switched("old_server") is None else None
        return found if found and visible(call, found) else say(404, NO_REPOSITORY)
    path = f"{workspace}/{slug}"
    found, moved = call.site.find(path), call.site.moved(path)
    if found is None and moved is not None and visible(call, moved):
        return _move(call, path, moved)
    return found if found and visible(call, found) else say(404, NO_REPOSITORY)


def _move(call: Call, path: str, moved: Repository) -> Answer:
    rest = call.path.removeprefix(f"{API}/repositories/{quote(path)}")
    query = f"?{call.request.query}" if call.request.query else ""
    return redirect(f"{call.base}{API}/repositories/{quote(moved.path)}{rest}{query}", 301)


# -- lists -----------------------------------------------------------------------------------------


def listed(call: Call, items: Sequence[Shown]) -> Answer:
    """One page of what `q` lets through in the order of `sort`; `next` is in the body."""
    size, page = _number(call, "pagelen", 10), _number(call, "page", 1)
    if not 1 <= size <= MOST or page < 1:
        return say(400, "Invalid pagelen" if page >= 1 else "Invalid page")
    wanted = _filter(call.request.args.get("q", ""))
    if wanted is None:
        return say(400, "Bad query: cannot be parsed")
    found = _ordered([item for item in items if wanted(item)], call.request.args.get("sort", ""))
    said: Shown = {
        "values": found[(page - 1) * size : page * size],
        "pagelen": size,
        "size": len(found),
        "page": page,
    }
    if page * size < len(found):
        query = urlencode({**call.request.args, "page": str(page + 1)})
        said["next"] = f"{call.base}{call.path}?{query}"
    return json_answer(said)


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.args.get(name, "")
    return int(text) if text.isdigit() else default if not text else 0


_TERM = re.compile(r'\s*([a-z_.]+)\s*(~|=|>=|<=)\s*("(?:[^"\\]|\\.)*"|[0-9T:.+-]+)\s*')


def _filter(query: str) -> Callable[[Mapping[str, Any]], bool] | None:
    """What `q` asks for, of texts and times joined by AND; None for what is no query."""
    terms = []
    for part in re.split(r"\bAND\b(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", query) if query else []:
        found = _TERM.fullmatch(part)
        if found is None:
            return None
        value = found[3]
        text = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        terms.append((found[1], found[2], text))
    return lambda item: all(_holds(item, *term) for term in terms)


def _holds(item: Mapping[str, Any], key: str, sign: str, text: str) -> bool:
    value = str(item.get(key, ""))
    if sign == "~":
        return text.lower() in value.lower()
    if sign == "=":
        return value.lower() == text.lower()
    return value >= text if sign == ">=" else value <= text


def _ordered(items: list[Shown], sort: str) -> list[Shown]:
    if not sort:
        return items
    key = sort.lstrip("-")
    return sorted(items, key=lambda item: str(_deep(item, key)), reverse=sort.startswith("-"))


def _deep(item: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        item = item.get(part) or {}
    return item
