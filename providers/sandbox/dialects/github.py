"""GitHub as an Enterprise Server speaks: API below `/api/v3`, pages and git below the root."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from providers.sandbox.dialect import Call, Dialect, GitAccess, Push, Route, Routes
from providers.sandbox.dialects import (
    github_account,
    github_deliveries,
    github_hooks,
    github_oauth,
    github_repositories,
    github_state,
)
from providers.sandbox.dialects.github_rules import API, not_found, refuse
from providers.sandbox.records import Hook, Message, Repository, Role, Token
from providers.sandbox.wire import Answer, json_answer
from providers.sandbox.world import Site

VERSION = "3.19.1"
API_VERSIONS = {"2022-11-28", "2026-03-10"}
HOURLY = 5000
ANONYMOUS = 60


class GitHub(Dialect):
    """See `providers.md` 3 for where each habit was read."""

    slug = "github"
    realm = "GitHub"

    def __init__(self) -> None:
        self.routes: Routes[Call] = Routes()
        for part in (github_oauth, github_account, github_hooks, github_repositories):
            self.routes.include(part.routes)

    def first_state(self, site: Site) -> None:
        github_state.fill(site)

    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        return github_state.make(site, login, name, scopes, expires, kind)

    def answer(self, call: Call) -> Answer:
        api = call.path.startswith(API)
        if api and not call.request.headers.get("user-agent"):
            return refuse(
                403,
                "Request forbidden by administrative rules. "
                "Please make sure your request has a User-Agent header",
            )
        found = self.routes.match(call.request.method, call.path)
        route = found[0] if found else None
        call.parts = found[1] if found else {}
        if api:
            return _dress(call, _enter(call) or _answer(call, route), route)
        return _answer(call, route)

    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        public = repository.visibility == "public"
        if basic is None:
            return GitAccess(200) if public and not write else GitAccess(401, "Sign in first.")
        token = site.tokens.get(basic[1])
        if token is None or not site.alive(token):
            return GitAccess(401, "Invalid username or token.")
        if site.accounts[token.login].state != "active":
            return GitAccess(403, "Your account is suspended.")
        role = site.role(token.login, repository)
        allowed = token.kind in {"fine", "app"} or "repo" in token.scopes
        if token.owner not in {"", repository.owner}:
            role = Role.NONE
        if not public and (role < Role.READ or not allowed):
            return GitAccess(404, "Repository not found.")
        if write and (role < Role.WRITE or not allowed or repository.archived):
            return GitAccess(403, f"Permission to {repository.path}.git denied to {token.login}.")
        return GitAccess(200, login=token.login)

    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        return github_deliveries.push_messages(site, repository, hook, push)

    def complaint(self, name: str, value: object, now: float) -> Answer:
        if name == "rate_limit":
            return _limited(value, now)
        if name == "secondary_limit":
            wait = str(60 if value is None else value)
            text = "You have exceeded a secondary rate limit. Please wait a few minutes."
            return refuse(403, text, retry_after=wait)
        if name == "token_error":
            error = str(value or "bad_refresh_token")
            return json_answer({"error": error, "error_description": "Said by the sandbox."})
        status, text = _COMPLAINTS[name]
        return refuse(status, text)


_COMPLAINTS = {
    "unauthorized": (401, "Bad credentials"),
    "blocked_user": (403, "Sorry. Your account was suspended."),
    "insufficient_scope": (403, "Resource not accessible by personal access token"),
    "login_lockout": (403, "Maximum number of login attempts exceeded. Please try again later."),
}


def _limited(value: object, now: float) -> Answer:
    """The primary limit: nothing left until the reset, which is `value` seconds away."""
    wait = str(value) if value is not None else "60"
    reset = int(now) + (int(wait) if wait.isdigit() else 60)
    return refuse(
        429,
        "API rate limit exceeded for user ID 1001.",
        retry_after=wait,
        x_ratelimit_limit=str(HOURLY),
        x_ratelimit_remaining="0",
        x_ratelimit_used=str(HOURLY),
        x_ratelimit_reset=str(reset),
        x_ratelimit_resource="core",
    )


def _answer(call: Call, route: Route[Call] | None) -> Answer:
    return route.answer(call) if route else not_found()


def _enter(call: Call) -> Answer | None:
    """Find out who calls; the refusal when that fails. Sets token and account."""
    asked = call.request.headers.get("x-github-api-version")
    if asked and asked not in API_VERSIONS:
        return refuse(400, f'"{asked}" is not a supported version of the REST API.')
    text = call.request.bearer
    if not text and call.request.basic and not github_account.is_client(call.path):
        text = call.request.basic[1]
    if text:
        token = call.site.tokens.get(text)
        if token is None or not call.site.alive(token):
            return refuse(401, "Bad credentials")
        call.token, call.account = token, call.site.accounts[token.login]
        token.used = call.world.now()
        if call.account.state != "active":
            return refuse(403, "Sorry. Your account was suspended.")
    if github_account.left(call, HOURLY, ANONYMOUS) <= 0:
        return refuse(403, "API rate limit exceeded for user ID 1001.")
    return None


def _dress(call: Call, answer: Answer, route: Route[Call] | None) -> Answer:
    """The headers that every answer of the API carries; 304 when nothing changed."""
    headers = answer.headers
    headers["x-github-request-id"] = ":".join(secrets.token_hex(2).upper() for _ in range(5))
    headers["x-github-media-type"] = "github.v3; format=json"
    headers["x-github-enterprise-version"] = call.switched("old_version") or VERSION
    headers["server"] = "GitHub.com"
    if call.request.method in {"GET", "HEAD"} and answer.status == 200:
        etag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
        headers.update({"etag": etag, "cache-control": "private, max-age=60, s-maxage=60"})
        if call.request.headers.get("if-none-match") == etag:
            answer.status, answer.body = 304, b""
    if call.token is not None:
        headers.update(_token_headers(call.token, route))
    counts = answer.status != 304 and not call.path.endswith("/rate_limit")
    for name, value in github_account.budget(call, HOURLY, ANONYMOUS, counts=counts).items():
        headers.setdefault(f"x-ratelimit-{name}", str(value))
    return answer


def _token_headers(token: Token, route: Route[Call] | None) -> dict[str, str]:
    headers = {}
    if token.kind in {"pat", "oauth"}:
        headers["x-oauth-scopes"] = ", ".join(token.scopes)
        headers["x-accepted-oauth-scopes"] = route.note if route else ""
    else:
        wants = "repository_hooks=write" if route and "hook" in route.note else "metadata=read"
        headers["x-accepted-github-permissions"] = wants
    if token.kind == "oauth":
        headers["x-oauth-client-id"] = token.client_id
    if token.kind in {"pat", "fine"} and token.expires is not None:
        end = datetime.fromtimestamp(token.expires, UTC)
        headers["github-authentication-token-expiration"] = f"{end:%Y-%m-%d %H:%M:%S} UTC"
    return headers
