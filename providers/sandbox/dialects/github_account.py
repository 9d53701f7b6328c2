"""GitHub: who the caller is, what is left of the hour, organizations, and an app's own calls."""

from __future__ import annotations

import re
from typing import Any

from providers.sandbox import oauth
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.github_rules import (
    API,
    account_json,
    has_scope,
    iso,
    node,
    not_found,
    paged,
    refuse,
)
from providers.sandbox.records import App, Token
from providers.sandbox.wire import Answer, empty, json_answer

routes: Routes[Call] = Routes()
CLIENT = re.compile(f"{API}/applications/.+")


def is_client(path: str) -> bool:
    """Whether Basic credentials are those of an app, not of a user."""
    return CLIENT.fullmatch(path) is not None


def left(call: Call, hourly: int, anonymous: int) -> int:
    limit = hourly if call.account else anonymous
    return limit - call.site.spent.get(_hour(call), 0)


def budget(call: Call, hourly: int, anonymous: int, *, counts: bool) -> dict[str, int | str]:
    """The rate-limit headers after this call; `counts`: it takes one from the budget."""
    key, limit = _hour(call), hourly if call.account else anonymous
    used = min(call.site.spent.get(key, 0) + (1 if counts else 0), limit)
    call.site.spent[key] = used
    reset = (int(call.world.now()) // 3600 + 1) * 3600
    core = {"limit": limit, "remaining": limit - used, "used": used, "reset": reset}
    return {**core, "resource": "core"}


def _hour(call: Call) -> str:
    """Budgets are per user and hour, shared by all tokens of the user."""
    return f"{int(call.world.now()) // 3600}|{call.login}"


@routes.on("GET", f"{API}/meta")
def meta(call: Call) -> Answer:
    return json_answer({"verifiable_password_authentication": False, "installed_version": "3.19.1"})


@routes.on("GET", API)
@routes.on("GET", f"{API}/")
def root(call: Call) -> Answer:
    api = f"{call.base}{API}"
    return json_answer(
        {
            "current_user_url": f"{api}/user",
            "repository_url": f"{api}/repos/{{owner}}/{{repo}}",
            "rate_limit_url": f"{api}/rate_limit",
        }
    )


@routes.on("GET", f"{API}/versions")
def versions(call: Call) -> Answer:
    return json_answer(["2026-03-10", "2022-11-28"])


@routes.on("GET", f"{API}/rate_limit")
def rate_limit(call: Call) -> Answer:
    core = budget(call, 5000, 60, counts=False)
    return json_answer({"resources": {"core": core}, "rate": core})


@routes.on("GET", f"{API}/user")
def user(call: Call) -> Answer:
    if call.account is None:
        return refuse(401, "Requires authentication")
    more = {
        "name": call.account.name,
        "company": None,
        "email": None,
        "created_at": "2024-01-01T00:00:00Z",
        "two_factor_authentication": True,
    }
    return json_answer({**account_json(call, call.login), **more})


@routes.on("GET", f"{API}/users/{{login}}")
def somebody(call: Call) -> Answer:
    account = call.site.account(call.parts["login"])
    if account is None:
        return not_found()
    return json_answer({**account_json(call, account.login), "name": account.name})


@routes.on("GET", f"{API}/user/orgs", "admin:org, read:org, repo, user, write:org")
def organizations(call: Call) -> Answer:
    if call.account is None:
        return refuse(401, "Requires authentication")
    if not has_scope(call, "read:org", "admin:org", "user"):
        return refuse(
            403, "You need at least read:org scope or user scope to list your organizations."
        )
    mine = [a for a in call.site.accounts.values() if call.login in a.members]
    shown, headers = paged(call, mine, "/user/orgs")
    return json_answer([_organization(call, a.login) for a in shown], headers=headers)


@routes.on("GET", f"{API}/orgs/{{login}}")
def organization(call: Call) -> Answer:
    account = call.site.account(call.parts["login"])
    if account is None or account.kind != "Organization":
        return not_found()
    return json_answer(_organization(call, account.login))


def _organization(call: Call, login: str) -> dict[str, Any]:
    account = call.site.accounts[login]
    return {
        "login": login,
        "id": account.id,
        "node_id": node("O", account.id),
        "url": f"{call.base}{API}/orgs/{login}",
        "avatar_url": f"{call.base}/avatars/u/{account.id}?v=4",
        "description": account.name,
    }


# -- an app speaks for itself: Basic client_id:client_secret ------------------------------------


def _app(call: Call) -> App | None:
    basic = call.request.basic
    app = call.site.apps.get(call.parts["client"])
    return app if app and basic == (app.client_id, app.secret) else None


def _own_token(call: Call, app: App) -> Token | None:
    token = call.site.tokens.get(str(call.request.fields.get("access_token", "")))
    if token is None or token.client_id != app.client_id or not call.site.alive(token):
        return None
    return token


@routes.on("POST", f"{API}/applications/{{client}}/token")
def check_token(call: Call) -> Answer:
    app = _app(call)
    if app is None:
        return refuse(401, "Bad credentials")
    if not call.request.fields.get("access_token"):
        return refuse(422, "Validation Failed")
    token = _own_token(call, app)
    return json_answer(_authorization(call, app, token)) if token else not_found()


@routes.on("PATCH", f"{API}/applications/{{client}}/token")
def reset_token(call: Call) -> Answer:
    """A new token in place of the old one, at once."""
    app = _app(call)
    token = _own_token(call, app) if app else None
    if app is None:
        return refuse(401, "Bad credentials")
    if token is None:
        return refuse(422, "Validation Failed")
    prefix = token.text[:4]
    fresh = oauth.successor(call.site, token, prefix=prefix, length=40, expires=token.expires)
    return json_answer(_authorization(call, app, fresh))


@routes.on("DELETE", f"{API}/applications/{{client}}/token")
def delete_token(call: Call) -> Answer:
    app = _app(call)
    token = _own_token(call, app) if app else None
    if app is None:
        return refuse(401, "Bad credentials")
    if token is None:
        return refuse(422, "Validation Failed")
    token.revoked = True
    return empty()


@routes.on("DELETE", f"{API}/applications/{{client}}/grant")
def delete_grant(call: Call) -> Answer:
    """Every token of that user for this app, and the consent."""
    app = _app(call)
    token = _own_token(call, app) if app else None
    if app is None:
        return refuse(401, "Bad credentials")
    if token is None:
        return refuse(422, "Validation Failed")
    for other in call.site.tokens.values():
        if other.login == token.login and other.client_id == app.client_id:
            other.revoked = True
    call.site.consents.pop(f"{app.client_id}|{token.login}", None)
    return empty()


def _authorization(call: Call, app: App, token: Token) -> dict[str, Any]:
    made = iso(token.created)
    return {
        "id": token.id,
        "url": f"{call.base}{API}/authorizations/{token.id}",
        "app": {"client_id": app.client_id, "name": app.name, "url": call.base},
        "token": token.text,
        "hashed_token": "",
        "token_last_eight": token.text[-8:],
        "note": None,
        "note_url": None,
        "created_at": made,
        "updated_at": made,
        "scopes": token.scopes,
        "fingerprint": None,
        "expires_at": iso(token.expires) if token.expires is not None else None,
        "user": account_json(call, token.login),
        "installation": None,
    }
