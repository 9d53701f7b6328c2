"""Change what may be changed on a living binding: labels, mode, stated end, names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from bindings import expiry, state
from bindings.models import Binding, Credential, Schedule, facts
from bindings.models.bindings import Kind, Mode
from bindings.services.bind import store
from bindings.services.bind.token import check_end
from bindings.services.custody import storing
from bindings.services.keep import ladder
from bindings.services.listen import hooks
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor
from portal.tenants.services import events
from providers.catalogue import REGISTRY
from providers.types import Can, Purpose, Quality


def change(*, actor: Actor, binding: Binding, changes: Mapping[str, Any]) -> Binding:
    """Apply `changes` (labels, mode, expires_on, clone_username, auto_rotate) in one transaction.

    Raises Refusal: X-STATE-02 when this kind of binding cannot, *-EXP-02, *-SCOPE-02; NotYours
    when it has ended.
    """
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        row = store.lock(binding)
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
    row.mode = value
    lacking = [need for need in facts.of(row).needs if not _proven(row, need)]
    if value == Mode.FULL and Purpose.HOOKS in lacking:
        scopes = ", ".join(REGISTRY[row.provider].spec.ask_scopes)
        raise Refusal(row.proofs[Purpose.HOOKS]["code"], field="mode", scopes=scopes)
    if value == Mode.MANUAL:
        hooks.leave(row)
    if row.status == state.Status.INSUFFICIENT and not lacking:
        row.status, row.status_since, row.why = state.Status.ACTIVE, now, state.Why.NONE
        facts.apply(row, state.aged(facts.of(row), now).facts)


def _proven(row: Binding, need: Purpose) -> bool:
    return bool(row.proofs.get(need.value, {}).get("ok", True))


def _expires_on(row: Binding, value: date | None, actor: Actor, now: datetime) -> None:
    if row.quality not in (Quality.STATED, Quality.UNKNOWN):
        raise Refusal("X-STATE-02", field="expires_on")
    check_end(value, prefix=REGISTRY[row.provider].spec.prefix, now=now)
    end = expiry.deadline(value) if value else None
    row.expires_at, row.quality = end, Quality.STATED if end else Quality.UNKNOWN
    row.stated_by = actor.name if end else ""
    known = state.aged(facts.of(row), now).facts
    facts.apply(row, known)
    Credential.objects.of(row.tenant_id).filter(pk=row.pk).update(
        expires_at=end, quality=row.quality
    )
    ladder.forget(row, now)
    sooner = state.next_check(known, now)
    if sooner is not None:
        Schedule.objects.filter(pk=row.pk, next_check_at__gt=sooner).update(next_check_at=sooner)


def _clone_username(row: Binding, value: str, _actor: Actor, _now: datetime) -> None:
    if "clone_username" not in REGISTRY[row.provider].spec.asks:
        raise Refusal("X-STATE-02", field="clone_username")
    row.clone_username = value


def _auto_rotate(row: Binding, value: bool, _actor: Actor, now: datetime) -> None:
    able = Can.ROTATE in REGISTRY[row.provider].spec.capabilities
    if value and (row.kind != Kind.TOKEN or not able):
        raise Refusal("X-STATE-02", field="auto_rotate")
    row.auto_rotate = value
    credential = Credential.objects.of(row.tenant_id).select_for_update().get(pk=row.pk)
    credential.renew_at = storing.due_at(credential, row, now=now)
    credential.save(update_fields=["renew_at"])


_CHANGES: dict[str, Callable[[Binding, Any, Actor, datetime], None]] = {
    "labels": _labels,
    "mode": _mode,
    "expires_on": _expires_on,
    "clone_username": _clone_username,
    "auto_rotate": _auto_rotate,
}
