"""Record what happened to a binding, in the same transaction as the change itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bindings.models import Binding
from bindings.state import Reach, Verdict, one_word
from portal.tenants.models import Event
from portal.tenants.services import events
from portal.tenants.services.events import Entry

SYSTEM = {"kind": "system", "id": "", "name": "Mooring", "ip": ""}
"""The server itself, as an actor."""
_WITH_SPAN = frozenset({"binding.unreachable", "binding.recovered"})


def tell(
    type: str,
    *,
    binding: Binding,
    actor: Mapping[str, Any],
    at: datetime,
    **more: Any,
) -> Event:
    """Put one `binding.*` event into the tenant's log. Needs an open scope."""
    return events.record_many([entry(type, binding=binding, actor=actor, at=at, **more)])[0]


def tell_verdict(
    binding: Binding, verdict: Verdict, *, at: datetime, actor: Mapping[str, Any] = SYSTEM
) -> None:
    """Put what a verdict has turned into the tenant's log. Needs an open scope."""
    if verdict.events:
        events.record_many(of_verdict(binding, verdict, at=at, actor=actor))


def of_verdict(
    binding: Binding, verdict: Verdict, *, at: datetime, actor: Mapping[str, Any] = SYSTEM
) -> list[Entry]:
    """The entries of a verdict that was stored in `binding`, to be recorded together."""
    was = one_word(verdict.was.status, verdict.was.reach, suspicion=verdict.was.suspicion).value
    return [
        entry(
            event, binding=binding, actor=actor, at=at, previous_state=was, **_span(event, verdict)
        )
        for event in verdict.events
    ]


def entry(
    type: str, *, binding: Binding, actor: Mapping[str, Any], at: datetime, **more: Any
) -> Entry:
    """One `binding.*` event, to be recorded with others."""
    return Entry(
        tenant_id=binding.tenant_id,
        type=type,
        actor=dict(actor),
        at=at,
        instance_id=binding.instance_id,
        binding_id=binding.pk,
        data={"binding": picture(binding), **_mark(binding), **more},
    )


def _mark(binding: Binding) -> dict[str, Any]:
    """Whatever happens during a fire drill says so."""
    return {"drill": True} if binding.drill else {}


def picture(binding: Binding) -> dict[str, Any]:
    """A binding as events show it: no secret, and true at this moment."""
    return {
        "id": binding.public_id,
        "provider": binding.provider,
        "account": binding.account_login,
        "state": binding.state.value,
        "credential_status": binding.status,
        "reachability": binding.reach,
        "expires_at": binding.expires_at.isoformat() if binding.expires_at else None,
        "expires_quality": binding.quality,
        "version": binding.version,
    }


def _span(event: str, verdict: Verdict) -> dict[str, Any]:
    """Since when the trouble is or was, and for how many seconds it lasted (api.md 6.2)."""
    if event not in _WITH_SPAN:
        return {}
    if event == "binding.unreachable":
        since = verdict.facts.first_failure_at or verdict.facts.reach_since
        return {"since": since.isoformat() if since else None}
    away = verdict.was.reach is Reach.UNREACHABLE
    since = verdict.was.reach_since if away else verdict.was.since
    until = verdict.facts.reach_since if away else verdict.facts.since
    if since is None or until is None:
        return {"since": None, "seconds": None}
    return {"since": since.isoformat(), "seconds": int((until - since).total_seconds())}
