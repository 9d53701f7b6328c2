"""GitHub's manners: refusals, paging, and who may see which repository."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer

API = "/api/v3"
DOCS = "https://docs.github.com/rest"
HOOK_SCOPES = frozenset({"repo", "admin:repo_hook", "write:repo_hook", "read:repo_hook"})
ROLE_NAMES = (
    ("pull", Role.READ),
    ("triage", 25),
    ("push", Role.WRITE),
    ("maintain", Role.MAINTAIN),
    ("admin", Role.ADMIN),
)
T = TypeVar("T")
OnRepository = Callable[[Call, Repository], Answer]


def refuse(status: int, message: str, **named: str) -> Answer:
    body = {"message": message, "documentation_url": DOCS, "status": str(status)}
    return json_answer(body, status, None, **named)


def not_found() -> Answer:
    return refuse(404, "Not Found")


def invalid(resource: str, message: str, field: str = "") -> Answer:
    """422 as GitHub words it."""
    error = {"resource": resource, "code": "custom", "message": message}
    if field:
        error["field"] = field
    body = {"message": "Validation Failed", "errors": [error], "documentation_url": DOCS}
    return json_answer(body, 422)


def has_scope(call: Call, *wanted: str) -> bool:
    """Whether the token has one of the scopes. Only OAuth tokens and classic PATs carry them."""
    token = call.token
    if token is None:
        return False
    return token.kind in {"fine", "app"} or bool(set(wanted) & set(token.scopes))


def unsigned(call: Call, repository: Repository) -> bool:
    """Whether the owner asks for single sign-on that this token has not been through."""
    return repository.visibility != "public" and _switched_owner(call, "sso_required", repository)


def restricted(call: Call, repository: Repository) -> bool:
    """Whether the owner has not approved third-party apps."""
    return (
        call.token is not None
        and call.token.kind == "oauth"
        and repository.visibility != "public"
        and _switched_owner(call, "org_restricted", repository)
    )


def _switched_owner(call: Call, switch: str, repository: Repository) -> bool:
    owner = call.site.accounts.get(repository.owner)
    if owner is None or owner.kind != "Organization":
        return False
    value = call.switched(switch)
    return value is not None and value in {"", owner.login}


def visible(call: Call, repository: Repository) -> bool:
    """Whether the caller may know of it, single sign-on and restrictions aside."""
    if repository.visibility == "public":
        return call.token is None or call.token.kind != "fine" or _owned(call, repository)
    if call.account is None or call.site.role(call.login, repository) < Role.READ:
        return False
    return has_scope(call, "repo") and _owned(call, repository)


def _owned(call: Call, repository: Repository) -> bool:
    """A fine-grained token sees one resource owner only."""
    owner = call.token.owner if call.token else ""
    return not owner or owner == repository.owner


def permissions(call: Call, repository: Repository) -> dict[str, bool]:
    role = call.site.role(call.login, repository) if call.account else Role.NONE
    if repository.visibility == "public":
        role = max(role, Role.READ)
    return {name: role >= needed for name, needed in ROLE_NAMES}


def paged(call: Call, items: Sequence[T], path: str) -> tuple[Sequence[T], dict[str, str]]:
    """One page of `items` and its Link header; links lead to `path` with the same query."""
    size = min(max(_number(call, "per_page", 30), 1), 100)
    page = max(_number(call, "page", 1), 1)
    pages = max(-(-len(items) // size), 1)

    def link(number: int, rel: str) -> str:
        query = urlencode({**call.request.args, "page": number})
        return f'<{call.base}{API}{path}?{query}>; rel="{rel}"'

    links = []
    if page > 1:
        links += [link(page - 1, "prev"), link(1, "first")]
    if page < pages:
        links += [link(page + 1, "next"), link(pages, "last")]
    headers = {"link": ", ".join(links)} if links else {}
    return items[(page - 1) * size : page * size], headers


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.args.get(name, "")
    return int(text) if text.isdigit() else default


def node(kind: str, number: int) -> str:
    return f"{kind}_{hashlib.sha256(f'{kind}{number}'.encode()).hexdigest()[:16]}"


def iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def account_json(call: Call, login: str) -> dict[str, Any]:
    account = call.site.accounts[login]
    kind = "Bot" if account.kind == "Bot" else account.kind
    api = f"{call.base}{API}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node("U", account.id),
        "avatar_url": f"{call.base}/avatars/u/{account.id}?v=4",
        "url": f"{api}/users/{account.login}",
        "html_url": f"{call.base}/{account.login}",
        "repos_url": f"{api}/users/{account.login}/repos",
        "type": kind,
        "site_admin": False,
    }


def on_repository(
    routes: Routes[Call], method: str, rest: str = "", note: str = ""
) -> Callable[[OnRepository], OnRepository]:
    """Register below `/repos/{owner}/{name}` and below `/repositories/{id}`."""

    def remember(answer: OnRepository) -> OnRepository:
        def serve(call: Call) -> Answer:
            return _serve(call, answer)

        routes.on(method, f"{API}/repos/{{owner}}/{{name}}{rest}", note)(serve)
        routes.on(method, f"{API}/repositories/{{repository}}{rest}", note)(serve)
        return answer

    return remember


def _serve(call: Call, answer: OnRepository) -> Answer:
    if "repository" in call.parts:
        repository = call.site.repositories.get(call.number("repository"))
    else:
        path = f"{call.parts['owner']}/{call.parts['name']}"
        repository = call.site.find(path)
        moved = call.site.moved(path)
        if repository is None and moved is not None and visible(call, moved):
            return _move(call, moved)
    if repository is None or not visible(call, repository):
        return not_found()
    if restricted(call, repository):
        return refuse(403, _RESTRICTED.format(org=repository.owner))
    if unsigned(call, repository):
        url = f"{call.base}/orgs/{repository.owner}/sso?authorization_request=sandbox"
        return refuse(403, _SIGN_ON, x_github_sso=f"required; url={url}")
    return answer(call, repository)


def _move(call: Call, repository: Repository) -> Answer:
    """A renamed repository: on to its number, keeping the method when that matters."""
    rest = call.path.split("/", 6)[6:]
    tail = "".join(f"/{part}" for part in rest)
    query = f"?{call.request.query}" if call.request.query else ""
    url = f"{call.base}{API}/repositories/{repository.id}{tail}{query}"
    status = 301 if call.request.method in {"GET", "HEAD"} else 307
    name = "Moved Permanently" if status == 301 else "Temporary Redirect"
    body = {"message": name, "url": url, "documentation_url": DOCS}
    return json_answer(body, status, location=url)


_SIGN_ON = (
    "Resource protected by organization SAML enforcement. "
    "You must grant your Personal Access token access to this organization."
)
_RESTRICTED = (
    "Although you appear to have the correct authorization credentials, the `{org}` organization "
    "has enabled OAuth App access restrictions, meaning that data access to third-parties is "
    "limited."
)
