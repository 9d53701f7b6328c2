"""Exchange, refresh and revoke for every OAuth dialect: they belong to the host's app.

Each is one request with a deadline of its own and no second try: a code and a rotating refresh
token can be spent once, and only the caller knows what was stored before.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from providers.answer import Answer, by_gateway, failure_of
from providers.errors import BadAnswer, NotSupported, ProviderError, TokenRejected, Unreachable
from providers.http import Door
from providers.types import Can, Credential, Expiry, Host, Method, OAuthDialect, Quality, Rules

SECONDS = 90.0
"""Patience does no harm here, an early abort makes doubt (`security.md` 4)."""

LONGEST = 10 * 365 * 86_400.0
"""Seconds; a longer life is a mistake, not a promise."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
_WORD = re.compile(r"[a-z_]{1,64}")

# RFC 6749 5.2; the words with "bad" and "incorrect" are GitHub's.
_GRANT = frozenset({"invalid_grant", "bad_refresh_token", "bad_verification_code"})
_CLIENT = frozenset(
    {
        *("invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"),
        *("incorrect_client_credentials", "redirect_uri_mismatch"),
    }
)
# routers/web/auth/oauth2_provider.go of Gitea: used before; its signature or its time is over.
_SPENT = re.compile(r"already used|parse refresh token")
_LATER = frozenset({"temporarily_unavailable", "server_error", "slow_down"})

Raw = Mapping[str, Any]


