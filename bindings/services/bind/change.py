"""Change what may be changed on a living binding: labels, mode, stated end, names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from django.utils import timezone

from bindings import state
from bindings.models import Binding, Credential, facts
from bindings.models.bindings import Kind, Mode
from bindings.services.bind.token import check_end
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.services import events
from providers.catalogue import REGISTRY
from providers.types import Can, Quality


def change(*, actor: Actor, binding: Binding, changes: Mapping[str, Any]) -> Binding:
    """Apply `changes` (labels, mode, expires_on, clone_username, auto_rotate) in one transaction.

    Raises Refusal: X-STATE-02 when this kind of binding cannot, *-EXP-02, *-SCOPE-02.
    """
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        row = (
            Binding.objects.of(binding.tenant_id)
            .select_for_update(of=("self",))
            .select_related("host", "instance")
            .filter(pk=binding.pk, unbound_at=None)
            .first()
        )
        if row is None:
            raise NotYours
        for name, value in changes.items():
            _CHANGES[name](row, value, actor, now)
        row.version += 1
        row.save()
        events.record(
            tenant_id=row.tenant_id,
            type="binding.changed",
            actor=actor.event(),
            at=now,
            instance_id=row.instance_id,
            binding_id=row.pk,
            data={"changed": sorted(changes)},
        )
        return row


def _labels(row: Binding, value: Mapping[str, str], _actor: Actor, _now: datetime) -> None:
    row.labels = dict(value)


def _mode(row: Binding, value: str, _actor: Actor, now: datetime) -> None:
    hooks = row.proofs.get("hooks", {})
    if value == Mode.FULL and hooks and not hooks.get("ok"):
        spec = REGISTRY[row.provider].spec
        lacking = ", ".join(spec.ask_scopes)
        raise Refusal(hooks["code"], field="mode", platform=spec.label, scopes=lacking)
    row.mode = value
    if row.status == state.Status.INSUFFICIENT and value == Mode.MANUAL:
        row.status, row.status_since, row.why = state.Status.ACTIVE, now, state.Why.NONE


def _expires_on(row: Binding, value: date | None, actor: Actor, now: datetime) -> None:
    if row.quality not in (Quality.STATED, Quality.UNKNOWN):
        raise Refusal("X-STATE-02", field="expires_on")
    check_end(value, prefix=REGISTRY[row.provider].spec.prefix, now=now)
    end = datetime.combine(value, time(), UTC) if value else None
    row.expires_at, row.quality = end, Quality.STATED if end else Quality.UNKNOWN
    row.stated_by = actor.name if end else ""
    facts.apply(row, state.aged(facts.of(row), now).facts)
    Credential.objects.of(row.tenant_id).filter(pk=row.pk).update(
        expires_at=end, quality=row.quality
    )


def _clone_username(row: Binding, value: str, _actor: Actor, _now: datetime) -> None:
    if "clone_username" not in REGISTRY[row.provider].spec.asks:
        raise Refusal("X-STATE-02", field="clone_username")
    row.clone_username = value


def _auto_rotate(row: Binding, value: bool, _actor: Actor, _now: datetime) -> None:
    able = Can.ROTATE in REGISTRY[row.provider].spec.capabilities
    if value and (row.kind != Kind.TOKEN or not able):
        raise Refusal("X-STATE-02", field="auto_rotate")
    row.auto_rotate = value


_CHANGES: dict[str, Callable[[Binding, Any, Actor, datetime], None]] = {
    "labels": _labels,
    "mode": _mode,
    "expires_on": _expires_on,
    "clone_username": _clone_username,
    "auto_rotate": _auto_rotate,
}
