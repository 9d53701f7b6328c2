"""Gitea's OAuth: tokens for an hour, refresh tokens that count, one error word for two troubles."""

from __future__ import annotations

import hmac
from typing import Any

from providers.sandbox import oauth, pages
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.gitea_rules import release, version
from providers.sandbox.oauth import Flow, Refused
from providers.sandbox.records import App, Token
from providers.sandbox.wire import Answer, json_answer, redirect
from providers.sandbox.world import Site

LIFE = 3600.0
REFRESH_LIFE = 730 * 3600.0
ACCESS = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJnbnQiOjEsInR0IjowfQ."
REFRESH = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJnbnQiOjEsInR0IjoxfQ."
routes: Routes[Call] = Routes()

# Word and sentence of each refusal: routers/web/auth/oauth2_provider.go of Gitea.
_WORDS = {
    "unknown client": ("invalid_client", "cannot load client with client id"),
    "client": ("unauthorized_client", "invalid client secret"),
    "redirect": ("unauthorized_client", "unexpected redirect URI"),
    "code": ("unauthorized_client", "client is not authorized"),
    "verifier": ("unauthorized_client", "failed PKCE code challenge"),
    "unreadable": ("unauthorized_client", "unable to parse refresh token"),
    "used": ("unauthorized_client", "token was already used"),
    "grant": ("invalid_grant", "grant does not exist"),
    "grant_type": (
        "unsupported_grant_type",
        "Only refresh_token or authorization_code grant type is supported",
    ),
}


def _grant(call: Call, app: App, login: str, asked: list[str]) -> list[str]:
    """Scopes are known since 1.23; before, every token could do everything."""
    less = call.switched("grant_scopes")
    if less is not None:
        return less.split()
    return asked if asked and release(version(call)) >= (1, 23) else ["all"]


FLOW = Flow(
    label="Gitea",
    authorize="/login/oauth/authorize",
    sign_in="/user/login",
    denial="the request is denied",
    grant=_grant,
    needs_response_type=True,
)


@routes.on("GET", FLOW.authorize)
def authorize(call: Call) -> Answer:
    """The second time it returns at once, without a page."""
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
    return redirect(f"{call.base}{FLOW.sign_in}", 303)


@routes.on("GET", "/user/settings/applications")
def token_page(call: Call) -> Answer:
    return pages.refusal("Applications", "Tokens come from the control API here.", 200)


@routes.on("GET", "/.well-known/openid-configuration")
def discovery(call: Call) -> Answer:
    said = {
        "issuer": call.base,
        "authorization_endpoint": f"{call.base}{FLOW.authorize}",
        "token_endpoint": f"{call.base}/login/oauth/access_token",
        "response_types_supported": ["code", "id_token"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
    }
    return json_answer(said)


@routes.on("POST", "/login/oauth/access_token")
def token(call: Call) -> Answer:
    try:
        return json_answer(_spoken(call, _issue(call, _client(call))))
    except Refused as refused:
        word, sentence = _WORDS[refused.reason]
        return json_answer({"error": word, "error_description": sentence}, 400)


def _client(call: Call) -> App:
    """A wrong secret is an unauthorized client, as a spent refresh token is."""
    fields = call.request.fields
    asked = str(fields.get("client_id", "")), str(fields.get("client_secret", ""))
    name, secret = call.request.basic or asked
    app = call.site.apps.get(name)
    if app is None:
        raise Refused("unknown client")
    if not hmac.compare_digest(app.secret.encode(), secret.encode()):
        raise Refused("client")
    return app


def _issue(call: Call, app: App) -> Token:
    kind = call.request.fields.get("grant_type")
    life = float(call.switched("token_life") or LIFE)
    if kind == "refresh_token":
        return _refreshed(call, app, life)
    if kind != "authorization_code":
        raise Refused("grant_type")
    code = oauth.redeem(call, app)
    return issue(call.site, app, code.login, f"oauth:{code.login}", code.scopes, life=life)


def _refreshed(call: Call, app: App, life: float) -> Token:
    """A new pair. The old access token lives on to its end; the old refresh token only where the
    owner of the server left INVALIDATE_REFRESH_TOKENS off (the switch `rotation_off`)."""
    text = str(call.request.fields.get("refresh_token", ""))
    known = [t for t in call.site.tokens.values() if t.refresh and t.refresh == text]
    if not known or (known[0].refresh_expires or 0) <= call.world.now():
        raise Refused("unreadable")
    old = known[0]
    if old.revoked or old.client_id != app.client_id:
        raise Refused("grant")
    if old.refresh_used and call.switched("rotation_off") is None:
        raise Refused("used")
    old.refresh_used = True
    fresh = issue(call.site, app, old.login, old.name, list(old.scopes), life=life)
    fresh.family, fresh.generation = old.family, old.generation + 1
    return fresh


def issue(
    site: Site,
    app: App,
    login: str,
    name: str,
    scopes: list[str],
    *,
    life: float = LIFE,
    fixed: bool = False,
) -> Token:
    """A fresh pair of this app for an account; both halves look like signed web tokens."""
    now = site.world.now()
    return site.add_token(
        prefix=ACCESS,
        length=480,
        fixed=fixed,
        name=name,
        login=login,
        kind="oauth",
        scopes=scopes,
        client_id=app.client_id,
        expires=now + life,
        refresh=site.world.text(REFRESH, 480),
        refresh_expires=now + REFRESH_LIFE,
    )


def _spoken(call: Call, token: Token) -> dict[str, Any]:
    """No scopes: Gitea does not tell them."""
    return {
        "access_token": token.text,
        "token_type": "bearer",
        "expires_in": round((token.expires or 0) - call.world.now()),
        "refresh_token": token.refresh,
    }
