"""Gitea's manners: refusals, scopes by method and area, paging, and who may see what."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer, redirect

API = "/api/v1"
VERSION = "1.25.5"
OLD = "1.15.11"
USUAL, MOST = 30, 50
"""How many a page has, and at most: DEFAULT_PAGING_NUM and MAX_RESPONSE_ITEMS."""
T = TypeVar("T")
OnRepository = Callable[[Call, Repository], Answer]


def say(call: Call, status: int, text: str) -> Answer:
    return json_answer({"message": text, "url": f"{call.base}/api/swagger"}, status)


def not_found(call: Call) -> Answer:
    said = {
        "errors": [],
        "message": "The target couldn't be found.",
        "url": f"{call.base}/api/swagger",
    }
    return json_answer(said, 404)


def version(call: Call) -> str:
    """`old_server` is 1.15.11, `old_version` whatever it is given: "9.0.3+gitea-1.22.0"."""
    if call.switched("old_server") is not None:
        return OLD
    return call.switched("old_version") or VERSION


def release(text: str) -> tuple[int, int]:
    """Of Gitea, or of the Gitea that this Forgejo speaks like."""
    found = re.search(r"gitea-(\d+)\.(\d+)", text) or re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


# -- scopes ----------------------------------------------------------------------------------------


def holds(scopes: Sequence[str], wanted: str) -> bool:
    return bool({"all", wanted, wanted.replace("read:", "write:")} & set(scopes))


def short_of(call: Call, areas: str) -> Answer | None:
    """403 when the token lacks a scope for one of `areas`; the method says which level it takes."""
    played = version(call)
    if call.token is None or release(played) < (1, 20):
        return None
    level = "read" if call.request.method in {"GET", "HEAD"} else "write"
    for area in areas.split():
        if not holds(call.token.scopes, f"{level}:{area}"):
            return say(call, 403, lacks(played, f"{level}:{area}", call.token.scopes))
    return None


def lacks(played: str, wanted: str, scopes: Sequence[str]) -> str:
    """Gitea tells since 1.22 what the token has; Forgejo keeps the shorter sentence."""
    said = "token does not have at least one of required scope(s)"
    if "gitea-" in played or release(played) < (1, 22):
        return f"{said}: [{wanted}]"
    return f"{said}, required=[{wanted}], token scope={','.join(scopes)}"


def public_only(call: Call) -> bool:
    return call.token is not None and "public-only" in call.token.scopes


# -- repositories ----------------------------------------------------------------------------------


def role(call: Call, repository: Repository) -> int:
    return call.site.role(call.login, repository) if call.account else Role.NONE


def visible(call: Call, repository: Repository) -> bool:
    if repository.visibility == "public":
        return True
    if repository.visibility == "internal" and call.account is not None:
        return True
    return role(call, repository) >= Role.READ


def on_repository(
    routes: Routes[Call], method: str, rest: str = "", least: int = Role.READ
) -> Callable[[OnRepository], OnRepository]:
    """Register below `/repos/{owner}/{name}`; 403 below the role `least`."""

    def remember(answer: OnRepository) -> OnRepository:
        def serve(call: Call) -> Answer:
            found = _repository(call)
            if isinstance(found, Answer):
                return found
            if least >= Role.ADMIN and role(call, found) < least:
                text = "user should be an owner or a collaborator with admin write of a repository"
                return say(call, 403, text)
            return answer(call, found)

        routes.on(method, f"{API}/repos/{{owner}}/{{repo}}{rest}", "repository")(serve)
        return answer

    return remember


def _repository(call: Call) -> Repository | Answer:
    path = f"{call.parts['owner']}/{call.parts['repo']}"
    found, moved = call.site.find(path), call.site.moved(path)
    if found is None and moved is not None and visible(call, moved):
        return _move(call, path, moved)
    if found is None or not visible(call, found):
        return not_found(call)
    if public_only(call) and found.visibility != "public":
        return say(call, 403, "token scope is limited to public repos")
    return found


def _move(call: Call, path: str, moved: Repository) -> Answer:
    """After a rename every method is sent on to the new name, without scheme and host."""
    rest = call.path.removeprefix(f"{API}/repos/{quote(path)}")
    query = f"?{call.request.query}" if call.request.query else ""
    return redirect(f"/{call.site.slug}{API}/repos/{quote(moved.path)}{rest}{query}", 307)


# -- lists -----------------------------------------------------------------------------------------


def paged(
    call: Call, items: Sequence[T], *, links: bool = True
) -> tuple[Sequence[T], dict[str, str]]:
    """One page: `limit` is capped without a word. Some lists have a count and no `Link`."""
    size = min(number(call, "limit", USUAL) or USUAL, MOST)
    page = max(number(call, "page", 1), 1)
    headers = {"x-total-count": str(len(items)), "access-control-expose-headers": "X-Total-Count"}
    last = max(-(-len(items) // size), 1)
    if links and last > 1:
        headers["link"] = ",".join(
            f'<{_here(call, page=str(to), limit=str(size))}>; rel="{rel}"'
            for rel, to in _neighbours(page, last)
        )
    return items[(page - 1) * size : page * size], headers


def _neighbours(page: int, last: int) -> list[tuple[str, int]]:
    ahead = [("next", page + 1), ("last", last)] if page < last else []
    behind = [("first", 1), ("prev", page - 1)] if page > 1 else []
    return ahead + behind


def number(call: Call, name: str, default: int) -> int:
    text = call.request.args.get(name, "")
    return int(text) if text.isdigit() else default


def _here(call: Call, **extra: str) -> str:
    return f"{call.base}{call.path}?{urlencode({**call.request.args, **extra})}"
