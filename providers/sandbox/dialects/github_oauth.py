"""GitHub's web flow: consent page and a token endpoint whose errors come with status 200."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from providers.sandbox import oauth
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.oauth import Flow, Refused
from providers.sandbox.records import App, Code, Token
from providers.sandbox.wire import Answer, Request, json_answer, redirect, text_answer
from providers.sandbox.world import Site

ACCESS_LIFE = 8 * 3600.0
REFRESH_LIFE = 184 * 86400.0
MOST_TOKENS = 10
SCOPES = frozenset(
    {
        "repo",
        "repo:status",
        "repo_deployment",
        "public_repo",
        "repo:invite",
        "security_events",
        "admin:repo_hook",
        "write:repo_hook",
        "read:repo_hook",
        "admin:org",
        "write:org",
        "read:org",
        "user",
        "read:user",
        "user:email",
        "workflow",
    }
)
INSIDE = {
    "repo": ["public_repo", "repo:status", "repo_deployment", "repo:invite", "security_events"],
    "admin:repo_hook": ["write:repo_hook", "read:repo_hook"],
    "write:repo_hook": ["read:repo_hook"],
    "admin:org": ["write:org", "read:org"],
    "write:org": ["read:org"],
    "user": ["read:user", "user:email"],
}
routes: Routes[Call] = Routes()


def _grant(call: Call, app: App, login: str, asked: list[str]) -> list[str]:
    """What GitHub would note: unknown scopes dropped, contained ones folded; an empty wish takes
    what was granted before."""
    if app.expiring:
        return []
    less = call.switched("grant_scopes")
    if less is not None:
        return sorted(less.replace(",", " ").split())
    if not asked:
        return call.site.consents.get(f"{app.client_id}|{login}", [])
    folded = {inner for scope in asked for inner in INSIDE.get(scope, [])}
    return sorted((set(asked) & SCOPES) - folded)


FLOW = Flow(
    label="GitHub",
    authorize="/login/oauth/authorize",
    sign_in="/login",
    denial="The user has denied your application access.",
    grant=_grant,
)
_SENTENCES = {
    "bad_verification_code": "The code passed is incorrect or expired.",
    "bad_refresh_token": "The refresh token passed is incorrect or expired.",
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "redirect_uri_mismatch": (
        "The redirect_uri MUST match the registered callback URL for this application."
    ),
    "unsupported_grant_type": "The grant type is not supported.",
}
_ERRORS = {
    "client": "incorrect_client_credentials",
    "code": "bad_verification_code",
    "verifier": "bad_verification_code",
    "redirect": "redirect_uri_mismatch",
    "refresh": "bad_refresh_token",
}


@routes.on("GET", FLOW.authorize)
def authorize(call: Call) -> Answer:
    return oauth.authorize(call, FLOW)


@routes.on("POST", FLOW.authorize)
def decide(call: Call) -> Answer:
    return oauth.decide(call, FLOW)


@routes.on("GET", "/")
@routes.on("GET", "")
def front(call: Call) -> Answer:
    return redirect(f"{call.base}{FLOW.sign_in}")


@routes.on("GET", FLOW.sign_in)
def sign_in_page(call: Call) -> Answer:
    return oauth.sign_in_page(call, FLOW)


@routes.on("POST", FLOW.sign_in)
def sign_in(call: Call) -> Answer:
    return oauth.sign_in(call)


@routes.on("POST", "/login/oauth/access_token")
def access_token(call: Call) -> Answer:
    try:
        app = oauth.client(call)
        token = _issue(call, app)
    except Refused as refused:
        error = _ERRORS[refused.reason]
        said = {"error": error, "error_description": _SENTENCES[error]}
        return _worded(call.request, said)
    return _worded(call.request, _spoken(call, token))


def _issue(call: Call, app: App) -> Token:
    kind = str(call.request.fields.get("grant_type", "authorization_code"))
    if kind == "refresh_token":
        old = oauth.refreshable(call, app)
        return oauth.successor(call.site, old, **_facts(call.site, app))
    code = oauth.redeem(call, app)
    token = issue(call.site, app, code.login, f"oauth:{code.login}", code.scopes)
    token.redirect_uri = code.redirect_uri
    _drop_oldest(call.site, code)
    return token


def issue(site: Site, app: App, login: str, name: str, scopes: list[str]) -> Token:
    """A fresh token of this app for an account."""
    return site.add_token(
        name=name,
        login=login,
        kind="app" if app.expiring else "oauth",
        scopes=scopes,
        client_id=app.client_id,
        **_facts(site, app),
    )


def _facts(site: Site, app: App) -> dict[str, Any]:
    """Shape and life of a token of this app."""
    if not app.expiring:
        return {"prefix": "gho_", "length": 40}
    now = site.world.now()
    return {
        "prefix": "ghu_",
        "length": 40,
        "expires": now + ACCESS_LIFE,
        "refresh": site.world.text("ghr_", 80),
        "refresh_expires": now + REFRESH_LIFE,
    }


def _drop_oldest(site: Site, code: Code) -> None:
    """At most ten tokens per user, app and set of scopes: the eleventh ends the oldest."""
    same = [
        t
        for t in site.tokens.values()
        if (t.login, t.client_id, t.scopes) == (code.login, code.client_id, code.scopes)
        and not t.revoked
    ]
    for token in same[:-MOST_TOKENS]:
        token.revoked = True


def _spoken(call: Call, token: Token) -> dict[str, Any]:
    said: dict[str, Any] = {"access_token": token.text}
    if token.refresh and token.expires is not None and token.refresh_expires is not None:
        now = call.world.now()
        said["expires_in"] = round(token.expires - now)
        said["refresh_token"] = token.refresh
        said["refresh_token_expires_in"] = round(token.refresh_expires - now)
    return {**said, "token_type": "bearer", "scope": ",".join(token.scopes)}


def _worded(request: Request, said: dict[str, Any]) -> Answer:
    """JSON only for those who ask for it; a form otherwise. Always 200."""
    if "json" in request.headers.get("accept", ""):
        return json_answer(said, cache_control="no-store")
    made = text_answer(urlencode(said), cache_control="no-store")
    made.headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
    return made
