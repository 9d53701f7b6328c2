"""Open, change and close the registry instances of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.bind import platform, unbind
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from portal.tenants.models.tenants import NAME
from portal.tenants.services import events

MOST = 200  # instances of a tenant


def open_instance(
    *,
    actor: Actor,
    name: str,
    region: str,
    display_name: str = "",
    labels: Mapping[str, str] | None = None,
) -> Instance:
    """Make an instance, with the binding of the tenant's cloud account. Raises Refusal: X-FORM-03
    for name or region, X-NAME-01, X-LIMIT-01."""
    tenant = actor.tenant
    if tenant is None:
        raise NotYours
    _check_name(name)
    if region not in settings.MOORING_REGIONS:
        raise Refusal("X-FORM-03", field="region", why=", ".join(settings.MOORING_REGIONS))
    with rls.tenant(tenant.pk):
        platform.take_turn(tenant.pk)
        live = Instance.objects.of(tenant).filter(closed_at=None)
        if live.count() >= MOST:
            raise Refusal("X-LIMIT-01", n=MOST)
        try:
            with rls.attempt():
                instance = Instance.objects.create(
                    tenant=tenant,
                    name=name,
                    display_name=display_name.strip(),
                    region=region,
                    labels=dict(labels or {}),
                )
        except IntegrityError:
            other = _free_name(set(live.values_list("name", flat=True)), name)
            raise Refusal(
                "X-NAME-01", field="name", name=name, extra={"suggestion": other}
            ) from None
        _tell("instance.created", actor, instance)
        platform.bind_new(actor=actor, instance=instance)
    return instance


def change_instance(*, actor: Actor, instance: Instance, changes: Mapping[str, Any]) -> Instance:
    """Change display name or labels; name and region never change."""
    with rls.tenant(instance.tenant_id):
        row = (
            Instance.objects.of(instance.tenant_id)
            .select_for_update()
            .filter(pk=instance.pk, closed_at=None)
            .first()
        )
        if row is None:
            raise NotYours
        for field in ("display_name", "labels"):
            if field in changes:
                setattr(row, field, changes[field])
        row.updated_at = timezone.now()
        row.save()
        _tell("instance.changed", actor, row, changed=sorted(changes))
    return row


def close_instance(*, actor: Actor, instance: Instance) -> None:
    """Close an instance that nobody has bound anything to; what a cloud account brought along
    ends with it. Raises Refusal X-INUSE-01."""
    now = timezone.now()
    with rls.tenant(instance.tenant_id):
        row = (
            Instance.objects.of(instance.tenant_id)
            .select_for_update()
            .filter(pk=instance.pk, closed_at=None)
            .first()
        )
        if row is None:
            raise NotYours
        live = Binding.objects.of(row.tenant_id).filter(instance=row, unbound_at=None)
        bound = live.exclude(kind=Kind.PLATFORM).count()
        if bound:
            raise Refusal("X-INUSE-01", n=bound)
        for brought in live:
            unbind.end_with_instance(actor=actor, binding=brought, now=now)
        row.closed_at = row.updated_at = now
        row.save(update_fields=["closed_at", "updated_at"])
        _tell("instance.deleted", actor, row)


def _check_name(name: str) -> None:
    try:
        NAME(name)
    except ValidationError:
        raise Refusal("X-FORM-03", field="name", why="3-40, a-z 0-9 -") from None


def _free_name(taken: set[str], name: str) -> str:
    stem = name[:36].rstrip("-")  # two hyphens in a row are no name
    return next(f"{stem}-{n}" for n in count(2) if f"{stem}-{n}" not in taken)


def _tell(type: str, actor: Actor, instance: Instance, **more: Any) -> None:
    events.record(
        tenant_id=instance.tenant_id,
        type=type,
        actor=actor.event(),
        at=timezone.now(),
        instance_id=instance.pk,
        data={"name": instance.name, **more},
    )
