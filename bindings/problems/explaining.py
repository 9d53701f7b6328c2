"""The one place that turns what a platform did into a code: (error class, reason) → code, facts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from bindings.problems.catalogue import ALL, PLATFORMS, get, status_of
from bindings.state import Status
from portal.ground.refusals import Refusal
from providers.errors import (
    AddressRefused,
    BadAnswer,
    DeliveryRefused,
    MissingScope,
    NotFound,
    NotSupported,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from providers.types import Purpose

Explained = tuple[str, dict[str, Any]]
"""A code and the facts that fill its sentence: plain values, fit for JSON, never a secret."""


class Moment(StrEnum):
    """What was going on: a typed server is met for the first time, a person comes back from the
    platform's consent page, or a binding is checked or used."""

    BIND = "bind"
    CONSENT = "consent"
    USE = "use"


DEADLINE = 15
"""Seconds a call may take in all (G30)."""

_REASONS: Mapping[type[ProviderError], Mapping[str, str]] = {
    TokenRejected: {
        "unknown": "TOK-01",
        "expired": "TOK-01",
        "revoked": "TOK-01",
        "suspended": "USER-02",
        "grant": "TOK-10",
    },
    MissingScope: {
        "scope": "SCOPE-01",
        "role": "HOOK-02",
        "sso": "ORG-02",
        "org_policy": "ORG-01",
        "organization": "ORG-01",
        "clone_username": "CLONE-01",
    },
    NotFound: {"unknown": "REPO-02", "hidden": "REPO-02", "ref": "REF-01", "empty": "REPO-04"},
    AddressRefused: {
        "unresolvable": "ADDR-03",
        "address_not_public": "ADDR-04",
        "userinfo_not_allowed": "ADDR-05",
        "port_not_allowed": "ADDR-07",
    },
    Unreachable: {
        "dns": "ADDR-03",
        "refused": "NET-02",
        "timeout": "NET-01",
        "reset": "NET-03",
        "tls_authority": "TLS-01",
        "tls_expired": "TLS-02",
        "tls_name": "TLS-03",
        "tls": "TLS-01",
        "http_5xx": "API-03",
    },
    RateLimited: {"limit": "RATE-01", "secondary": "RATE-01", "login_lockout": "RATE-01"},
    BadAnswer: {
        "api_removed": "API-05",
        "client_config": "OAUTH-03",
        "not_the_platform": "API-01",
        "clock": "API-06",
        "edition": "ORG-03",
        "hook_limit": "HOOK-05",
    },
    DeliveryRefused: {"stale": "X-HOOK-02"},
    NotSupported: {
        "rotate": "ROT-01",
        "refresh": "ROT-01",
        "revoke": "REV-01",
        "mint": "X-LEASE-01",
        "test_hook": "HOOK-08",
    },
}
_OTHERWISE: Mapping[type[ProviderError], str] = {
    TokenRejected: "TOK-01",
    MissingScope: "SCOPE-01",
    NotFound: "REPO-02",
    AddressRefused: "ADDR-01",
    Unreachable: "NET-03",
    RateLimited: "RATE-01",
    BadAnswer: "API-04",
    DeliveryRefused: "X-HOOK-01",
    NotSupported: "X-STATE-02",
}
_INSTEAD: Mapping[str, str] = {
    "ADDR-01": "X-ADDR-01",
    "ADDR-04": "X-ADDR-01",
    "ADDR-05": "X-ADDR-01",
    "ADDR-06": "X-ADDR-01",
    "ADDR-07": "X-ADDR-01",
    "ADDR-09": "API-04",
    "API-06": "API-04",
    "OAUTH-03": "API-04",
    "OAUTH-04": "TOK-01",
    "OAUTH-05": "API-04",
    "ORG-01": "REPO-02",
    "ORG-02": "ORG-01",
    "ORG-03": "API-01",
    "REV-01": "X-STATE-02",
    "SCOPE-03": "SCOPE-01",
    "SCOPE-04": "SCOPE-01",
    "TOK-10": "TOK-08",
}
"""What to say where a platform has no sentence of that number."""

_ORG_POLICY = {"BB": "ORG-02", "CU": "ORG-02"}
_SCOPE_OF = {
    ("GL", Purpose.CLONE): "SCOPE-03",
    ("CU", Purpose.REFS): "SCOPE-04",
}
_SCOPE_NAMED = {
    ("GH", "admin:repo_hook"): "SCOPE-02",
    ("GE", "hook"): "SCOPE-02",
    ("BB", "webhook"): "SCOPE-02",
    ("BB", "account"): "SCOPE-03",
    ("GT", "write:repository"): "SCOPE-02",
    ("GT", "read:user"): "SCOPE-03",
}
_GRAVEST = (Purpose.LIST, Purpose.REFS, Purpose.CLONE, Purpose.HOOKS)
_CONSENT = {
    "access_denied": "OAUTH-01",
    "server_error": "OAUTH-05",
    "temporarily_unavailable": "OAUTH-05",
    "invalid_client": "OAUTH-03",
    "unauthorized_client": "OAUTH-03",
    "redirect_uri_mismatch": "OAUTH-03",
    "invalid_scope": "OAUTH-03",
    "application_suspended": "OAUTH-03",
}
_CONSENT_OF = {("GE", "invalid_scope"): "OAUTH-06", ("GH", "application_suspended"): "OAUTH-06"}


