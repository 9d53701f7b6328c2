"""Put a replaced token back, for a day; then it is destroyed."""

from __future__ import annotations

from datetime import date, datetime

from django.utils import timezone

from bindings.models import Binding, Credential
from bindings.models.bindings import Kind
from bindings.services.bind import replace, store
from bindings.services.bind.refuse import refusal_of
from bindings.services.bind.store import Proven
from bindings.services.custody import sealed
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Question
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor


def put_back(*, actor: Actor, binding: Binding) -> Binding:
    """Prove the token that was replaced, and let it serve again. The one it gives way to is
    destroyed here, and stays as it is at the platform.

    Raises Refusal: X-STATE-02 when there is none, X-STATE-01 while an operator has paused it, the
    failed step's when it works no longer; the present one then serves on.
    """
    replace.may_renew(binding)
    now = timezone.now()
    row = _kept(binding, now)
    secret = sealed.former_of(row, binding)
    found = doctor.examine(Question(binding.host, secret, binding.mode, typed=False), now=now)
    if found.identity is not None:
        replace.same_account(binding, found.identity)
    if not found.ok:
        raise refusal_of(found, binding.host)
    said = row.previous or {}
    proven = Proven(
        host=binding.host,
        secret=secret,
        examination=found,
        kind=Kind(binding.kind),
        mode=binding.mode,
        stated_by=said.get("stated_by", ""),
    )
    stated = date.fromisoformat(said["ends_on"]) if said.get("ends_on") else None
    with rls.tenant(binding.tenant_id):
        store.lock(binding)  # of two at once the second finds nothing to put back
        if _kept(binding, now).generation != row.generation:
            raise Refusal("X-STATE-02")
        return replace.swap(
            actor=actor, binding=binding, proven=proven, stated=stated, now=now, put_back=True
        )


def forget(now: datetime) -> int:
    """Destroy the replaced tokens whose day has passed; how many. Opens the fleet's scope."""
    with rls.fleet("replaced tokens that nobody put back"):
        return Credential.objects.filter(rollback_until__lte=now).update(
            previous_access=None, previous_refresh=None, previous=None, rollback_until=None
        )


def _kept(binding: Binding, now: datetime) -> Credential:
    with rls.tenant(binding.tenant_id):
        row = (
            Credential.objects.of(binding.tenant_id)
            .filter(pk=binding.pk, rollback_until__gt=now, previous_access__isnull=False)
            .first()
        )
    if row is None:
        raise Refusal("X-STATE-02")
    return row
