"""CodeArts: repositories below `/v4`, with the IAM and STS of their region below the same root."""

from __future__ import annotations

from providers.sandbox.dialect import Call, Dialect, GitAccess, Push, Routes
from providers.sandbox.dialects import (
    codearts_cloud,
    codearts_hooks,
    codearts_repositories,
    codearts_state,
)
from providers.sandbox.dialects.codearts_rules import (
    OTHER,
    asker,
    domain,
    ended,
    forbidden,
    not_found,
    refuse,
    unauthorized,
    user_id,
)
from providers.sandbox.records import Account, Hook, Message, Repository, Role, Token
from providers.sandbox.wire import Answer
from providers.sandbox.world import Site

GIT_USER = "private-token"


class CodeArts(Dialect):
    """See `providers.md` 8 for where each habit was read."""

    slug = "codearts"
    realm = "CodeArts Repo"

    def __init__(self) -> None:
        self.routes: Routes[Call] = Routes()
        for part in (codearts_cloud, codearts_hooks, codearts_repositories):
            self.routes.include(part.routes)

    def first_state(self, site: Site) -> None:
        codearts_state.fill(site)

    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        return codearts_state.make(site, login, name, scopes, expires, kind)

    def external_id(self, account: Account) -> str:
        """The cloud account and the user in it."""
        return f"{domain(account)[0]}/{user_id(account)}"

    def answer(self, call: Call) -> Answer:
        found = self.routes.match(call.request.method, call.path)
        if found is None:
            return not_found()
        route, call.parts = found
        if route.note == OTHER:
            return route.answer(call)
        return _enter(call, route.note) or route.answer(call)

    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        token = site.tokens.get(basic[1]) if basic else None
        if basic is None or token is None or basic[0] != _git_user(site, token):
            return GitAccess(401, _DENIED)
        if not site.alive(token) or _maker_is_dead(site, token):
            return GitAccess(401, _DENIED)
        needed = Role.WRITE if write else Role.READ
        if (write and token.kind == "bearer") or site.role(token.login, repository) < needed:
            return GitAccess(403, "没有权限执行此操作")
        return GitAccess(200, login=token.login)

    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        return codearts_hooks.push_messages(site, repository, hook, push)

    def complaint(self, name: str, value: object, now: float) -> Answer:
        if name in {"rate_limit", "secondary_limit", "login_lockout"}:
            wait = "60" if value is None else str(value)
            text = "The throttling threshold has been reached"
            return refuse(429, "APIGW.0308", text, retry_after=wait)
        if name == "blocked_user":
            return _suspended()
        if name == "insufficient_scope":
            return forbidden()
        return unauthorized()


_DENIED = "HTTP Basic: Access denied"


def _git_user(site: Site, token: Token) -> str:
    """A minted token reads; an HTTPS password lets a developer push. Others serve the API."""
    if token.kind == "https":
        return f"{domain(site.accounts[token.login])[1]}/{token.login}"
    return GIT_USER if token.kind == "bearer" else ""


def _suspended() -> Answer:
    return refuse(403, "PAP5.0061", "账号欠费或已被冻结")


def _maker_is_dead(site: Site, token: Token) -> bool:
    """A token for downloads acts for a credential, and ends with it."""
    maker = next((t for t in site.tokens.values() if t.id == token.family), None)
    return maker is None or maker.revoked


def _enter(call: Call, scope: str) -> Answer | None:
    """Find out who asks, and whether its policy allows that. Sets token and account."""
    token = asker(call)
    if isinstance(token, Answer):
        return token
    state = token.state(call.world.now())
    if state != "active":
        return ended() if state == "expired" else unauthorized()
    if token.owner == codearts_cloud.WHOLE_DOMAIN:
        return refuse(403, "APIGW.0302", "The token must be scoped to a project")
    call.token, call.account = token, call.site.accounts[token.login]
    if call.account.state != "active":
        return _suspended()
    return None if scope in token.scopes else forbidden()