def explain(
    error: ProviderError,
    *,
    prefix: str,
    moment: Moment = Moment.USE,
    purpose: Purpose = Purpose.LIST,
    status: Status | None = None,
    has: Collection[str] | None = None,
    **context: Any,
) -> Explained:
    """The code and facts of an error of a platform.

    `prefix`: of the platform ("GL"). `purpose`: the ability that was being used. `status`: of the
    binding, where there is one. `has`: the scopes the token has. `context`: further facts (login,
    path, host, egress, policy_hint …); what the error itself knows wins.
    """
    facts = {**context, **_own_facts(error)}
    suffix = _suffix(error, prefix, moment, purpose, status, facts)
    code = existing(prefix, suffix)
    if isinstance(error, MissingScope):
        facts.setdefault("scopes", _scopes(code, error.missing, has))
    if code.startswith("X-"):
        facts.setdefault("platform", PLATFORMS[prefix].label)
        facts.setdefault("why", error.reason)
    return code, facts


def explain_missing(
    missing: Mapping[Purpose, tuple[str, ...]], *, prefix: str, has: Collection[str] | None = None
) -> Explained:
    """The gravest of the rights that an inspection found missing. `missing` is not empty."""
    purpose = next(one for one in _GRAVEST if one in missing)
    error = MissingScope("scope", missing=missing[purpose])
    return explain(error, prefix=prefix, purpose=purpose, has=has)


def explain_consent(word: str, *, prefix: str) -> str:
    """The code of an OAuth `error` word, from the callback or from the token endpoint."""
    suffix = _CONSENT_OF.get((prefix, word)) or _CONSENT.get(word, "OAUTH-04")
    return existing(prefix, suffix)


def refusal(error: ProviderError, *, prefix: str, **context: Any) -> Refusal:
    """What a service raises when an error of the platform ends its work.

    As `explain`; where that gives a notice, which never fails a request, the error that it comes
    from is named: what cannot be seen is not found.
    """
    code, facts = explain(error, prefix=prefix, **context)
    if status_of(code) is None:
        code = existing(prefix, "X-STATE-02" if isinstance(error, NotSupported) else "REPO-02")
    fix_url = facts.pop("fix_url", "")
    wait = error.retry_after if isinstance(error, RateLimited | Unreachable) else None
    made = Refusal(code, field=get(code).field, fix_url=fix_url, retry_after=wait)
    made.facts.update(facts)  # not as arguments: a platform may name a fact of its own "code"
    return made


def existing(prefix: str, suffix: str) -> str:
    """The code of `suffix` at a platform, or of what is said there instead. Raises KeyError for a
    suffix that nobody has."""
    code = suffix if suffix.startswith("X-") else f"{prefix}-{suffix}"
    return code if code in ALL else existing(prefix, _INSTEAD[suffix])


def _own_facts(error: ProviderError) -> dict[str, Any]:
    facts: dict[str, Any] = {name: value for name, value in error.facts.items() if value != ""}
    if "organization" in facts:
        facts["org"] = facts["group"] = facts.pop("organization")
    if "location" in facts:
        facts["new"] = facts.pop("location")
    if isinstance(error, RateLimited | Unreachable) and error.retry_after is not None:
        facts["n"] = math.ceil(error.retry_after)
    elif error.reason == "timeout":
        facts.setdefault("n", DEADLINE)
    return facts


def _suffix(
    error: ProviderError,
    prefix: str,
    moment: Moment,
    purpose: Purpose,
    status: Status | None,
    facts: Mapping[str, Any],
) -> str:
    match error:
        case TokenRejected():
            return _rejected(error, moment, status, facts)
        case MissingScope():
            return _missing(error, prefix, purpose)
        case BadAnswer():
            return _bad(error, prefix, moment, facts)
        case AddressRefused(reason="port_not_allowed") if facts.get("scheme") == "https":
            return "ADDR-06"
        case NotFound(reason="unknown" | "hidden") if moment is Moment.BIND:
            return "API-01"
        case Unreachable() if moment is Moment.CONSENT:
            return "OAUTH-05"
        case Unreachable() if error.retry_after is not None:
            return "RATE-01"
        case _:
            return _plain(error)


def _plain(error: ProviderError) -> str:
    kind = type(error)
    return _REASONS[kind].get(error.reason, _OTHERWISE[kind])


def _rejected(
    error: TokenRejected, moment: Moment, status: Status | None, facts: Mapping[str, Any]
) -> str:
    if moment is Moment.CONSENT and error.reason == "grant":
        return "OAUTH-04"
    if status in (Status.REVOKED, Status.SUSPENDED) and error.reason != "suspended":
        return "TOK-10" if error.reason == "grant" else "TOK-08"
    if error.reason == "expired" and facts.get("date"):
        return "TOK-04"
    return _plain(error)


def _missing(error: MissingScope, prefix: str, purpose: Purpose) -> str:
    if error.reason == "org_policy":
        return _ORG_POLICY.get(prefix, "ORG-01")
    if error.reason != "scope":
        return _plain(error)
    for name in error.missing:
        if (prefix, name) in _SCOPE_NAMED:
            return _SCOPE_NAMED[prefix, name]
        if prefix == "CU" and name.lower().startswith("organization"):
            return "SCOPE-03"
    if purpose is Purpose.HOOKS:
        return "SCOPE-02"
    return _SCOPE_OF.get((prefix, purpose), "SCOPE-01")


def _bad(error: BadAnswer, prefix: str, moment: Moment, facts: Mapping[str, Any]) -> str:
    if error.reason == "client_config" and "error" in facts:
        word = str(facts["error"])
        return _CONSENT_OF.get((prefix, word)) or _plain(error)
    if moment is Moment.BIND and error.reason == "redirect" and facts.get("new"):
        return "ADDR-09"
    if moment is Moment.BIND and error.reason == "not_json":
        return "API-01"
    return _plain(error)


def _scopes(code: str, missing: tuple[str, ...], has: Collection[str] | None) -> str:
    """GL-SCOPE-01 names what the token has, every other sentence what it lacks."""
    return ", ".join(sorted(has or ()) if code == "GL-SCOPE-01" else missing)
