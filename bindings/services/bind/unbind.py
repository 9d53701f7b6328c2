"""Unbind: show what stops, end it here at once, clean up at the host for as long as it takes."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from bindings import problems, state
from bindings.models import Binding, Credential, Ending, Schedule
from bindings.models.bindings import Kind
from bindings.models.triggers import TriggerMode
from bindings.services.bind import leaving, links, store
from bindings.services.browse import usage
from bindings.services.clone import leases
from bindings.services.custody import sealed
from bindings.services.custody.use import provider_at
from bindings.services.listen import standings, waiting
from bindings.services.tell import outbox
from portal.ground import jobs, rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor
from providers.catalogue import REGISTRY
from providers.errors import MissingScope, NotSupported, ProviderError, TokenRejected
from providers.types import Can
from providers.types import Credential as Secret

CLEAN_FOR = timedelta(days=7)  # product.md G29
RECEIPT_FOR = timedelta(days=30)
IN_USE = timedelta(days=30)  # since the last use
TRIGGERS_KEPT_DAYS = standings.KEPT.days
LEASE = timedelta(minutes=5)  # of one ending, while the host is asked
_PAUSES = (1, 5, 30, 120, 360)  # minutes between tries; the last one repeats
_PENDING = "pending"


def impact(binding: Binding) -> dict[str, Any]:
    """What stops when this binding ends, and what will be done at the host. Needs a scope."""
    can_revoke = Can.REVOKE in REGISTRY[binding.provider].spec.capabilities
    used = usage.in_use(binding)
    lately = binding.used_at is not None and timezone.now() - binding.used_at < IN_USE
    in_use, webhooks = bool(used) or lately, leaving.count(binding)
    modes = Counter(usage.triggers_of(binding).values_list("mode", flat=True))
    return {
        "in_use": in_use,
        "confirm": binding.account_login if in_use else None,
        "automatic_triggers": modes[TriggerMode.AUTOMATIC.value],
        "manual_triggers": modes[TriggerMode.MANUAL.value],
        "webhooks": webhooks,
        "active_leases": leases.active(binding, timezone.now()),
        "clients": [],
        "repositories": [
            {"path": one.path, "triggers": one.triggers, "last_event_at": one.last_event_at}
            for one in used
        ],
        "plan": [
            {"action": "remove_webhooks", "count": webhooks},
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
        row = store.lock(binding)
        _may_end(actor, row, confirm)
        # What nobody confirmed was never bound: what was minted for us goes, and nobody is told.
        unconfirmed = row.status == state.Status.PENDING
        minted = row.kind == Kind.OAUTH
        wanted = (unconfirmed and minted) or (minted if revoke is None else revoke)
        ending = _begin(actor, row, revoke=wanted, now=now)
        jobs.start(jobs.Job.END_BINDINGS)
        if not unconfirmed:
            outbox.tell(
                "binding.unbound", binding=row, actor=actor.event(), at=now, reason=reason or None
            )
    return ending


def end_with_instance(*, actor: Actor, binding: Binding, now: datetime) -> Ending:
    """End what the platform has bound to an instance that is closed. Needs an open scope; the
    caller has proved the right to close it."""
    ending = _begin(actor, store.lock(binding), revoke=False, now=now)
    jobs.start(jobs.Job.END_BINDINGS)
    outbox.tell("binding.unbound", binding=ending.binding, actor=actor.event(), at=now, reason=None)
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
        "items": [leaving.shown(step) for step in ending.steps],
        "triggers_kept_until": began + timedelta(days=TRIGGERS_KEPT_DAYS),
        "cleanup_until": ending.give_up_at,
    }


def work_off(*, tenant_id: UUID, binding_id: UUID, now: datetime | None = None) -> None:
    """Try what is left of one ending: remove the webhooks, then revoke if that was asked for, then
    destroy the ciphertext. In this order: who cannot sign in any more removes no webhook.

    Nothing happens when it is not due, or when somebody else is at it.
    """
    now = now or timezone.now()
    ending = _take_up(tenant_id, binding_id, now)
    if ending is None:
        return
    steps = [dict(step) for step in ending.steps]
    over = now >= ending.give_up_at
    _clear(steps, ending, over=over)
    for step in steps:
        due = step["action"] == "revoke_credential" and step["status"] == _PENDING
        if due and not leaving.left(steps):
            _revoke(step, ending.binding, over=over)
    done = all(step["status"] != _PENDING for step in steps if step["action"] != "erase_credential")
    with rls.tenant(tenant_id):
        mine = Ending.objects.of(tenant_id).filter(pk=binding_id, attempts=ending.attempts)
        if mine.select_for_update().first() is None:
            return  # it took longer than its lease, and somebody else went on
        if done:
            _erase(steps, ending)
        pause = timedelta(minutes=_PAUSES[min(ending.attempts, len(_PAUSES)) - 1])
        mine.update(
            steps=steps,
            next_try_at=min(now + pause, max(ending.give_up_at, now)),
            finished_at=now if done else None,
        )
        if done:
            links.close(ending.binding, status="expired")


def due(now: datetime) -> list[tuple[UUID, UUID]]:
    """(tenant, binding) of the endings whose next try has come."""
    with rls.fleet("endings that are due"):
        rows = Ending.objects.filter(finished_at=None, next_try_at__lte=now)
        return list(rows.order_by("next_try_at").values_list("tenant_id", "binding_id")[:500])


def _may_end(actor: Actor, row: Binding, confirm: str) -> None:
    if row.kind == Kind.PLATFORM and actor.kind != "operator":
        raise Refusal(f"{problems.prefix_of(row.provider)}-LOCK-01")
    wanted = impact(row)["confirm"]
    if wanted and confirm != wanted:
        raise Refusal("X-CONFIRM-01", field="confirm", extra={"confirm": wanted}, confirm=wanted)


def _begin(actor: Actor, row: Binding, *, revoke: bool, now: datetime) -> Ending:
    row.unbound_at, row.unbound_by_name = now, actor.name
    row.version += 1
    row.save(update_fields=["unbound_at", "unbound_by_name", "version"])
    leases.end_all(row, now=now)
    Schedule.objects.filter(pk=row.pk).update(next_check_at=None)
    Credential.objects.of(row.tenant_id).filter(pk=row.pk).update(
        previous_access=None, previous_refresh=None, previous=None, rollback_until=None
    )
    waiting.begin(row, now=now)
    return plan(actor, row, revoke=revoke, now=now, at=now)


def plan(actor: Actor, row: Binding, *, revoke: bool, now: datetime, at: datetime) -> Ending:
    """Write down what is to be done at the host from `at` on. Needs the tenant's scope. A binding
    that once waited beside another one has had a plan before: it is written over."""
    steps = [
        *leaving.begin(row, now),
        _item("revoke_credential", _PENDING if revoke else "skipped"),
        _item("erase_credential", _PENDING),
    ]
    columns = {
        "by": {k: v for k, v in actor.event().items() if k in ("kind", "id", "name")},
        "steps": steps,
        "next_try_at": at,
        "give_up_at": at + CLEAN_FOR,
        "attempts": 0,
        "finished_at": None,
    }
    ending, _made = Ending.objects.of(row.tenant_id).update_or_create(
        binding=row, tenant_id=row.tenant_id, defaults=columns
    )
    return ending


def _item(action: str, status: str) -> dict[str, Any]:
    return {"action": action, "status": status, "detail": None, "url": None}


def _take_up(tenant_id: UUID, binding_id: UUID, now: datetime) -> Ending | None:
    """Lease an ending, so that of two workers only one asks the host; `attempts` is the fence."""
    with rls.tenant(tenant_id):
        ending = (
            Ending.objects.of(tenant_id)
            .select_for_update(of=("self",), skip_locked=True)
            .select_related("binding__host")
            .filter(pk=binding_id, finished_at=None, next_try_at__lte=now)
            .first()
        )
        if ending is not None:
            ending.attempts = min(ending.attempts + 1, 30_000)
            ending.next_try_at = now + LEASE
            ending.save(update_fields=["attempts", "next_try_at"])
    return ending


def _clear(steps: list[dict[str, Any]], ending: Ending, *, over: bool) -> None:
    """Remove the webhooks that are left; at the end of all tries they are a person's to remove."""
    if not leaving.left(steps):
        return
    try:
        leaving.work_off(ending, _opened(ending.binding), steps=steps)
    except sealed.Undecryptable as shut:
        over = over or not shut.missing
    if over:
        leaving.give_up(ending, steps)


