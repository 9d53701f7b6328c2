"""Judge one answer for one binding: the mass guard is asked, and what people read is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from bindings import problems, state
from bindings.models import CodeHost
from bindings.services.custody.door import rules_for
from bindings.services.keep.guard import Guard
from bindings.state import Facts, Reach, Status, Verdict, Why
from providers.catalogue import REGISTRY
from providers.errors import ProviderError, RateLimited, TokenRejected
from providers.types import Inspection, Quality

Words = Mapping[str, Any]
_DEAD = frozenset({Status.REVOKED, Status.EXPIRED})


@dataclass(frozen=True, slots=True)
class Said:
    """Why a binding is not well: `code` "" when it is. `status`: facts for the sentence about the
    credential, None to keep those that are stored; `reach`: for the one about the server."""

    code: str = ""
    status: Words | None = None
    reach: Words = field(default_factory=dict)


def judge(
    facts: Facts,
    answer: Inspection | ProviderError,
    *,
    host_id: UUID,
    generation: int,
    guard: Guard | None,
    now: datetime,
) -> Verdict:
    """The verdict of an answer about the credential of `generation`. Opens the fleet's scope when
    it is a grave one. No `guard`: a fire drill, which says nothing about its host."""

    def verdict(*, mass: bool) -> Verdict:
        return state.verdict(
            facts,
            answer,
            now,
            mass=mass,
            asked=generation,
            confirm_seconds=settings.MOORING_CONFIRM_SECONDS,
        )

    judged = verdict(mass=False)
    if guard and _grave(judged, answer, now) and guard.holds(host_id, now=now):
        return verdict(mass=True)
    return judged


def _grave(verdict: Verdict, answer: Inspection | ProviderError, now: datetime) -> bool:
    """A turn for the worse, or the first step of one. That an exact end has come was known."""
    was = verdict.was
    refused = isinstance(answer, TokenRejected) and was.called and was.status not in _DEAD
    came = was.end.quality is Quality.EXACT and was.end.at is not None and was.end.at <= now
    superseded = state.Note.SUPERSEDED in verdict.notes
    return (verdict.flips or refused) and not came and not superseded


def context_of(host: CodeHost) -> dict[str, str]:
    """What sentences about this server may need, whatever goes wrong."""
    where = urlsplit(host.base_url)
    return {
        "host": where.hostname or "",
        "port": str(where.port or (443 if where.scheme == "https" else 80)),
        "egress": ", ".join(settings.MOORING_EGRESS_RANGES),
        "policy_hint": rules_for(host).profile.value,
    }


def said(
    answer: Inspection | ProviderError,
    verdict: Verdict,
    *,
    provider: str,
    login: str,
    context: Words,
    now: datetime,
) -> Said:
    """The code and facts of a verdict. `login`: the bound account's; `context`: of the host."""
    prefix = REGISTRY[provider].spec.prefix
    if isinstance(answer, ProviderError):
        code, facts = problems.explain(
            answer, prefix=prefix, status=verdict.status, **{**context, "login": login}
        )
        plain = _plain(facts)
        if verdict.reach is not Reach.OK:
            return Said(code, None, plain)
        return Said(code, {**plain, **_right(verdict, code)})
    found = problems.of_status(
        verdict.facts, now, prefix=prefix, missing=verdict.missing, has=answer.scopes
    )
    if found is None or verdict.why not in (Why.SCOPE, Why.IDENTITY_CHANGED):
        return Said(status={})
    code, facts = found
    told = _plain({**facts, "new": answer.identity.login, "old": login})
    return Said(code, {**told, **_right(verdict, code)})


def _right(verdict: Verdict, code: str) -> dict[str, str]:
    """Which right is missing, so that pages say the same as the check did."""
    return {"suffix": code.partition("-")[2]} if verdict.why is Why.SCOPE else {}


def result_of(answer: Inspection | ProviderError) -> str:
    """An answer in one word, for counting: ok, refused, rate_limited or unreachable."""
    if isinstance(answer, Inspection):
        return "ok"
    if isinstance(answer, TokenRejected):
        return "refused"
    return "rate_limited" if isinstance(answer, RateLimited) else "unreachable"


def _plain(facts: Words) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items() if value not in ("", None)}
