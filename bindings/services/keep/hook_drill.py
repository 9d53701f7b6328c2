"""The fire drill of a switched-off webhook: its columns are set aside, and put back at the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from bindings.models import Binding, Hook
from bindings.models.hooks import HookStatus, compare_soon
from bindings.services.tell import outbox, webhooks
from portal.ground import ids, rls

_WELL = (HookStatus.ACTIVE, HookStatus.UNVERIFIED)


def possible(binding: Binding) -> bool:
    """Is there a webhook that works and could be switched off? Opens the tenant's scope."""
    with rls.tenant(binding.tenant_id):
        return Hook.objects.of(binding.tenant_id).filter(binding=binding, status__in=_WELL).exists()


def begin(binding: Binding, now: datetime) -> dict[str, Any]:
    """What the webhooks are, to be put back. The next comparison, which is due at once, finds them
    switched off. Needs the tenant's scope."""
    rows = Hook.objects.of(binding.tenant_id).filter(binding=binding, status__in=_WELL)
    kept = {
        row.public_id: {
            "status": row.status,
            "status_since": row.status_since.isoformat(),
            "trouble": row.trouble,
        }
        for row in rows
    }
    compare_soon([binding.pk], now)
    return kept


def end(binding: Binding, kept: Mapping[str, Any], *, by: Mapping[str, Any], now: datetime) -> None:
    """Put back what the drill has turned, and tell whoever was told. The next comparison is a real
    one. Needs the tenant's scope, while `binding` still has its mark."""
    keys = {key: was for public_id, was in kept.items() if (key := ids.key(Hook.PREFIX, public_id))}
    rows = (
        Hook.objects.of(binding.tenant_id)
        .select_for_update(of=("self",))
        .select_related("repository")
        .filter(binding=binding, status=HookStatus.DISABLED, pk__in=list(keys))
    )
    told = []
    for row in rows:
        was = keys[row.pk]
        row.binding = binding
        row.status, row.trouble = was["status"], was["trouble"]
        row.status_since = parse_datetime(was["status_since"]) or now
        row.save(update_fields=["status", "status_since", "trouble"])
        told.append(webhooks.entry("webhook.repaired", row, at=now, actor=by))
    compare_soon([binding.pk], now)
    if told:
        outbox.record(told)


def as_before(binding: Binding, kept: Mapping[str, Any]) -> bool:
    """Asked of the database: has every webhook its status again, or gone on to another one that is
    no drill's? Needs the tenant's scope."""
    keys = [key for public_id in kept if (key := ids.key(Hook.PREFIX, public_id))]
    turned = Hook.objects.of(binding.tenant_id).filter(pk__in=keys, status=HookStatus.DISABLED)
    return not turned.exists()