def _revoke(step: dict[str, Any], binding: Binding, *, over: bool) -> None:
    try:
        secret = _opened(binding)
        if secret is not None:
            provider_at(binding.host, secret).revoke()
    except TokenRejected:
        secret = None  # dead already
    except sealed.Undecryptable as shut:
        # Without its key it may open later; damaged, it never will.
        _leave_to_a_person(step, binding, over=over or not shut.missing)
        return
    except (NotSupported, MissingScope):
        _leave_to_a_person(step, binding, over=True)
        return
    except ProviderError:
        _leave_to_a_person(step, binding, over=over)
        return
    step["status"] = "done"


def _leave_to_a_person(step: dict[str, Any], binding: Binding, *, over: bool) -> None:
    """Name the page where it is done by hand; `over`: trying again is of no use."""
    if over:
        page = REGISTRY[binding.provider].token_page(binding.host.base_url, "")
        step.update(status="manual", url=page or None)


def _opened(binding: Binding) -> Secret | None:
    with rls.tenant(binding.tenant_id):
        row = Credential.objects.of(binding.tenant_id).filter(pk=binding.pk).first()
    return None if row is None else sealed.secret_of(row, binding)


def _erase(steps: list[dict[str, Any]], ending: Ending) -> None:
    Credential.objects.of(ending.tenant_id).filter(pk=ending.pk).delete()
    for step in steps:
        if step["action"] == "erase_credential":
            step["status"] = "done"
