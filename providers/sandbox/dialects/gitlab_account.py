"""GitLab: the server's version, who the caller is, and what a token says about itself."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from providers.sandbox import oauth
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.gitlab_rules import (
    ANY,
    API,
    READ,
    USER,
    insufficient_scope,
    member,
    not_found,
    number,
    paged,
    release,
    role,
    say,
    unauthorized,
    version_text,
)
from providers.sandbox.records import Account, Token
from providers.sandbox.wire import Answer, empty, json_answer

LONGEST = 365
"""Days a token may live: default and maximum since 16.0."""
routes: Routes[Call] = Routes()


@routes.on("GET", f"{API}/version", USER)
def version(call: Call) -> Answer:
    return json_answer({"version": version_text(call), "revision": "5a9db0c0ffe"})


@routes.on("GET", f"{API}/metadata", USER)
def metadata(call: Call) -> Answer:
    if release(call) < (15, 2):
        return json_answer({"error": "404 Not Found"}, 404)
    said = {
        "version": version_text(call),
        "revision": "5a9db0c0ffe",
        "kas": {"enabled": False, "externalUrl": None, "version": None},
        "enterprise": True,
    }
    return json_answer(said)


@routes.on("GET", f"{API}/user", USER)
def user(call: Call) -> Answer:
    assert call.account is not None  # noqa: S101 - the route needs a token
    more = {
        "email": f"{call.account.login}@sandbox.example",
        "two_factor_enabled": True,
        "external": False,
        "private_profile": False,
        "is_admin": False,
    }
    return json_answer({**user_json(call, call.account), **more})


@routes.on("GET", f"{API}/users")
def users(call: Call) -> Answer:
    """By name; anybody may ask, as long as the server's profiles are public."""
    if call.account is None and call.switched("private_profiles") is not None:
        return say(403, "Forbidden")
    account = call.site.account(call.request.args.get("username", ""))
    found = [] if account is None or account.kind == "Group" else [account]
    return json_answer([user_json(call, one) for one in found])


def user_json(call: Call, account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.login,
        "name": account.name,
        "state": account.state,
        "locked": False,
        "avatar_url": None,
        "web_url": f"{call.base}/{account.login}",
        "created_at": "2024-01-01T00:00:00.000Z",
        "bot": account.kind == "Bot",
    }


@routes.on("GET", f"{API}/groups", READ)
def groups(call: Call) -> Answer:
    least = number(call, "min_access_level", 1)
    mine = [
        a
        for a in call.site.accounts.values()
        if a.kind == "Group" and a.members.get(call.login, 0) >= least
    ]
    page, headers = paged(call, mine)
    return json_answer([_group(call, a) for a in page], headers=headers)


def _group(call: Call, account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "path": account.login.rpartition("/")[2],
        "full_path": account.login,
        "visibility": "private",
        "web_url": f"{call.base}/groups/{account.login}",
    }


# -- the token itself ----------------------------------------------------------------------------

SELF = f"{API}/personal_access_tokens/self"


def _own(call: Call) -> Token | None:
    """The personal, group or project token of this call; an OAuth token is none."""
    token = call.token
    return token if token is not None and token.kind in {"pat", "project", "group"} else None


@routes.on("GET", SELF, ANY)
def inspect(call: Call) -> Answer:
    token = _own(call)
    if release(call) < (15, 5) or token is None:
        return not_found()
    return json_answer(token_json(call, token))


@routes.on("GET", f"{SELF}/associations", ANY)
def associations(call: Call) -> Answer:
    """The groups and projects a token reaches, from 17.4."""
    if release(call) < (17, 4) or _own(call) is None:
        return not_found()
    least = number(call, "min_access_level", 1)
    projects = [
        {
            "id": p.id,
            "path_with_namespace": p.path,
            "access_levels": {"project_access_level": role(call, p)},
        }
        for p in call.site.repositories.values()
        if member(call, p) and role(call, p) >= least
    ]
    mine = [a for a in call.site.accounts.values() if a.members.get(call.login, 0) >= least]
    return json_answer({"groups": [_group(call, a) for a in mine], "projects": projects})


@routes.on("DELETE", SELF, ANY)
def revoke(call: Call) -> Answer:
    """From 15.0 with `api`, from 15.4 with any scope."""
    token = _own(call)
    if token is None:
        return say(400, "Bad request - Personal access token required")
    if release(call) < (15, 4) and "api" not in token.scopes:
        return insufficient_scope(["api"])
    token.revoked = True
    return empty()


@routes.on("POST", f"{SELF}/rotate", ANY)
def rotate(call: Call) -> Answer:
    """A successor from 16.10; without `expires_at` it lives one week."""
    token = _own(call)
    if release(call) < (16, 10) or token is None:
        return json_answer({"error": "404 Not Found"}, 404)
    if not {"api", "self_rotate"} & set(token.scopes):
        return say(403, "Forbidden")
    today = datetime.fromtimestamp(call.world.now(), UTC).date()
    asked = call.request.fields.get("expires_at") or call.request.args.get("expires_at")
    try:
        end = date.fromisoformat(str(asked)) if asked else today + timedelta(days=7)
    except ValueError:
        return json_answer({"error": "expires_at is invalid"}, 400)
    if not today < end <= today + timedelta(days=LONGEST):
        return say(400, "Bad request - Expiration date must be within the allowed lifetime")
    fresh = oauth.successor(call.site, token, prefix="glpat-", length=26, expires=midnight(end))
    return json_answer({**token_json(call, fresh), "token": fresh.text})


@routes.on("GET", f"{API}/personal_access_tokens/{{id}}", ANY)
def by_number(call: Call) -> Answer:
    for token in call.site.tokens.values():
        if token.id == call.number("id") and token.login == call.login and token.kind == "pat":
            return json_answer(token_json(call, token))
    return unauthorized() if call.token is None else not_found()


def token_json(call: Call, token: Token) -> dict[str, Any]:
    account = call.site.accounts[token.login]
    state = token.state(call.world.now())
    return {
        "id": token.id,
        "name": token.name,
        "revoked": token.revoked,
        "created_at": moment(token.created),
        "description": None,
        "scopes": token.scopes,
        "user_id": account.id,
        "last_used_at": moment(_ten_minutes(token.used)),
        "active": state == "active",
        "expires_at": None if token.expires is None else _day(token.expires),
    }


def midnight(day: date) -> float:
    """A token dies at 00:00 UTC of its date."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _ten_minutes(at: float | None) -> float | None:
    """`last_used_at` is written every ten minutes at most."""
    return None if at is None else at // 600 * 600


def moment(at: float | None) -> str | None:
    if at is None:
        return None
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return re.sub(r"\+00:00$", "Z", text)
