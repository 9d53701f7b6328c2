"""The part of OAuth that platforms share: sign-in, consent, codes, PKCE and refresh tokens.

What a platform answers on its token endpoint differs too much to share; a dialect turns `Refused`
into its own words.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from providers.sandbox import pages
from providers.sandbox.dialect import Call
from providers.sandbox.records import App, Code, Token
from providers.sandbox.wire import Answer, redirect
from providers.sandbox.world import Site

CODE_LIFE = 600.0
"""Seconds; GitHub and GitLab both say ten minutes."""


class Refused(Exception):
    """Why a token is not issued: client, code, redirect, verifier, refresh, scope."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Flow:
    """How a platform's consent differs. `grant(call, app, login, asked)` is what is granted and
    may raise Refused("scope"); `denial` is the description sent back after Cancel."""

    label: str
    authorize: str
    sign_in: str
    denial: str
    grant: Callable[[Call, App, str, list[str]], list[str]]
    needs_response_type: bool = False


def authorize(call: Call, flow: Flow) -> Answer:
    """GET of the authorize address: sign in, then ask, or return at once."""
    asked = call.request.args
    app = call.site.apps.get(asked.get("client_id", ""))
    if app is None:
        return pages.refusal("Unknown application", "No application has this client id.", 404)
    if not is_loopback(asked.get("redirect_uri", "")):
        return pages.refusal("Wrong address", "The redirect address is not registered.", 400)
    if problem := _problem(asked, flow):
        return _back(asked, error=problem, error_description="The request is not valid.")
    login = _signed_in(call)
    if not login or asked.get("prompt") in {"select_account", "login"}:
        return _to_sign_in(call, flow)
    try:
        scopes = flow.grant(call, app, login, asked.get("scope", "").replace(",", " ").split())
    except Refused:
        return _back(asked, error="invalid_scope", error_description="The scope is not valid.")
    if set(scopes) <= set(call.site.consents.get(f"{app.client_id}|{login}", ["\0"])):
        return _with_code(call, app, login, scopes)
    action = f"{call.base}{flow.authorize}?{call.request.query}"
    return pages.consent(flow.label, app.name, login, scopes, action)


def decide(call: Call, flow: Flow) -> Answer:
    """POST of the consent page."""
    asked = call.request.args
    app = call.site.apps.get(asked.get("client_id", ""))
    login = _signed_in(call)
    if app is None or not login or not is_loopback(asked.get("redirect_uri", "")):
        return pages.refusal("Start again", "This page is no longer valid.", 400)
    if call.request.fields.get("decision") != "authorize":
        return _back(asked, error="access_denied", error_description=flow.denial)
    scopes = flow.grant(call, app, login, asked.get("scope", "").replace(",", " ").split())
    known = call.site.consents.get(f"{app.client_id}|{login}", [])
    call.site.consents[f"{app.client_id}|{login}"] = sorted({*known, *scopes})
    return _with_code(call, app, login, scopes)


def sign_in_page(call: Call, flow: Flow) -> Answer:
    people = [a for a in call.site.accounts.values() if a.signs_in]
    back = call.request.args.get("return_to", "")
    return pages.sign_in(flow.label, f"{call.base}{flow.sign_in}", back, people)


def sign_in(call: Call) -> Answer:
    """POST of the sign-in page: remember the account by cookie and go back."""
    account = call.site.account(str(call.request.fields.get("account", "")))
    if account is None or not account.signs_in:
        return pages.refusal("Sign-in failed", "This account cannot sign in.", 403)
    key = secrets.token_urlsafe(16)
    call.site.sessions[key] = account.login
    back = str(call.request.fields.get("return_to", ""))
    target = call.base + back if back.startswith("/") and not back.startswith("//") else call.base
    cookie = f"sandbox_{call.site.slug}={key}; Path=/{call.site.slug}; HttpOnly; SameSite=Lax"
    return redirect(target, 303, set_cookie=cookie)


