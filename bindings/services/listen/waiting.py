"""Triggers whose binding has ended: kept for 30 days, and taken up by the next one that sees their
repository."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import Exists, OuterRef

from bindings.models import Binding, Trigger
from bindings.models.triggers import TriggerMode
from bindings.services.browse import repositories as browse
from bindings.services.custody.sealed import Undecryptable
from bindings.services.listen import hooks
from portal.ground import jobs, rls
from portal.ground.jobs import Job
from portal.ground.refusals import Refusal
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.models import TenantQuerySet

log = structlog.get_logger(__name__)

_CANNOT = ("-HOOK-", "-SCOPE-", "-REPO-03", "-REPO-04")
"""Refusals that say: it sees the repository, but can have no webhook there."""


def begin(binding: Binding, *, now: datetime) -> int:
    """The binding has ended: what it served waits. How many. Needs the tenant's scope."""
    return (
        Trigger.objects.of(binding.tenant_id)
        .filter(
            instance_id=binding.instance_id,
            repository__host_id=binding.host_id,
            waiting_since=None,
        )
        .update(waiting_since=now)
    )


def look_soon(binding: Binding) -> None:
    """A binding is live: let it take up what waits, once the open transaction has committed."""
    if _of(binding).exists():
        jobs.start(Job.TAKE_UP, binding.tenant_id, binding.pk)


def take_up(*, tenant_id: UUID, binding_id: UUID) -> int:
    """Let a live binding serve the waiting triggers whose repositories it sees; automatic ones get
    their webhooks again. How many. A host that does not answer is asked later."""
    with rls.tenant(tenant_id):
        rows = Binding.objects.of(tenant_id).select_related("host", "instance__tenant")
        binding = rows.filter(pk=binding_id, unbound_at=None).exclude(status="pending").first()
        if binding is None:
            return 0
        waiting = list(_of(binding).select_related("repository"))
    actor = access.system(binding.instance.tenant)
    return sum(_taken_up(actor, binding, trigger) for trigger in waiting)


def due() -> list[tuple[UUID, UUID]]:
    """(tenant, binding) of live bindings beside which triggers wait: a look at them was lost, or
    the repository could not be seen."""
    waiting = Trigger.objects.filter(
        instance_id=OuterRef("instance_id"),
        repository__host_id=OuterRef("host_id"),
        waiting_since__isnull=False,
    )
    with rls.fleet("triggers that wait beside a binding"):
        rows = Binding.objects.filter(Exists(waiting), unbound_at=None).exclude(status="pending")
        return list(rows.values_list("tenant_id", "pk")[:500])


def _taken_up(actor: Actor, binding: Binding, trigger: Trigger) -> bool:
    try:
        if not _sees(actor, binding, trigger):
            return False
    except (Refusal, Undecryptable) as failed:
        log.info("a trigger waits on", trigger=trigger.public_id, reason=str(failed))
        return False
    with rls.tenant(trigger.tenant_id):
        mine = Trigger.objects.of(trigger.tenant_id).filter(pk=trigger.pk)
        return bool(mine.filter(waiting_since__isnull=False).update(waiting_since=None))


def _sees(actor: Actor, binding: Binding, trigger: Trigger) -> bool:
    """Does it see the repository? Whoever cannot have the webhook serves it by hand all the
    same."""
    key = trigger.repository.public_id
    if trigger.mode == TriggerMode.AUTOMATIC:
        try:
            hooks.add(actor=actor, binding=binding, repository=key)
        except Refusal as refused:
            if refused.code.endswith("-REPO-02"):
                return False
            if not any(word in refused.code for word in _CANNOT):
                raise
        return True
    try:
        browse.repository(binding=binding, key=key, fresh=True)
    except Refusal as refused:
        if refused.code.endswith("-REPO-02"):
            return False
        raise
    return True


def _of(binding: Binding) -> TenantQuerySet[Trigger]:
    return Trigger.objects.of(binding.tenant_id).filter(
        instance_id=binding.instance_id,
        repository__host_id=binding.host_id,
        waiting_since__isnull=False,
    )
