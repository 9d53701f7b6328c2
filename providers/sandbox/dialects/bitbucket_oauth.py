"""Bitbucket's OAuth: long tokens for two hours, refresh tokens that rotate after a grace period."""

from __future__ import annotations

import hmac
from typing import Any

from providers.sandbox import oauth, pages
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.oauth import Flow, Refused
from providers.sandbox.records import App, Token
from providers.sandbox.wire import Answer, json_answer, redirect
from providers.sandbox.world import Site

LIFE = 7200.0
REFRESH_LIFE = 90 * 86_400.0
GRACE = 600.0
"""Seconds for which a refresh token serves after its first use."""
ACCESS_LENGTH, REFRESH_LENGTH = 2600, 2750
routes: Routes[Call] = Routes()

_MISSING = (
    "Client credentials missing; this request needs to be authenticated with the OAuth client id "
    "and secret"
)
_WORDS = {
    "client": (401, "unauthorized_client", "Invalid OAuth client credentials"),
    "no client": (401, "unauthorized_client", _MISSING),
    "code": (400, "invalid_grant", "The specified code is not valid."),
    "redirect": (400, "invalid_grant", "The redirect_uri does not match."),
    "refresh": (400, "invalid_grant", "Invalid refresh_token"),
    "grant_type": (400, "unsupported_grant_type", "Unsupported grant_type"),
}


def _grant(call: Call, app: App, login: str, asked: list[str]) -> list[str]:
    """What the consumer was registered with, whatever is asked for."""
    less = call.switched("grant_scopes")
    return list(app.scopes) if less is None else less.split()


FLOW = Flow(
    label="Bitbucket",
    authorize="/site/oauth2/authorize",
    sign_in="/account/signin/",
    denial="The authorization request was denied",
    grant=_grant,
    needs_response_type=True,
)


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


@routes.on("GET", "/account/settings/app-authorizations/")
def authorizations(call: Call) -> Answer:
    return pages.refusal("App authorizations", "The control API revokes tokens here.", 200)


@routes.on("POST", "/site/oauth2/access_token")
def token(call: Call) -> Answer:
    try:
        return json_answer(_spoken(call, _issue(call, _client(call))))
    except Refused as refused:
        status, word, sentence = _WORDS[refused.reason]
        return json_answer({"error_description": sentence, "error": word}, status)


def _client(call: Call) -> App:
    """By HTTP Basic alone: what stands in the body is not looked at."""
    if call.request.basic is None:
        raise Refused("no client")
    name, secret = call.request.basic
    app = call.site.apps.get(name)
    if app is None or not hmac.compare_digest(app.secret.encode(), secret.encode()):
        raise Refused("client")
    return app


def _issue(call: Call, app: App) -> Token:
    kind = call.request.fields.get("grant_type")
    if kind == "refresh_token":
        return _refreshed(call, app)
    if kind != "authorization_code":
        raise Refused("grant_type")
    code = oauth.redeem(call, app)
    return issue(call.site, app, code.login, f"oauth:{code.login}", code.scopes)


def _refreshed(call: Call, app: App) -> Token:
    """A new pair; access tokens of before live on to their end. The refresh token that was used
    serves ten minutes more. With `rotation_off` it is handed out again, as to older consumers."""
    now = call.world.now()
    text = str(call.request.fields.get("refresh_token", ""))
    known = [t for t in call.site.tokens.values() if t.refresh and t.refresh == text]
    if not known or known[0].revoked or known[0].client_id != app.client_id:
        raise Refused("refresh")
    old = known[0]
    keeps = call.switched("rotation_off") is not None
    first = call.site.spent.setdefault(f"refresh|{old.id}", int(now)) if not keeps else now
    if now > first + GRACE or (old.refresh_expires or 0) <= now:
        raise Refused("refresh")
    old.refresh_used = not keeps
    fresh = issue(call.site, app, old.login, old.name, list(old.scopes))
    fresh.family, fresh.generation = old.family, old.generation + 1
    if keeps:
        fresh.refresh = old.refresh
    return fresh


def issue(
    site: Site, app: App, login: str, name: str, scopes: list[str], *, fixed: bool = False
) -> Token:
    """A fresh pair of this consumer for an account."""
    now = site.world.now()
    return site.add_token(
        prefix="",
        length=ACCESS_LENGTH,
        fixed=fixed,
        name=name,
        login=login,
        kind="oauth",
        scopes=scopes,
        client_id=app.client_id,
        expires=now + LIFE,
        refresh=site.world.text("", REFRESH_LENGTH),
        refresh_expires=now + REFRESH_LIFE,
    )


def _spoken(call: Call, token: Token) -> dict[str, Any]:
    """`scopes`, not `scope`."""
    return {
        "access_token": token.text,
        "scopes": " ".join(token.scopes),
        "token_type": "bearer",
        "expires_in": round((token.expires or 0) - call.world.now()),
        "state": str(call.request.fields.get("grant_type")),
        "refresh_token": token.refresh,
    }
