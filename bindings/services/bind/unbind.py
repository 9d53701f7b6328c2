"""Unbind: show what stops, end it here at once, clean up at the host for as long as it takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from bindings import state
from bindings.models import Binding, Credential, Ending, Schedule
from bindings.models.bindings import Kind
from bindings.services.custody import sealed
from bindings.services.custody.use import provider_at
from bindings.services.tell import outbox
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from providers.catalogue import REGISTRY
from providers.errors import NotSupported, ProviderError, TokenRejected
from providers.types import Can
from providers.types import Credential as Secret

CLEAN_FOR = timedelta(days=7)  # product.md G29
RECEIPT_FOR = timedelta(days=30)
TRIGGERS_KEPT_DAYS = 30
_PAUSES = (1, 5, 30, 120, 360)  # minutes between tries; the last one repeats


def impact(binding: Binding) -> dict[str, Any]:
    """What stops when this binding ends, and what will be done at the host. Needs a scope."""
    can_revoke = Can.REVOKE in REGISTRY[binding.provider].spec.capabilities
    in_use = binding.used_at is not None and timezone.now() - binding.used_at < RECEIPT_FOR
    return {
        "in_use": in_use,
        "confirm": binding.account_login if in_use else None,
        "automatic_triggers": 0,
        "manual_triggers": 0,
        "webhooks": 0,
        "active_leases": 0,
        "clients": [],
        "repositories": [],
        "plan": [
            {"action": "remove_webhooks", "count": 0},
            {
                "action": "revoke_credential",
                "default": binding.kind == Kind.OAUTH,
                "possible": can_revoke and binding.kind != Kind.PLATFORM,
            },
            {"action": "erase_credential"},
        ],
        "triggers_kept_days": TRIGGERS_KEPT_DAYS,
    }


def unbind(
    *,
    actor: Actor,
    binding: Binding,
    confirm: str = "",
    revoke: bool | None = None,
    reason: str = "",
) -> Ending:
    """End a binding here, at once and whatever the host does; the rest is worked off later.

    Raises Refusal: CA-LOCK-01 for platform bindings, X-CONFIRM-01 when it is in use and `confirm`
    is not the account's name. Nobody may call this without having proved the right to.
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
        _may_end(actor, row, confirm)
        wanted = row.kind == Kind.OAUTH if revoke is None else revoke
        ending = _begin(actor, row, revoke=wanted, now=now)
        outbox.tell(
            "binding.unbound", binding=row, actor=actor.event(), at=now, reason=reason or None
        )
    return ending


def receipt(ending: Ending) -> dict[str, Any]:
    """What was done, what is still to do, and what is left to a person. Needs a scope."""
    binding, began = ending.binding, ending.give_up_at - CLEAN_FOR
    return {
        "binding": binding.public_id,
        "instance": binding.instance.public_id,
        "provider": binding.provider,
        "account": binding.account_login,
        "unbound_at": began,
        "by": ending.by,
        "items": ending.steps,
        "triggers_kept_until": began + timedelta(days=TRIGGERS_KEPT_DAYS),
        "cleanup_until": ending.give_up_at,
    }


def work_off(*, tenant_id: Any, binding_id: Any, now: datetime | None = None) -> None:
    """Try what is left of one ending: revoke if that was asked for, then destroy the ciphertext."""
    now = now or timezone.now()
    with rls.tenant(tenant_id):
        ending = (
            Ending.objects.of(tenant_id)
            .select_related("binding__host")
            .filter(pk=binding_id, finished_at=None)
            .first()
        )
        if ending is None:
            return
        credential = Credential.objects.of(tenant_id).filter(pk=binding_id).first()
        secret = _opened(credential, ending.binding)
    over = now >= ending.give_up_at
    steps = [dict(step) for step in ending.steps]
    for step in steps:
        if step["status"] == "pending" and step["action"] == "revoke_credential":
            _revoke(step, ending.binding, secret, over=over)
    waiting = any(s["status"] == "pending" for s in steps if s["action"] != "erase_credential")
    with rls.tenant(tenant_id):
        if not waiting or over:
            _erase(steps, credential)
            ending.finished_at = now
        pause = _PAUSES[min(ending.attempts, len(_PAUSES) - 1)]
        ending.steps, ending.attempts = steps, ending.attempts + 1
        ending.next_try_at = now + timedelta(minutes=pause)
        ending.save()


def due(now: datetime) -> list[tuple[Any, Any]]:
    """(tenant, binding) of the endings whose next try has come."""
    with rls.fleet("endings that are due"):
        rows = Ending.objects.filter(finished_at=None, next_try_at__lte=now)
        return list(rows.order_by("next_try_at").values_list("tenant_id", "binding_id")[:500])


def _may_end(actor: Actor, row: Binding, confirm: str) -> None:
    if row.kind == Kind.PLATFORM and actor.kind != "operator":
        raise Refusal(f"{REGISTRY[row.provider].spec.prefix}-LOCK-01")
    wanted = impact(row)["confirm"]
    if wanted and confirm != wanted:
        raise Refusal("X-CONFIRM-01", field="confirm", extra={"confirm": wanted}, confirm=wanted)


def _begin(actor: Actor, row: Binding, *, revoke: bool, now: datetime) -> Ending:
    row.unbound_at, row.unbound_by_name = now, actor.name
    row.version += 1
    row.save(update_fields=["unbound_at", "unbound_by_name", "version"])
    Schedule.objects.filter(pk=row.pk).update(next_check_at=None)
    pending = row.status == state.Status.PENDING
    return Ending.objects.create(
        binding=row,
        tenant_id=row.tenant_id,
        by={k: v for k, v in actor.event().items() if k in ("kind", "id", "name")},
        steps=[
            _item("revoke_credential", "pending" if revoke or pending else "skipped"),
            _item("erase_credential", "pending"),
        ],
        next_try_at=now,
        give_up_at=now + CLEAN_FOR,
    )


def _item(action: str, status: str) -> dict[str, Any]:
    return {"action": action, "status": status, "detail": None, "url": None}


def _opened(credential: Credential | None, binding: Binding) -> Secret | None:
    if credential is None:
        return None
    try:
        return sealed.secret_of(credential, binding)
    except sealed.Undecryptable:
        return None


def _revoke(step: dict[str, Any], binding: Binding, secret: Secret | None, *, over: bool) -> None:
    page = REGISTRY[binding.provider].token_page(binding.host.base_url, "")
    if secret is None:
        step.update(status="manual", url=page or None)
        return
    try:
        provider_at(binding.host, secret).revoke()
    except TokenRejected:
        step["status"] = "done"  # dead already
    except NotSupported:
        step.update(status="manual", url=page or None)
    except ProviderError:
        if over:
            step.update(status="manual", url=page or None)
    else:
        step["status"] = "done"


def _erase(steps: list[dict[str, Any]], credential: Credential | None) -> None:
    if credential is not None:
        credential.delete()
    for step in steps:
        if step["action"] == "erase_credential":
            step["status"] = "done"
