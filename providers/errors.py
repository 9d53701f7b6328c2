"""What can go wrong at a code host: one class per different reaction, each with a short reason.

    ProviderError
    ├─ TokenRejected     the host refuses the credential: suspect it, confirm apart in time
    ├─ MissingScope      the credential lives but lacks a right: name what is missing
    ├─ NotFound          not there, or not visible to this account: explain, never delete
    ├─ AddressRefused    policy forbids the address: a form error, nothing was sent
    ├─ Unreachable       no usable answer: only reachability may move
    ├─ RateLimited       the host asks us to wait: until `retry_after` has passed
    ├─ BadAnswer         an answer we cannot use: the operator is told, the user is not blamed
    ├─ DeliveryRefused   an incoming webhook is not proven: 401, its body is not stored
    └─ NotSupported      the capability is not declared: offer the manual way

`reason` is a stable word inside its class; pages and API choose their code from (class, reason).
`facts` fill the variables of that sentence and never hold a secret. Exceptions of libraries are
translated with `from None`: they may hold the request, and with it the token.
"""

from __future__ import annotations

MAX_WAIT = 3600.0
"""Seconds; a longer wait asked for by a host is cut to this (`security.md` 5)."""


NOT_GRANTED = "not granted to this token"
"""The detail of a MissingScope that is about one repository: the token may do this elsewhere."""


class ProviderError(Exception):
    """Base of all. `reason`: one stable word. `facts`: values for the sentence shown to people."""

    def __init__(self, reason: str, detail: str = "", **facts: str) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.facts: dict[str, str] = facts


class TokenRejected(ProviderError):
    """Reasons: unknown, expired, revoked, suspended (account blocked), grant (refresh refused),
    characters (a stored token that no header can carry: nothing was sent)."""


class MissingScope(ProviderError):
    """Reasons: scope, role, sso, org_policy, clone_username, organization (one of several has to
    be chosen: `choices`). `missing` names the rights."""

    def __init__(
        self, reason: str, detail: str = "", *, missing: tuple[str, ...] = (), **facts: str
    ) -> None:
        super().__init__(reason, detail, **facts)
        self.missing = missing


class NotFound(ProviderError):
    """Reasons: unknown, hidden, ref, empty (a repository without a commit)."""


class AddressRefused(ProviderError):
    """Reasons are the logical codes of `tests/providers/corpora/ssrf_hosts.jsonl`."""


class Unreachable(ProviderError):
    """Reasons: dns, refused, timeout, reset, tls_authority, tls_expired, tls_name, tls, http_5xx.

    `retry_after`: seconds a 503 asked for, else None.
    """

    def __init__(
        self, reason: str, detail: str = "", *, retry_after: float | None = None, **facts: str
    ) -> None:
        super().__init__(reason, detail, **facts)
        self.retry_after = retry_after


class RateLimited(ProviderError):
    """Reasons: limit, secondary, login_lockout. `retry_after`: seconds, at most MAX_WAIT."""

    def __init__(
        self, reason: str = "limit", detail: str = "", *, retry_after: float = 60.0, **facts: str
    ) -> None:
        super().__init__(reason, detail, **facts)
        self.retry_after = min(max(retry_after, 1.0), MAX_WAIT)


class BadAnswer(ProviderError):
    """Reasons: not_json, shape, encoded, too_big, short, redirect, foreign_link, gateway,
    api_removed, refused, hook_limit, client_config, not_the_platform, clock, edition, protocol,
    truncated, header (a value of ours that no header can carry: nothing was sent)."""


class DeliveryRefused(ProviderError):
    """Reasons: missing, mismatch, stale, no_secret."""


class NotSupported(ProviderError):
    """Reason: the capability that was asked for."""
