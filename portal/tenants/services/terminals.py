"""Signing in from a terminal: a person approves in their browser, the terminal fetches a token.

The browser carries a code to a port of the machine it runs on; the code is worth nothing without
the word that only the terminal knows (PKCE, RFC 7636; loopback redirect, RFC 8252 7.3). So a link
somebody else sent leads the approval to their victim's machine, where nobody waits for it, and the
token itself is in no address and in no browser.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing
from django.utils.translation import gettext as _

from portal.ground import redis
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access, roles
from portal.tenants.access import Actor
from portal.tenants.services import tokens
from portal.tenants.services.tokens import NewToken, TokenAsk

DAYS = 90
WANTED = (
    "instances:read",
    "bindings:read",
    "bindings:check",
    "bindings:write",
    "repositories:read",
    "webhooks:read",
    "deliveries:read",
    "deliveries:replay",
    "triggers:read",
    "triggers:write",
    "triggers:run",
    "endpoints:read",
    "leases:read",
    "leases:write",
)
"""What the commands need; a token has those of them that its owner's role allows."""

_LIFE = timedelta(minutes=2)
_SALT = "mooring.tenants.terminals"
_WORD = re.compile(r"[0-9A-Za-z_-]{43}")  # 32 bytes in base 64, as CHALLENGE and state are
_MOST_NAME = 40
_WAIT = 5  # seconds


@dataclass(frozen=True, slots=True)
class Ask:
    """What a terminal asks for: where the code goes, what it must fit, the machine's name."""

    challenge: str
    state: str
    port: int
    name: str


def read(query: Mapping[str, str]) -> Ask:
    """The wish in a page's address. Raises NotYours for what no terminal of ours would write."""
    challenge, state = query.get("challenge", ""), query.get("state", "")
    port = query.get("port", "")
    right = _WORD.fullmatch(challenge) and _WORD.fullmatch(state) and re.fullmatch(r"\d{4,5}", port)
    if not right or not 1024 <= int(port) <= 65535:
        raise NotYours
    letters = [one for one in query.get("name", "") if one.isprintable()]
    return Ask(
        challenge, state, int(port), "".join(letters)[:_MOST_NAME].strip() or _("a terminal")
    )


def approve(*, actor: Actor, ask: Ask) -> str:
    """The code the browser is to carry: good for two minutes, once, with the terminal's word."""
    if actor.person is None:
        raise NotYours
    approved = {
        "tenant": str(access.tenant_of(actor).pk),
        "person": str(actor.person.pk),
        "challenge": ask.challenge,
        "name": ask.name,
        "once": secrets.token_urlsafe(16),
    }
    return signing.dumps(approved, salt=_SALT)


def collect(*, code: str, verifier: str, ip: str, now: datetime) -> NewToken:
    """The token for an approved code: a personal one, which can do what the person may at each
    call. Raises NotYours for a code that is used, too old, of somebody who has left or of another
    terminal; Refusal X-SYS-02 when nobody can tell whether it is used."""
    try:
        approved = signing.loads(code, salt=_SALT, max_age=_LIFE)
    except signing.BadSignature:
        raise NotYours from None
    given = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    if not secrets.compare_digest(given.rstrip("="), approved["challenge"]):
        raise NotYours
    _spend(approved["once"])
    member = access.member(UUID(approved["tenant"]), UUID(approved["person"]))
    if member is None or not member.user.is_active:
        raise NotYours
    # The page asked for a recent sign-in; minutes have passed at most.
    actor = access.enter(member.user, member.tenant.slug, ip=ip, signed_in_at=now)
    scopes = [scope for scope in WANTED if roles.allows(actor.role, scope)]
    wish = TokenAsk(
        name=f"mooring, {approved['name']}",
        scopes=scopes,
        personal=True,
        expires_on=now.date() + timedelta(days=DAYS),
    )
    return tokens.create(actor=actor, ask=wish, now=now)


def _spend(once: str) -> None:
    try:
        first = redis.client().set(f"mooring:terminal:{once}", "1", nx=True, ex=_LIFE)
    except redis.Away:
        raise Refusal("X-SYS-02", retry_after=_WAIT, n=_WAIT) from None
    if not first:
        raise NotYours
