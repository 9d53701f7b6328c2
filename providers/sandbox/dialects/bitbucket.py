"""Bitbucket: API below `/2.0`, pages and git below the root."""

from __future__ import annotations

import secrets

from providers.sandbox.dialect import Call, Dialect, GitAccess, Push, Routes
from providers.sandbox.dialects import (
    bitbucket_hooks,
    bitbucket_oauth,
    bitbucket_repositories,
    bitbucket_state,
)
from providers.sandbox.dialects.bitbucket_rules import (
    API,
    account_uuid,
    lacks,
    removed,
    repository_uuid,
    say,
)
from providers.sandbox.records import Account, Hook, Message, Repository, Role, Token
from providers.sandbox.wire import Answer, html_answer, json_answer
from providers.sandbox.world import Site

INVALID = "Token is invalid, expired, or not supported for this endpoint."
EXPIRED = "Access token expired. Use your refresh token to obtain a new access token."
DEACTIVATED = "This account has been deactivated."
LIMIT = "Rate limit for this resource has been exceeded"
USER = "x-token-auth"


class Bitbucket(Dialect):
    """See `providers.md` 6 for where each habit was read."""

    slug = "bitbucket"
    realm = "Bitbucket.org HTTP"

    def __init__(self) -> None:
        self.routes: Routes[Call] = Routes()
        for part in (bitbucket_oauth, bitbucket_hooks, bitbucket_repositories):
            self.routes.include(part.routes)

    def first_state(self, site: Site) -> None:
        bitbucket_state.fill(site)

    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        return bitbucket_state.make(site, login, name, scopes, kind)

    def external_id(self, account: Account) -> str:
        return account_uuid(account)

    def repository_id(self, repository: Repository) -> str:
        return repository_uuid(repository)

    def answer(self, call: Call) -> Answer:
        found = self.routes.match(call.request.method, call.path)
        if found is None:
            page = "<!DOCTYPE html><html><title>Bitbucket</title><h1>Resource not found</h1></html>"
            return say(404, "Resource not found") if _is_api(call) else html_answer(page, 404)
        route, call.parts = found
        if not _is_api(call):
            return route.answer(call)
        answer = _enter(call, route.note) or route.answer(call)
        if call.token is not None and call.switched("old_server") is None:
            answer.headers["x-oauth-scopes"] = ", ".join(call.token.scopes)
            answer.headers["x-accepted-oauth-scopes"] = route.note
        answer.headers["x-request-id"] = secrets.token_hex(16)
        return answer

    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        public = repository.visibility == "public"
        if basic is None:
            return GitAccess(200) if public and not write else GitAccess(401, "Unauthorized")
        user, password = basic
        token = site.tokens.get(password)
        if token is None or user != USER or not site.alive(token):
            return GitAccess(401, "Invalid credentials")
        if site.accounts[token.login].state != "active":
            return GitAccess(403, DEACTIVATED)
        role = site.role(token.login, repository)
        if role < Role.READ and not public:
            return GitAccess(404, "Repository not found")
        needed = "repository:write" if write else "repository"
        if needed not in token.scopes or (write and role < Role.WRITE):
            return GitAccess(403, "Forbidden")
        return GitAccess(200, login=token.login)

    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        return bitbucket_hooks.push_messages(site, repository, hook, push)

    def again(self, message: Message, status: int) -> Message | None:
        return bitbucket_hooks.again(message, status)

    def complaint(self, name: str, value: object, now: float) -> Answer:
        if name in {"rate_limit", "secondary_limit", "login_lockout"}:
            made = say(429, LIMIT)
            if value is not None:
                made.headers["retry-after"] = str(value)
            return made
        if name == "token_error":
            body = {
                "error_description": "Said by the sandbox.",
                "error": str(value or "invalid_grant"),
            }
            return json_answer(body, 400)
        if name == "blocked_user":
            return say(403, DEACTIVATED)
        if name == "insufficient_scope":
            return lacks(str(value or "repository").split(), ["account"])
        return say(401, INVALID)


def _is_api(call: Call) -> bool:
    return f"{call.path}/".startswith(f"{API}/")


def _enter(call: Call, scope: str) -> Answer | None:
    """Find out who calls and whether the token's scopes are enough. Sets token and account."""
    token = call.site.tokens.get(call.request.bearer)
    if token is None or token.revoked:
        return say(401, INVALID)
    if not call.site.alive(token):
        return say(401, EXPIRED)
    if change := call.switched("brown_out"):
        return removed(change)
    call.token, call.account = token, call.site.accounts[token.login]
    token.used = call.world.now()
    if call.account.state != "active" and call.path != f"{API}/user":
        return say(403, DEACTIVATED)
    enough = {scope, f"{scope}:write", f"{scope}:admin"}
    return None if enough & set(token.scopes) else lacks([scope], token.scopes)
