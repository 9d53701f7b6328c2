"""Codeup: API below `/oapi/v1`, pages and git below the root; both editions."""

from __future__ import annotations

from providers.sandbox.dialect import Call, Dialect, GitAccess, Push, Routes
from providers.sandbox.dialects import codeup_hooks, codeup_repositories, codeup_state
from providers.sandbox.dialects.codeup_rules import (
    API,
    REPOSITORIES,
    allowed,
    forbidden,
    not_found,
    refuse,
    unauthorized,
)
from providers.sandbox.records import Account, Hook, Message, Repository, Role, Token
from providers.sandbox.wire import Answer, html_answer, json_answer
from providers.sandbox.world import Site


class Codeup(Dialect):
    """See `providers.md` 7 for where each habit was read."""

    slug = "codeup"
    realm = "Codeup"

    def __init__(self) -> None:
        self.routes: Routes[Call] = Routes()
        for part in (codeup_repositories, codeup_hooks):
            self.routes.include(part.routes)

    def first_state(self, site: Site) -> None:
        codeup_state.fill(site)

    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        return codeup_state.make(site, login, name, scopes, expires, kind)

    def external_id(self, account: Account) -> str:
        return codeup_repositories.external_id(account)

    def clone_username(self, account: Account) -> str:
        """Stands on the page "HTTPS password" and is neither login nor display name."""
        return f"{account.login}-git" if account.kind == "User" else ""

    def answer(self, call: Call) -> Answer:
        if not call.path.startswith(API):
            return html_answer("<!DOCTYPE html><html><h1>404</h1></html>", 404)
        found = self.routes.match(call.request.method, call.path)
        if found is None:
            return not_found()
        route, call.parts = found
        return _enter(call, route.note) or route.answer(call)

    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        if basic is None:
            return GitAccess(401, _DENIED)
        token = site.tokens.get(basic[1])
        if token is None or not site.alive(token):
            return GitAccess(401, _DENIED)
        account = site.accounts[token.login]
        if basic[0] != self.clone_username(account):
            return GitAccess(401, _DENIED)
        role = site.role(token.login, repository)
        open_inside = repository.visibility == "internal" and not write
        if account.state != "active" or REPOSITORIES not in token.scopes:
            return GitAccess(403, "没有访问权限")
        if role < (Role.WRITE if write else Role.READ) and not open_inside:
            return GitAccess(403, "没有访问权限")
        return GitAccess(200, login=token.login)

    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        return codeup_hooks.push_messages(site, repository, hook, push)

    def complaint(self, name: str, value: object, now: float) -> Answer:
        if name in {"rate_limit", "secondary_limit", "login_lockout"}:
            return _limited(value, now)
        if name == "blocked_user":
            return refuse(403, "UserDisabled", "用户已被禁用")
        if name == "insufficient_scope":
            return forbidden()
        return unauthorized()


_DENIED = "HTTP Basic: Access denied"


def _limited(value: object, now: float) -> Answer:
    """`value`: the Retry-After, or an object that goes into the body as it is: `reset_at`."""
    body = {"errorCode": "Throttling", "errorMessage": "请求过于频繁"}
    if isinstance(value, dict):
        return json_answer({**body, **value}, 429)
    wait = "60" if value is None else str(value)
    until = int(now) + (int(wait) if wait.isdigit() else 60)
    return json_answer({**body, "reset_at": until}, 429, retry_after=wait)


def _enter(call: Call, permission: str) -> Answer | None:
    """Find out who calls and whether the token is allowed that. Sets token and account."""
    token = call.site.tokens.get(call.request.headers.get("x-yunxiao-token", ""))
    if token is None or not call.site.alive(token):
        return unauthorized()
    call.token, call.account = token, call.site.accounts[token.login]
    if call.account.state != "active":
        return refuse(403, "UserDisabled", "用户已被禁用")
    return None if allowed(call, permission) else forbidden()
