"""Gitee: API below `/api/v5`, pages and git below the root."""

from __future__ import annotations

from providers.sandbox.dialect import Call, Dialect, GitAccess, Push, Routes
from providers.sandbox.dialects import gitee_hooks, gitee_oauth, gitee_repositories, gitee_state
from providers.sandbox.dialects.gitee_rules import (
    API,
    PROJECTS,
    dead,
    forbidden,
    limits,
    not_found,
    say,
    spent,
)
from providers.sandbox.records import Hook, Message, Repository, Role, Token
from providers.sandbox.wire import Answer, html_answer, json_answer
from providers.sandbox.world import Site

BLOCKED = "403 Forbidden: 该帐号已被锁定"


class Gitee(Dialect):
    """See `providers.md` 5 for where each habit was read."""

    slug = "gitee"
    realm = "Gitee"

    def __init__(self) -> None:
        self.routes: Routes[Call] = Routes()
        for part in (gitee_oauth, gitee_repositories, gitee_hooks):
            self.routes.include(part.routes)

    def first_state(self, site: Site) -> None:
        gitee_state.fill(site)

    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        return gitee_state.make(site, login, name, scopes, expires, kind)

    def answer(self, call: Call) -> Answer:
        found = self.routes.match(call.request.method, call.path)
        if not call.path.startswith(API):
            if found is None:
                return html_answer("<!DOCTYPE html><html><h1>404</h1></html>", 404)
            route, call.parts = found
            return route.answer(call)
        if found is None:
            return not_found()
        route, call.parts = found
        answer = _enter(call, route.note) or route.answer(call)
        answer.headers.update(limits(call))
        return answer

    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        public = repository.visibility == "public"
        if basic is None:
            return GitAccess(200) if public and not write else GitAccess(401, _DENIED)
        user, password = basic
        token = site.tokens.get(password)
        if token is None or not site.alive(token) or user not in {"oauth2", token.login}:
            return GitAccess(401, _DENIED)
        if site.accounts[token.login].state != "active" or PROJECTS not in token.scopes:
            return GitAccess(403, "[session-sandbox] Access denied")
        role = site.role(token.login, repository)
        if role < Role.READ and not public:
            return GitAccess(404, "[session-sandbox] Repository not found")
        if write and role < Role.WRITE:
            return GitAccess(403, "You do not have permission to push to the repository")
        return GitAccess(200, login=token.login)

    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        return gitee_hooks.push_messages(site, repository, hook, push)

    def complaint(self, name: str, value: object, now: float) -> Answer:
        if name in {"rate_limit", "login_lockout"}:
            wait = "60" if value is None else str(value)
            return say(429, "请求过于频繁，请稍后再试", retry_after=wait, x_ratelimit_remaining="0")
        if name == "secondary_limit":
            return say(403, "访问频率超限，请稍后再试", x_ratelimit_remaining="0")
        if name == "token_error":
            error = str(value or "invalid_grant")
            return json_answer({"error": error, "error_description": "由沙箱返回"}, 401)
        if name == "blocked_user":
            return say(403, BLOCKED)
        if name == "insufficient_scope":
            return forbidden()
        return dead("does not exist")


_DENIED = "[session-sandbox] Incorrect username or password (access token)"


def _enter(call: Call, scope: str) -> Answer | None:
    """Find out who calls, count the request, and compare the scope. Sets token and account."""
    text = call.request.bearer or call.request.args.get("access_token", "")
    token = call.site.tokens.get(text)
    if text and token is None:
        return dead("does not exist")
    if token is not None:
        state = token.state(call.world.now())
        if state != "active":
            return dead("is expired" if state == "expired" else "does not exist")
        call.token, call.account = token, call.site.accounts[token.login]
        if call.account.state != "active":
            return say(403, BLOCKED)
    if (over := spent(call)) is not None:
        return over
    if token is None:
        return None if _open(call) else dead("is required")
    return forbidden() if scope not in token.scopes else None


def _open(call: Call) -> bool:
    """Reading a public repository needs nobody."""
    return call.request.method == "GET" and "owner" in call.parts and "/hooks" not in call.path