def client(call: Call) -> App:
    """The app that proves itself in the body or by HTTP Basic. Raises Refused("client")."""
    fields = call.request.fields
    asked = str(fields.get("client_id", "")), str(fields.get("client_secret", ""))
    name, secret = call.request.basic or asked
    app = call.site.apps.get(name)
    if app is None or not hmac.compare_digest(app.secret.encode(), secret.encode()):
        raise Refused("client")
    return app


def redeem(call: Call, app: App) -> Code:
    """Trade in the code of the request, once. Raises Refused (code, redirect, verifier)."""
    fields = call.request.fields
    code = call.site.codes.get(str(fields.get("code", "")))
    if code is None or code.used or code.client_id != app.client_id:
        raise Refused("code")
    if call.world.now() > code.created + CODE_LIFE:
        raise Refused("code")
    if str(fields.get("redirect_uri", code.redirect_uri)) != code.redirect_uri:
        raise Refused("redirect")
    if code.challenge and challenge(str(fields.get("code_verifier", ""))) != code.challenge:
        raise Refused("verifier")
    code.used = True
    return code


def refreshable(call: Call, app: App) -> Token:
    """The token whose refresh token the request carries. Raises Refused("refresh").

    A revoked token takes its refresh token along; one that merely ended does not. With the switch
    `family_kill` a refresh token used twice ends its whole family.
    """
    text = str(call.request.fields.get("refresh_token", ""))
    found = [t for t in call.site.tokens.values() if t.refresh and t.refresh == text]
    if not found or found[0].client_id != app.client_id:
        raise Refused("refresh")
    token = found[0]
    if token.refresh_used and call.switched("family_kill") is not None:
        call.site.kill_family(token)
    over = token.refresh_expires is not None and token.refresh_expires <= call.world.now()
    if token.revoked or over:
        raise Refused("refresh")
    return token


def successor(site: Site, token: Token, **facts: Any) -> Token:
    """The next token of a family; the old pair is dead from now on."""
    token.refresh_used, token.revoked = True, True
    kept = {
        "name": token.name,
        "login": token.login,
        "kind": token.kind,
        "scopes": list(token.scopes),
        "family": token.family,
        "generation": token.generation + 1,
        "client_id": token.client_id,
        "redirect_uri": token.redirect_uri,
        "owner": token.owner,
    }
    return site.add_token(**{**kept, **facts})


def challenge(verifier: str) -> str:
    """S256 of RFC 7636."""
    drawn = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(drawn).decode().rstrip("=")


def is_loopback(address: str) -> bool:
    """Whether a redirect address stays on this machine; any such address is registered."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(asked: Mapping[str, str], flow: Flow) -> str:
    if flow.needs_response_type and asked.get("response_type") != "code":
        return "unsupported_response_type"
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        return "invalid_request"
    return ""


def _signed_in(call: Call) -> str:
    login = call.site.sessions.get(call.request.cookies.get(f"sandbox_{call.site.slug}", ""), "")
    account = call.site.account(login)
    return login if account and account.signs_in else ""


def _to_sign_in(call: Call, flow: Flow) -> Answer:
    kept = [(k, v) for k, v in parse_qsl(call.request.query, True) if k != "prompt"]
    back = urlencode({"return_to": f"{flow.authorize}?{urlencode(kept)}"})
    return redirect(f"{call.base}{flow.sign_in}?{back}")


def _with_code(call: Call, app: App, login: str, scopes: list[str]) -> Answer:
    asked = call.request.args
    text = secrets.token_hex(10)
    call.site.codes[text] = Code(
        login=login,
        client_id=app.client_id,
        redirect_uri=asked["redirect_uri"],
        scopes=scopes,
        challenge=asked.get("code_challenge", ""),
        created=call.world.now(),
    )
    return _back(asked, code=text)


def _back(asked: Mapping[str, str], **extra: str) -> Answer:
    target = asked["redirect_uri"]
    if "state" in asked:
        extra["state"] = asked["state"]
    return redirect(f"{target}{'&' if '?' in target else '?'}{urlencode(extra)}")
