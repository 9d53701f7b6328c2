"""GitLab's OAuth: consent page, tokens for two hours, refresh tokens that work once."""

from __future__ import annotations

from typing import Any

from providers.sandbox import oauth, pages
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.gitlab_rules import invalid_token
from providers.sandbox.oauth import Flow, Refused
from providers.sandbox.records import App, Token
from providers.sandbox.wire import Answer, json_answer, redirect
from providers.sandbox.world import Site

LIFE = 7200.0
routes: Routes[Call] = Routes()


def _grant(call: Call, app: App, login: str, asked: list[str]) -> list[str]:
    """All or nothing: a scope the app was not registered with is refused."""
    less = call.switched("grant_scopes")
    if less is not None:
        return less.split()
    if not set(asked) <= set(app.scopes):
        raise Refused("scope")
    return asked or [app.scopes[0]]


FLOW = Flow(
    label="GitLab",
    authorize="/oauth/authorize",
    sign_in="/users/sign_in",
    denial="The resource owner or authorization server denied the request.",
    grant=_grant,
    needs_response_type=True,
)
_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the "
    "redirection URI used in the authorization request, or was issued to another client."
)
_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method."
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
    """Nobody is signed in: everything leads to the sign-in page."""
    return redirect(f"{call.base}{FLOW.sign_in}")


@routes.on("GET", "/-/user_settings/personal_access_tokens")
def token_page(call: Call) -> Answer:
    return pages.refusal("Personal access tokens", "Tokens come from the control API here.", 200)


@routes.on("POST", "/oauth/token")
def token(call: Call) -> Answer:
    try:
        app = oauth.client(call)
        return json_answer(_spoken(call, _issue(call, app)), cache_control="no-store")
    except Refused as refused:
        return _error(refused)


def _issue(call: Call, app: App) -> Token:
    kind = call.request.fields.get("grant_type")
    if kind == "refresh_token":
        old = oauth.refreshable(call, app)
        known = old.redirect_uri  # none of a pair that no consent page issued
        if known and call.request.fields.get("redirect_uri", known) != known:
            raise Refused("redirect")
        return oauth.successor(call.site, old, **_facts(call.site))
    if kind != "authorization_code":
        raise Refused("grant_type")
    code = oauth.redeem(call, app)
    fresh = issue(call.site, app, code.login, f"oauth:{code.login}", code.scopes)
    fresh.redirect_uri = code.redirect_uri
    return fresh


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
        "length": 64,
        "expires": site.world.now() + LIFE,
        "refresh": site.world.text("", 64),
    }


def _spoken(call: Call, token: Token) -> dict[str, Any]:
    return {
        "access_token": token.text,
        "token_type": "Bearer",
        "expires_in": round((token.expires or 0) - call.world.now()),
        "refresh_token": token.refresh,
        "scope": " ".join(token.scopes),
        "created_at": int(token.created),
    }


def _error(refused: Refused) -> Answer:
    if refused.reason == "client":
        error, text, status = "invalid_client", _CLIENT, 401
    elif refused.reason == "grant_type":
        error, text, status = "unsupported_grant_type", "The grant type is not supported.", 400
    else:
        error, text, status = "invalid_grant", _GRANT, 400
    wanted = f'Bearer realm="Doorkeeper", error="{error}"'
    body = {"error": error, "error_description": text}
    return json_answer(body, status, www_authenticate=wanted)


@routes.on("POST", "/oauth/revoke")
def revoke(call: Call) -> Answer:
    """Ends a pair by either half; an unknown token is no error (RFC 7009)."""
    try:
        app = oauth.client(call)
    except Refused:
        body = {"error": "unauthorized_client", "error_description": _CLIENT}
        return json_answer(body, 403)
    text = str(call.request.fields.get("token", ""))
    for known in call.site.tokens.values():
        if text and text in {known.text, known.refresh} and known.client_id == app.client_id:
            known.revoked = True
    return json_answer({})


@routes.on("GET", "/oauth/token/info")
def token_info(call: Call) -> Answer:
    known = call.site.tokens.get(call.request.bearer)
    if known is None or known.kind != "oauth" or not call.site.alive(known):
        return invalid_token("The access token is invalid")
    left = None if known.expires is None else round(known.expires - call.world.now())
    said = {
        "resource_owner_id": call.site.accounts[known.login].id,
        "scope": known.scopes,
        "expires_in": left,
        "application": {"uid": known.client_id},
        "created_at": int(known.created),
    }
    return json_answer(said)
