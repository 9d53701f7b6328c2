"""Gitee's manners: refusals, scopes, limits, pages, and who may see which repository."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer

API = "/api/v5"
HOURLY, ANONYMOUS = 5000, 60
USER, PROJECTS, HOOK = "user_info", "projects", "hook"
"""Notes of routes: the scope they want. A route without a note needs no token."""
CHINA = timezone(timedelta(hours=8))
T = TypeVar("T")
OnRepository = Callable[[Call, Repository], Answer]


def say(status: int, message: str, **named: str) -> Answer:
    return json_answer({"message": message}, status, None, **named)


def not_found() -> Answer:
    return say(404, "Not Found Project")


def forbidden() -> Answer:
    """One sentence, and no English in it, for a scope and for a role that are too small."""
    return say(403, "没有权限执行此操作")


def dead(why: str) -> Answer:
    """`why`: is expired, does not exist, is required."""
    return say(401, f"401 Unauthorized: Access token {why}")


def spent(call: Call) -> Answer | None:
    """Count the request; the refusal when the hour's budget is used up."""
    limit, hour = _budget(call)
    call.site.spent[hour] = call.site.spent.get(hour, 0) + 1
    return None if call.site.spent[hour] <= limit else say(403, "访问频率超限，请稍后再试")


def limits(call: Call) -> dict[str, str]:
    limit, hour = _budget(call)
    left = max(limit - call.site.spent.get(hour, 0), 0)
    return {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(left)}


def _budget(call: Call) -> tuple[int, str]:
    """How many requests an hour, and under which name they are counted."""
    limit = HOURLY if call.account else ANONYMOUS
    return limit, f"{int(call.world.now()) // 3600}|{call.login}"


def visible(call: Call, repository: Repository) -> bool:
    return repository.visibility == "public" or role(call, repository) >= Role.READ


def role(call: Call, repository: Repository) -> int:
    return call.site.role(call.login, repository) if call.account else Role.NONE


def on_repository(
    routes: Routes[Call],
    method: str,
    rest: str = "",
    scope: str = PROJECTS,
    least: int = Role.READ,
) -> Callable[[OnRepository], OnRepository]:
    """Register below `/repos/{owner}/{name}`, the only way to address a repository here: there is
    none by number, and an old path leads nowhere."""

    def remember(answer: OnRepository) -> OnRepository:
        def serve(call: Call) -> Answer:
            found = call.site.find(f"{call.parts['owner']}/{call.parts['name']}")
            if found is None or not visible(call, found):
                return not_found()
            if least > Role.READ and role(call, found) < least:
                return forbidden()
            return answer(call, found)

        routes.on(method, f"{API}/repos/{{owner}}/{{name}}{rest}", scope)(serve)
        return answer

    return remember


def paged(call: Call, items: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """One page by number; the totals are headers, and there are no links."""
    size = min(max(_number(call, "per_page", 20), 1), 100)
    page = max(_number(call, "page", 1), 1)
    pages = max(-(-len(items) // size), 1)
    headers = {"total_count": str(len(items)), "total_page": str(pages)}
    return items[(page - 1) * size : page * size], headers


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.args.get(name, "")
    return int(text) if text.isdigit() else default


def moment(at: float) -> str:
    """Times are those of China."""
    return datetime.fromtimestamp(at, CHINA).isoformat(timespec="seconds")
