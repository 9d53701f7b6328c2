"""What a fire drill answers in a code host's place. Nothing here asks anybody anything.

This is the one seam of a drill: where an answer becomes a verdict, the answer is a rehearsed one,
and everything behind it (state, page, event, figure, notice) reacts as it would on the real day.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bindings import problems
from bindings.models import Binding, facts
from bindings.services.keep import abilities, steps
from bindings.services.keep.abilities import Abilities
from bindings.services.keep.doctor import Examination
from bindings.state import Facts
from providers.catalogue import REGISTRY
from providers.errors import ProviderError, RateLimited, TokenRejected, Unreachable
from providers.types import Identity, Inspection, Purpose

WAIT = 600.0
"""Seconds that a drilled rate limit asks for."""


class Scenario(StrEnum):
    """What may be rehearsed (`api.md` 9.1)."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    SCOPE_LOST = "scope_lost"
    HOOK_DISABLED = "hook_disabled"
    RATE_LIMITED = "rate_limited"
    TLS_CHANGED = "tls_changed"
    UNREACHABLE = "unreachable"


SCENARIOS = MappingProxyType(
    {
        Scenario.EXPIRED: _("The credential has ended"),
        Scenario.REVOKED: _("The credential is revoked"),
        Scenario.SCOPE_LOST: _("A permission is missing"),
        Scenario.HOOK_DISABLED: _("The webhook is switched off"),
        Scenario.RATE_LIMITED: _("The platform asks us to wait"),
        Scenario.TLS_CHANGED: _("The certificate has changed"),
        Scenario.UNREACHABLE: _("The server does not answer"),
    }
)
"""What people read."""


def answer(
    scenario: Scenario, known: Facts, *, provider: str, login: str
) -> Inspection | ProviderError:
    """What the host of this binding would say. A webhook that is switched off is no matter of the
    credential: that is as it was."""
    match scenario:
        case Scenario.SCOPE_LOST:
            return _short_of_a_right(known, provider, login)
        case Scenario.EXPIRED | Scenario.REVOKED:
            return TokenRejected(scenario.value)
        case Scenario.RATE_LIMITED:
            return RateLimited("limit", retry_after=WAIT)
        case Scenario.TLS_CHANGED:
            return Unreachable("tls_authority")
        case Scenario.UNREACHABLE:
            return Unreachable("timeout", n="15")
        case Scenario.HOOK_DISABLED:
            return Inspection(Identity(known.account_id, login), None, known.end)


def _short_of_a_right(known: Facts, provider: str, login: str) -> Inspection:
    lost = Purpose.CLONE if known.manual_only else Purpose.HOOKS
    needs = REGISTRY[provider].spec.scopes.get(lost) or (lost.value,)
    return Inspection(
        Identity(known.account_id, login), frozenset(), known.end, missing={lost: tuple(needs)}
    )


def examine(binding: Binding, *, context: Mapping[str, Any]) -> Examination:
    """The ladder that "check now" would climb during the drill of `binding`. `context`: facts of
    its host for the sentence. Opens nothing and asks nobody."""
    scenario, prefix = Scenario(binding.drill), REGISTRY[binding.provider].spec.prefix
    login = binding.account_login
    found = answer(scenario, facts.of(binding), provider=binding.provider, login=login)
    if isinstance(found, ProviderError):
        code, said = problems.explain(found, prefix=prefix, **{**context, "login": login})
    elif found.missing:
        code, said = problems.explain_missing(found.missing, prefix=prefix, has=found.scopes)
    else:
        code, said = "", {}
    plain = {name: str(value) for name, value in said.items() if value not in ("", None)}
    secure = binding.host.api_url.startswith("https:")
    return Examination(
        steps=tuple(steps.of_one_call(code, plain, 0, secure=secure)),
        code=code,
        facts=plain,
        error=found if isinstance(found, ProviderError) else None,
        inspection=found if isinstance(found, Inspection) else None,
        abilities=_turned(binding, found, prefix) if isinstance(found, Inspection) else {},
    )


def _turned(binding: Binding, found: Inspection, prefix: str) -> Abilities:
    return abilities.turned(binding.proofs, found, prefix=prefix, now=timezone.now()) or {}