def exchange(
    host: Host,
    dialect: OAuthDialect,
    code: str,
    redirect_uri: str,
    verifier: str = "",
    *,
    door: Door,
    rules: Rules,
    now: datetime,
) -> Credential:
    """The credential behind an authorization code. `now`: when the request is sent (UTC).

    Raises TokenRejected("grant"), BadAnswer("client_config", …), Unreachable, RateLimited.
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if dialect.pkce and verifier:
        form["code_verifier"] = verifier
    raw = _ask(host, dialect, dialect.token, form, door, rules)
    return _renewed(Credential("", kind=Method.OAUTH), raw, now)


def refresh(
    host: Host,
    dialect: OAuthDialect,
    credential: Credential,
    redirect_uri: str = "",
    *,
    door: Door,
    rules: Rules,
    now: datetime,
) -> Credential:
    """The successor of `credential`. What the answer leaves out stays as it was.

    Raises what `exchange` raises, and NotSupported("refresh") without a refresh token.
    """
    if not credential.refresh_token:
        raise NotSupported(Can.REFRESH)
    form = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token}
    if dialect.refresh_needs_redirect:
        form["redirect_uri"] = redirect_uri
    raw = _ask(host, dialect, dialect.token, form, door, rules, client=dialect.refresh_needs_client)
    return _renewed(credential, raw, now)


def revoke(host: Host, dialect: OAuthDialect, token: str, *, door: Door, rules: Rules) -> None:
    """End one token at the host (RFC 7009). A token that is dead already is no error.

    Raises NotSupported("revoke") where the dialect has no address for it.
    """
    if not dialect.revoke:
        raise NotSupported(Can.REVOKE)
    answer = _post(host, dialect, dialect.revoke, {"token": token}, door, rules)
    if not 200 <= answer.status < 300:
        raise _refusal(answer, _form_or_json(answer))


def _ask(
    host: Host,
    dialect: OAuthDialect,
    path: str,
    form: Mapping[str, str],
    door: Door,
    rules: Rules,
    *,
    client: bool = True,
) -> Raw:
    """The fields of a successful answer. An error may come with status 200 (GitHub)."""
    answer = _post(host, dialect, path, form, door, rules, client=client)
    raw = _form_or_json(answer)
    if not 200 <= answer.status < 300 or not raw.get("access_token"):
        raise _refusal(answer, raw)
    return raw


def _post(
    host: Host,
    dialect: OAuthDialect,
    path: str,
    form: Mapping[str, str],
    door: Door,
    rules: Rules,
    *,
    client: bool = True,
) -> Answer:
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    sent = dict(form)
    if client and dialect.basic_auth:
        pair = f"{host.client_id}:{host.client_secret}".encode()
        headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
    elif client:
        sent |= {"client_id": host.client_id, "client_secret": host.client_secret}
    return door.ask(
        "POST",
        host.base_url + path,
        rules=rules,
        headers=headers,
        body=urlencode(sent).encode(),
        seconds=SECONDS,
    )


def _form_or_json(answer: Answer) -> Raw:
    """The fields of an answer; none when it cannot be read and is no success either."""
    kind = answer.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        try:
            return dict(parse_qsl(answer.body.decode("ascii"), max_num_fields=64))
        except ValueError:
            raise BadAnswer("shape", "a form that is none") from None
    try:
        return answer.object()
    except BadAnswer:
        if 200 <= answer.status < 300:
            raise
        return {}


def _refusal(answer: Answer, raw: Raw) -> ProviderError:
    """What an answer without a token means. Never that an access token was refused: none was sent.

    Gitea says `unauthorized_client` for a spent or outlived refresh token as well as for a wrong
    app, and only its sentence tells which.
    """
    if answer.status == 429 or answer.status >= 500 or 300 <= answer.status < 400:
        return failure_of(answer)
    word = str(raw.get("error") or "")
    if word in _GRANT or _SPENT.search(str(raw.get("error_description") or "")):
        return TokenRejected("grant")
    if word in _CLIENT:
        return BadAnswer("client_config", error=word)
    if word in _LATER:
        return Unreachable("http_5xx", status=str(answer.status))
    if 200 <= answer.status < 300 and not word:
        return BadAnswer("shape", "an answer without 'access_token'")
    if answer.status == 401:
        return BadAnswer("gateway" if by_gateway(answer) else "client_config")
    return BadAnswer("refused", error=word if _WORD.fullmatch(word) else "")


def _renewed(before: Credential, raw: Raw, now: datetime) -> Credential:
    if str(raw.get("token_type") or "bearer").lower() != "bearer":
        raise BadAnswer("shape", "a token that is no bearer token")
    fresh = raw.get("refresh_token")
    life = _seconds(raw, "expires_in")
    ends = _begun(raw, now, life) + timedelta(seconds=life)
    return replace(
        before,
        token=_token(raw["access_token"]),
        refresh_token=_token(fresh) if fresh else before.refresh_token,
        scopes=_scopes(raw, before.scopes),
        expiry=Expiry(ends, Quality.EXACT) if life else Expiry(),
        refresh_expires_at=_refresh_end(raw, now, before),
    )


def _refresh_end(raw: Raw, now: datetime, before: Credential) -> datetime | None:
    """Until when the refresh token can be spent; a kept one ends when it did."""
    life = _seconds(raw, "refresh_token_expires_in")
    if life:
        return now + timedelta(seconds=life)
    return None if raw.get("refresh_token") else before.refresh_expires_at


def _token(value: object) -> str:
    """A token that can travel in a header."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise BadAnswer("shape", "a token with characters that no header can carry")
    return value


def _seconds(raw: Raw, key: str) -> float:
    """A span that makes sense, else 0: an end in the past would be refreshed for ever."""
    value = raw.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 < value <= LONGEST else 0.0


def _begun(raw: Raw, now: datetime, life: float) -> datetime:
    """When the life began: a host may hand out a token once more that it made before."""
    made = raw.get("created_at")
    if isinstance(made, int) and now.timestamp() - life < made < now.timestamp():
        return datetime.fromtimestamp(made, UTC)
    return now


def _scopes(raw: Raw, before: frozenset[str] | None) -> frozenset[str] | None:
    """What was granted: `scope` or `scopes`, with spaces or commas, as a text or a list."""
    found = raw.get("scope", raw.get("scopes"))
    if isinstance(found, list):
        found = " ".join(str(item) for item in found)
    if not isinstance(found, str):
        return before
    return frozenset(re.split(r"[\s,]+", found)) - {""}
