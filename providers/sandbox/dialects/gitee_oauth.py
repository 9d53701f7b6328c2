"""Gitee's OAuth: tokens for one day, refresh tokens that need no client, errors in Chinese."""

from __future__ import annotations

from typing import Any

from providers.sandbox import oauth
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.oauth import Flow, Refused
from providers.sandbox.records import App, Token
from providers.sandbox.wire import Answer, json_answer, redirect, text_answer
from providers.sandbox.world import Site

LIFE = 86400.0
routes: Routes[Call] = Routes()


def _grant(call: Call, app: App, login: str, asked: list[str]) -> list[str]:
    """All or nothing: a scope the app was not registered with is refused."""
    less = call.switched("grant_scopes")
    if less is not None:
        return less.split()
    if not set(asked) <= set(app.scopes):
        raise Refused("scope")
    return asked or ["user_info"]


FLOW = Flow(
    label="Gitee",
    authorize="/oauth/authorize",
    sign_in="/login",
    denial="资源所有者或服务器拒绝了请求",
    grant=_grant,
    needs_response_type=True,
)
_ERRORS = {
    "client": ("invalid_client", "客户端认证失败，原因是未知客户端或未包含客户端认证"),
    "grant_type": ("unsupported_grant_type", "服务器不支持此类型的授权"),
}
_GRANT = ("invalid_grant", "授权无效、已过期或已被撤销，或与回调地址不符")


@routes.on("GET", FLOW.authorize)
def authorize(call: Call) -> Answer:
    return oauth.authorize(call, FLOW)


@routes.on("POST", FLOW.authorize)
def decide(call: Call) -> Answer:
    return oauth.decide(call, FLOW)


@routes.on("GET", FLOW.sign_in)
def sign_in_page(call: Call) -> Answer:
    return oauth.sign_in_page(call, FLOW)


@routes.on("POST", FLOW.sign_in)
def sign_in(call: Call) -> Answer:
    return oauth.sign_in(call)


@routes.on("GET", "/")
@routes.on("GET", "")
def front(call: Call) -> Answer:
    return redirect(f"{call.base}{FLOW.sign_in}")


@routes.on("POST", "/oauth/token")
def token(call: Call) -> Answer:
    """Whoever does not say who is asking is turned away, as if it were a matter of rights."""
    if not call.request.headers.get("user-agent"):
        return text_answer("Forbidden\n", 403)
    try:
        return json_answer(_spoken(_issue(call)), cache_control="no-store")
    except Refused as refused:
        error, text = _ERRORS.get(refused.reason, _GRANT)
        return json_answer({"error": error, "error_description": text}, 401)


def _issue(call: Call) -> Token:
    kind = call.request.fields.get("grant_type")
    if kind == "refresh_token":
        return oauth.successor(call.site, _refreshable(call), **_facts(call.site))
    app = oauth.client(call)
    if kind != "authorization_code":
        raise Refused("grant_type")
    code = oauth.redeem(call, app)
    return issue(call.site, app, code.login, f"oauth:{code.login}", code.scopes)


def _refreshable(call: Call) -> Token:
    """The refresh token alone is enough: it names its app."""
    text = str(call.request.fields.get("refresh_token", ""))
    known = next((t for t in call.site.tokens.values() if text and t.refresh == text), None)
    if known is None:
        raise Refused("refresh")
    return oauth.refreshable(call, call.site.apps[known.client_id])


def issue(site: Site, app: App, login: str, name: str, scopes: list[str]) -> Token:
    """A fresh pair of this app for an account."""
    return site.add_token(
        name=name,
        login=login,
        kind="oauth",
        scopes=scopes,
        client_id=app.client_id,
        **_facts(site),
    )


def _facts(site: Site) -> dict[str, Any]:
    """Shape and life of a pair."""
    return {
        "prefix": "",
        "length": 32,
        "expires": site.world.now() + LIFE,
        "refresh": site.world.text("", 64),
    }


def _spoken(fresh: Token) -> dict[str, Any]:
    """`expires_in` is the whole life, counted from `created_at`."""
    return {
        "access_token": fresh.text,
        "token_type": "bearer",
        "expires_in": int(LIFE),
        "refresh_token": fresh.refresh,
        "scope": " ".join(fresh.scopes),
        "created_at": int(fresh.created),
    }
