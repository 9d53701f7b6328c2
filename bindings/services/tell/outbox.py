"""Record what happened to a binding, in the same transaction as the change itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bindings.models import Binding
from portal.tenants.models import Event
from portal.tenants.services import events

SYSTEM = {"kind": "system", "id": "", "name": "Mooring", "ip": ""}
"""The server itself, as an actor."""


def tell(
    type: str,
    *,
    binding: Binding,
    actor: Mapping[str, Any],
    at: datetime,
    **more: Any,
) -> Event:
    """Put one `binding.*` event into the tenant's log. Needs an open scope."""
    return events.record(
        tenant_id=binding.tenant_id,
        type=type,
        actor=dict(actor),
        at=at,
        instance_id=binding.instance_id,
        binding_id=binding.pk,
        data={"binding": picture(binding), **more},
    )


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
