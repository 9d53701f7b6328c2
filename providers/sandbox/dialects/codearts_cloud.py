"""The rest of Huawei Cloud that CodeArts leans on: IAM tokens, who signed, tokens for downloads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.codearts_rules import (
    API,
    DOWNLOAD,
    OTHER,
    asker,
    domain,
    ended,
    not_found,
    refuse,
    unauthorized,
    user_id,
)
from providers.sandbox.records import Account, Token
from providers.sandbox.wire import Answer, empty, json_answer
from providers.sandbox.world import Site

LIFE = 86_400.0
SHORTEST, LONGEST = 900, 86_400
PASSWORD = "sandbox-password"  # noqa: S105 - a made-up password of made-up people
WHOLE_DOMAIN = "domain"
"""`owner` of an IAM token that is for no project: repositories refuse it."""
routes: Routes[Call] = Routes()


def iam_token(
    site: Site, login: str, name: str, scopes: list[str], expires: float | None, *, fixed: bool
) -> Token:
    """Real ones are signed structures of more than a thousand characters."""
    return site.add_token(
        prefix="MIIP",
        length=1400,
        fixed=fixed,
        name=name,
        login=login,
        kind="iam",
        scopes=scopes,
        expires=expires,
    )


@routes.on("POST", "/v3/auth/tokens", OTHER)
def issue(call: Call) -> Answer:
    """By user name and password; the token is a header of the answer."""
    auth = call.request.fields.get("auth", {})
    user = auth.get("identity", {}).get("password", {}).get("user", {})
    account = call.site.account(str(user.get("name", "")))
    if account is None or user.get("password") != PASSWORD:
        return iam_refusal(401, "The username or password is wrong.")
    if user.get("domain", {}).get("name") != domain(account)[1]:
        return iam_refusal(401, "The username or password is wrong.")
    scopes = next(t.scopes for t in call.site.tokens.values() if t.login == account.login)
    made = iam_token(
        call.site, account.login, "issued", scopes, call.world.now() + LIFE, fixed=False
    )
    if "project" not in auth.get("scope", {}):
        made.owner = WHOLE_DOMAIN
    return json_answer({"token": _told(call, made)}, 201, None, x_subject_token=made.text)


@routes.on("GET", "/v3/auth/tokens", OTHER)
def check(call: Call) -> Answer:
    """What an IAM token says of itself."""
    token = asker(call)
    subject = call.site.tokens.get(call.request.headers.get("x-subject-token", ""))
    if isinstance(token, Answer) or subject is None or subject.kind != "iam":
        return iam_refusal(401, "The request you have made requires authentication.")
    state = subject.state(call.world.now())
    if state != "active":
        why = "The token is expired." if state == "expired" else "The token must be updated"
        return iam_refusal(401, why)
    if call.site.accounts[subject.login].state != "active":
        return iam_refusal(403, "The account is suspended or in arrears.")
    return json_answer({"token": _told(call, subject)})


def iam_refusal(status: int, message: str) -> Answer:
    """IAM nests its errors."""
    title = {401: "Unauthorized", 403: "Forbidden"}[status]
    return json_answer({"error": {"code": status, "message": message, "title": title}}, status)


def _told(call: Call, token: Token) -> dict[str, Any]:
    account = call.site.accounts[token.login]
    number, name = domain(account)
    said = {
        "methods": ["password"],
        "issued_at": _micro(token.created),
        "catalog": [],
        "roles": [{"id": "0", "name": "te_admin"}],
        "user": {
            "id": user_id(account),
            "name": account.login,
            "domain": {"id": number, "name": name},
            "password_expires_at": "",
        },
    }
    if token.owner != WHOLE_DOMAIN:
        said["project"] = {"id": "0" * 32, "name": "cn-north-4", "domain": {"id": number}}
    if token.expires is not None:
        said["expires_at"] = _micro(token.expires)
    return said


def _micro(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


@routes.on("GET", "/v5/caller-identity", OTHER)
def who_signed(call: Call) -> Answer:
    """STS takes signatures only."""
    pair = asker(call)
    if isinstance(pair, Answer) or pair.kind == "iam":
        return unauthorized()
    state = pair.state(call.world.now())
    if state != "active":
        return ended() if state == "expired" else unauthorized()
    account = call.site.accounts[pair.login]
    if account.state != "active":
        return refuse(403, "PAP5.0061", "The account is suspended or in arrears.")
    return json_answer(identity(account))


def identity(account: Account) -> dict[str, str]:
    number, _ = domain(account)
    return {
        "account_id": number,
        "principal_id": user_id(account),
        "principal_urn": f"iam::{number}:user:{account.login}",
    }


# -- tokens for downloads --------------------------------------------------------------------------

BEARERS = f"{API}/users/impersonation-bearer-tokens"


@routes.on("POST", BEARERS, DOWNLOAD)
def mint(call: Call) -> Answer:
    """A token for git that ends by itself. It acts for whoever asked, and ends with them."""
    assert call.token is not None  # noqa: S101 - the route needs a credential
    asked = call.request.fields
    seconds = asked.get("duration", LONGEST)
    whole = isinstance(seconds, int) and SHORTEST <= seconds <= LONGEST
    if not whole or asked.get("scopes") != ["download"] or not asked.get("name"):
        return refuse(400, "CH.00400001", "参数不合法")
    made = call.site.add_token(
        prefix="",
        length=44,
        name=f"bearer:{asked['name']}",
        login=call.token.login,
        kind="bearer",
        scopes=["download"],
        expires=call.world.now() + seconds,
        family=call.token.id,
    )
    said = {"id": made.id, "name": asked["name"], "token": made.text, "scopes": made.scopes}
    return json_answer({**said, "expires_at": _micro(made.expires or 0)}, 201)


@routes.on("DELETE", f"{BEARERS}/{{id}}", DOWNLOAD)
def unmint(call: Call) -> Answer:
    for token in call.site.tokens.values():
        mine = token.login == call.login and token.kind == "bearer" and not token.revoked
        if mine and token.id == call.number("id"):
            token.revoked = True
            return empty()
    return not_found()


@routes.on("GET", f"{API}/users/impersonation-tokens", DOWNLOAD)
def personal(call: Call) -> Answer:
    """Tokens that people made for themselves: nobody did."""
    return json_answer([])
