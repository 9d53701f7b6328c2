"""GitLab below a relative root: API below `/api/v4`, pages and git below the root."""

from __future__ import annotations

import secrets

from providers.sandbox.dialect import Call, Dialect, GitAccess, Push, Routes
from providers.sandbox.dialects import (
    gitlab_account,
    gitlab_deliveries,
    gitlab_hooks,
    gitlab_oauth,
    gitlab_projects,
    gitlab_state,
)
from providers.sandbox.dialects.gitlab_rules import (
    ANY,
    API,
    ENOUGH,
    USER,
    WRITE,
    insufficient_scope,
    invalid_token,
    say,
    unauthorized,
)
from providers.sandbox.records import Hook, Message, Repository, Role, Token
from providers.sandbox.wire import Answer, html_answer, json_answer, text_answer
from providers.sandbox.world import Site

REVOKED = "Token was revoked. You have to re-authorize from the user."
EXPIRED = "Token is expired. You can either do re-authorization or token refresh."
READS_GIT = {"api", "read_repository", "write_repository"}
WRITES_GIT = {"api", "write_repository"}


class GitLab(Dialect):
    """See `providers.md` 4 for where each habit was read."""

    slug = "gitlab"
    realm = "GitLab"

    def __init__(self) -> None:
        self.routes: Routes[Call] = Routes()
        for part in (gitlab_oauth, gitlab_account, gitlab_hooks, gitlab_projects):
            self.routes.include(part.routes)

    def first_state(self, site: Site) -> None:
        gitlab_state.fill(site)

    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        return gitlab_state.make(site, login, name, scopes, expires, kind)

    def answer(self, call: Call) -> Answer:
        found = self.routes.match(call.request.method, call.path)
        if found is None:
            return _nothing_here(call)
        route, call.parts = found
        if call.path.startswith(API):
            answer = _enter(call, route.note) or route.answer(call)
        else:
            answer = route.answer(call)
        answer.headers["x-request-id"] = secrets.token_hex(13).upper()
        answer.headers["x-gitlab-meta"] = '{"version":"1"}'
        return answer

    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        public = repository.visibility == "public"
        if basic is None:
            return GitAccess(200) if public and not write else GitAccess(401, _DENIED)
        token = _git_token(site, basic)
        if token is None or not site.alive(token):
            return GitAccess(401, _DENIED)
        if site.accounts[token.login].state != "active":
            return GitAccess(403, "Your account has been blocked.")
        role = _git_role(site, token, repository)
        if role < Role.READ and not public:
            return GitAccess(404, "The project you were looking for could not be found.")
        needed = WRITES_GIT if write else READS_GIT
        low = write and (role < Role.WRITE or repository.archived)
        if low or not needed & set(token.scopes):
            return GitAccess(403, "You are not allowed to do this with this token.")
        return GitAccess(200, login=token.login)

    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        return gitlab_deliveries.push_messages(site, repository, hook, push)

    def after_delivery(self, site: Site, hook: Hook, *, worked: bool) -> None:
        gitlab_deliveries.note_outcome(site, hook, worked=worked)

    def complaint(self, name: str, value: object, now: float) -> Answer:
        if name in {"rate_limit", "secondary_limit", "login_lockout"}:
            return _limited(value, now)
        if name == "token_error":
            error = str(value or "invalid_grant")
            status = 401 if error == "invalid_client" else 400
            body = {"error": error, "error_description": "Said by the sandbox."}
            return json_answer(
                body, status, www_authenticate=f'Bearer realm="Doorkeeper", error="{error}"'
            )
        if name == "blocked_user":
            return say(403, "Forbidden - Your account has been blocked.")
        if name == "insufficient_scope":
            return insufficient_scope(str(value or "api").split())
        return unauthorized()


_DENIED = "HTTP Basic: Access denied. If a password was provided, it must be a token."
_STATES = {
    "blocked": "Forbidden - Your account has been blocked.",
    "deactivated": "Forbidden - Your account has been deactivated by the administrator.",
}


def _nothing_here(call: Call) -> Answer:
    if call.path.startswith(API):
        return json_answer({"error": "404 Not Found"}, 404)
    return html_answer("<!DOCTYPE html><html><title>Not Found</title><h1>404</h1></html>", 404)


def _limited(value: object, now: float) -> Answer:
    """429 in plain text. `value`: the Retry-After, or an object with `retry_after` and `reset`."""
    given = value if isinstance(value, dict) else {"retry_after": value}
    wait = given.get("retry_after")
    wait = "60" if wait is None else str(wait)
    seconds = int(wait) if wait.isdigit() and len(wait) < 10 else 60
    reset = str(given.get("reset") or int(now) + seconds)
    return text_answer(
        "Retry later\n",
        429,
        retry_after=wait,
        ratelimit_limit="2000",
        ratelimit_name="throttle_authenticated_api",
        ratelimit_observed="2001",
        ratelimit_remaining="0",
        ratelimit_reset=reset,
    )


def _text(call: Call) -> str:
    return call.request.bearer or call.request.headers.get("private-token", "")


def _enter(call: Call, scope: str) -> Answer | None:
    """Find out who calls and whether the token's scopes are enough. Sets token and account."""
    text = _text(call)
    if not text:
        return unauthorized() if scope in {USER, ANY, WRITE} else None
    token = call.site.tokens.get(text)
    if token is None or token.kind == "deploy":
        return unauthorized()
    state = token.state(call.world.now())
    if state != "active":
        if state == "revoked" and call.path.endswith("/self/rotate"):
            call.site.kill_family(token)
        return invalid_token(REVOKED if state == "revoked" else EXPIRED)
    call.token, call.account = token, call.site.accounts[token.login]
    token.used = call.world.now()
    if call.account.state != "active":
        return say(403, _STATES[call.account.state])
    enough = ENOUGH.get(scope)
    if enough and not set(enough) & set(token.scopes):
        return insufficient_scope(enough)
    return None


def _git_token(site: Site, basic: tuple[str, str]) -> Token | None:
    """The token of a git client: OAuth tokens want the user `oauth2`, others any non-empty one."""
    user, password = basic
    token = site.tokens.get(password)
    if token is None or not user or (token.kind == "oauth" and user != "oauth2"):
        return None
    return token


def _git_role(site: Site, token: Token, repository: Repository) -> int:
    if token.owner and token.owner != repository.path:
        return Role.NONE
    if token.kind == "deploy":
        return Role.READ
    return site.role(token.login, repository)
