"""Why a stored binding is as it is: the reason of each axis as a code with facts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from bindings import expiry
from bindings.problems.explaining import Explained, existing, explain, explain_missing
from bindings.state import Facts, Why
from providers.errors import AddressRefused, BadAnswer, NotFound, RateLimited, Unreachable
from providers.types import Purpose

_WHY = {
    Why.ENDS_SOON: "TOK-05",
    Why.REFUSED: "TOK-08",
    Why.ENDED: "TOK-04",
    Why.REFRESH_LOST: "TOK-10",
    Why.SCOPE: "SCOPE-01",
    Why.CLONE_USERNAME: "CLONE-01",
    Why.ACCOUNT_BLOCKED: "USER-02",
    Why.IDENTITY_CHANGED: "ACC-01",
    Why.HOST_DISABLED: "OFF-01",
    Why.TENANT_SUSPENDED: "X-SUSP-01",
    Why.OPERATOR: "X-SUSP-01",
    Why.KEY_MISSING: "TOK-09",
    Why.WRONG_TAG: "TOK-09",
}
_WAITING = frozenset({"limit", "secondary", "login_lockout"})
_SILENT = frozenset(
    {"dns", "refused", "timeout", "reset", "http_5xx"}
    | {"tls", "tls_authority", "tls_expired", "tls_name"}
)


def of_status(
    facts: Facts,
    now: datetime,
    *,
    prefix: str,
    missing: Mapping[Purpose, tuple[str, ...]] | None = None,
    has: Collection[str] | None = None,
    **context: Any,
) -> Explained | None:
    """`credential.reason` of the API; None where there is nothing to say.

    `missing`, `has`: of the verdict that found a right missing. `context`: further facts (login,
    old, new, key, reason, date …).
    """
    if facts.why is Why.NONE:
        return None
    if facts.why is Why.SCOPE and missing:
        code, found = explain_missing(missing, prefix=prefix, has=has)
        return code, {**context, **found}
    # Which right is missing was found out once, and is stored with its facts.
    suffix = context.pop("suffix", "") if facts.why is Why.SCOPE else ""
    return existing(prefix, suffix or _WHY[facts.why]), {**_dates(facts, now), **context}


def of_reach(word: str, *, prefix: str, **context: Any) -> Explained | None:
    """`reachability_reason` of the API. `word`: `Facts.reach_why`; `context`: the facts that were
    stored with it."""
    if not word:
        return None
    code, facts = explain(_error(word), prefix=prefix)
    return code, {**facts, **context}


def _error(word: str) -> Unreachable | RateLimited | BadAnswer | NotFound | AddressRefused:
    if word == "not_found":
        return BadAnswer("not_the_platform")
    if word == "address_refused":
        return AddressRefused("address_not_public")
    if word in _WAITING:
        return RateLimited(word)
    return Unreachable(word) if word in _SILENT else BadAnswer(word)


def _dates(facts: Facts, now: datetime) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left = expiry.days_left(facts.end, now)
    if left is not None and facts.end.at is not None:
        found["n"] = max(left, 0)
        found["date"] = f"{facts.end.at:%Y-%m-%d}"
    if facts.why is Why.REFUSED and facts.since is not None:
        found["time"] = f"{facts.since:%Y-%m-%d %H:%M} UTC"
    return found
