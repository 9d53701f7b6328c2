"""Codeup's manners: refusals, permissions, pages, editions, and who may see which repository."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer

API = "/oapi/v1"
MEMBERS = "Organization members read-only"
DEPARTMENTS = "Organization departments read-only"
REPOSITORIES = "Code repositories read-only"
BRANCHES = "Branches read-only"
TAGS = "Tags read-only"
HOOKS_READ = "Webhook read-only"
HOOKS = "Webhook read/write"
"""The permissions of a token, and notes of routes."""
FURTHEST = 150
CHINA = timezone(timedelta(hours=8))
T = TypeVar("T")
OnRepository = Callable[[Call, Repository], Answer]


def refuse(status: int, code: str, message: str, **named: str) -> Answer:
    body = {"errorCode": code, "errorMessage": message, "requestId": str(uuid.uuid4())}
    return json_answer(body, status, None, **named)


def not_found() -> Answer:
    return refuse(404, "NotFound", "资源不存在")


def forbidden() -> Answer:
    return refuse(403, "Forbidden", "没有访问权限")


def unauthorized() -> Answer:
    """Whatever became of the token: nothing says why."""
    return refuse(401, "InvalidToken", "个人访问令牌无效")


def allowed(call: Call, permission: str) -> bool:
    held = set(call.token.scopes if call.token else ())
    return permission in held or (permission == HOOKS_READ and HOOKS in held)


def is_region(call: Call) -> bool:
    return call.switched("region_edition") is not None


def role(call: Call, repository: Repository) -> int:
    """Three roles only: viewer, developer and administrator."""
    mine = call.site.role(call.login, repository)
    return next((r for r in (Role.MAINTAIN, Role.WRITE, Role.READ) if mine >= r), Role.NONE)


def visible(call: Call, repository: Repository) -> bool:
    """The organization of the address has to be the repository's own."""
    inside = call.parts.get("organization")
    same = inside is None or repository.path.startswith(f"{inside}/")
    internal = repository.visibility != "private" and member(call, repository)
    return same and (internal or role(call, repository) >= Role.READ)


def member(call: Call, repository: Repository) -> bool:
    organization = call.site.accounts[repository.path.partition("/")[0]]
    return organization.members.get(call.login, 0) > 0


def both_editions(
    routes: Routes[Call], method: str, rest: str, permission: str
) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    """Register below an organization, and without one for the Region edition: each edition knows
    nothing of the other's addresses."""

    def remember(answer: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def central(call: Call) -> Answer:
            return not_found() if is_region(call) else answer(call)

        def region(call: Call) -> Answer:
            return answer(call) if is_region(call) else not_found()

        inside = f"{API}/codeup/organizations/{{organization}}{rest}"
        routes.on(method, inside, permission)(central)
        routes.on(method, f"{API}/codeup{rest}", permission)(region)
        return answer

    return remember


def on_repository(
    routes: Routes[Call],
    method: str,
    rest: str = "",
    permission: str = REPOSITORIES,
    least: int = Role.READ,
) -> Callable[[OnRepository], OnRepository]:
    """Register below `/repositories/{number or encoded path}`; an old path leads nowhere."""

    def remember(answer: OnRepository) -> OnRepository:
        def serve(call: Call) -> Answer:
            wanted = call.parts["repository"]
            known = call.site.repositories
            found = known.get(int(wanted)) if wanted.isdigit() else call.site.find(wanted)
            if found is None or not visible(call, found):
                return not_found()
            return answer(call, found) if role(call, found) >= least else forbidden()

        both_editions(routes, method, f"/repositories/{{repository}}{rest}", permission)(serve)
        return answer

    return remember


def paged(call: Call, items: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """One page by number, with all totals in headers."""
    size = min(max(_number(call, "perPage", 20), 1), 100)
    page = min(max(_number(call, "page", 1), 1), FURTHEST)
    pages = max(-(-len(items) // size), 1)
    headers = {
        "x-page": str(page),
        "x-per-page": str(size),
        "x-next-page": str(page + 1) if page < pages else "",
        "x-prev-page": str(page - 1) if page > 1 else "",
        "x-total": str(len(items)),
        "x-total-pages": str(pages),
    }
    return items[(page - 1) * size : page * size], headers


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.args.get(name, "")
    return int(text) if text.isdigit() else default


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).isoformat(timespec="seconds")
