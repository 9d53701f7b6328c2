"""Gitea below a relative root: API below `/api/v1`, pages and git below the root."""

from __future__ import annotations

from providers.sandbox.dialect import Call, Dialect, GitAccess, Push, Routes
from providers.sandbox.dialects import (
    gitea_hooks,
    gitea_oauth,
    gitea_repositories,
    gitea_state,
)
from providers.sandbox.dialects.gitea_rules import (
    API,
    VERSION,
    holds,
    lacks,
    not_found,
    say,
    short_of,
)
from providers.sandbox.records import Hook, Message, Repository, Role, Token
from providers.sandbox.wire import Answer, html_answer, json_answer, text_answer
from providers.sandbox.world import Site

PROHIBITED = "This account is prohibited from signing in, please contact your site administrator."
STRANGER = "Only signed in user is allowed to call APIs."
NO_TOKEN = "token is required"  # noqa: S105 - a sentence


class Gitea(Dialect):
    """See `providers.md` 9 for where each habit was read."""

    slug = "gitea"
    realm = "Gitea"

    def __init__(self) -> None:
        self.routes: Routes[Call] = Routes()
        for part in (gitea_oauth, gitea_hooks, gitea_repositories):
            self.routes.include(part.routes)

    def first_state(self, site: Site) -> None:
        gitea_state.fill(site)

    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        return gitea_state.make(site, login, name, scopes, kind)

    def answer(self, call: Call) -> Answer:
        found = self.routes.match(call.request.method, call.path)
        if found is None:
            page = "<!DOCTYPE html><html><title>Page Not Found</title><h1>404</h1></html>"
            return not_found(call) if call.path.startswith(API) else html_answer(page, 404)
        route, call.parts = found
        if not call.path.startswith(API):
            return route.answer(call)
        return _enter(call, route.note) or route.answer(call)

    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        public = repository.visibility == "public"
        if basic is None:
            return GitAccess(200) if public and not write else GitAccess(401, "Unauthorized")
        token = _git_token(site, basic)
        if token is None or not site.alive(token):
            return GitAccess(401, "Unauthorized")
        if site.accounts[token.login].state != "active":
            return GitAccess(403, PROHIBITED)
        role = site.role(token.login, repository)
        if role < Role.READ and repository.visibility == "private":
            return GitAccess(404, "Repository not found")
        low = write and (role < Role.WRITE or repository.archived)
        hidden = "public-only" in token.scopes and not public
        enough = holds(token.scopes, "write:repository" if write else "read:repository")
        if low or hidden or not enough:
            return GitAccess(403, "Forbidden")
        return GitAccess(200, login=token.login)

    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        return gitea_hooks.push_messages(site, repository, hook, push)

    def complaint(self, name: str, value: object, now: float) -> Answer:
        if name in {"rate_limit", "secondary_limit", "login_lockout"}:
            # Not Gitea itself, which has no limits: the proxy before it.
            wait = "60" if value is None else str(value)
            return text_answer("Too Many Requests\n", 429, retry_after=wait)
        if name == "token_error":
            error = str(value or "invalid_grant")
            body = {"error": error, "error_description": "Said by the sandbox."}
            return json_answer(body, 400)
        if name == "blocked_user":
            return json_answer({"message": PROHIBITED}, 403)
        if name == "insufficient_scope":
            return json_answer(
                {"message": lacks(VERSION, str(value or "read:repository"), [])}, 403
            )
        return json_answer({"message": NO_TOKEN}, 401)


def _enter(call: Call, areas: str) -> Answer | None:
    """Find out who calls and whether the token's scopes are enough. Sets token and account."""
    token = call.site.tokens.get(call.request.bearer)
    if token is None or not call.site.alive(token):
        if token is not None and token.kind == "oauth" and token.revoked:
            return text_answer("Missing CSRF token.\n", 401)
        if call.switched("signin_required") is not None:
            return json_answer({"message": STRANGER}, 403)
        return say(call, 401, NO_TOKEN) if areas else None
    call.token, call.account = token, call.site.accounts[token.login]
    token.used = call.world.now()
    if call.account.state != "active":
        return json_answer({"message": PROHIBITED}, 403)
    return short_of(call, areas)


def _git_token(site: Site, basic: tuple[str, str]) -> Token | None:
    """The token as password with any user name, or as user name."""
    user, password = basic
    return site.tokens.get(password) or site.tokens.get(user)
