"""Write a proven account into the database: binding, credential, schedule, check and event at once.

The unique index decides who is first; nobody else is asked inside the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from bindings import expiry as ends
from bindings import problems, state
from bindings.models import (
    Binding,
    Check,
    CodeHost,
    Credential,
    PlatformAccount,
    RefreshIntent,
    Schedule,
)
from bindings.models import facts as keep_facts
from bindings.models.bindings import Kind, Mode
from bindings.services.custody import sealed, storing
from bindings.services.keep import drills, ladder
from bindings.services.keep.doctor import Examination
from bindings.services.listen import reconcile, waiting
from bindings.services.tell import outbox
from portal.ground import rls
from portal.ground.refusals import NotYours
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from providers.types import Credential as Secret
from providers.types import Expiry, Identity, Inspection, Quality

CONFIRM_WITHIN = timedelta(minutes=10)  # product.md G25


@dataclass(frozen=True, slots=True)
class Proven:
    """An account that passed the ladder, and how it is going to be used."""

    host: CodeHost
    secret: Secret
    examination: Examination
    kind: Kind
    mode: str = Mode.FULL
    labels: Mapping[str, str] | None = None
    stated_by: str = ""
    account: PlatformAccount | None = None  # of kind platform
    redirect_uri: str = ""  # where a consent came back to
    auto_rotate: bool = False

    @property
    def inspection(self) -> Inspection:
        if self.examination.inspection is None:
            raise ValueError("only an account that passed the ladder is proven")
        return self.examination.inspection

    @property
    def identity(self) -> Identity:
        return self.inspection.identity


def expiry_of(proven: Proven, stated: date | None) -> Expiry:
    """The end the host told, or else the one a person stated."""
    told = proven.inspection.expiry
    if told.quality is Quality.UNKNOWN and proven.secret.expiry.quality is not Quality.UNKNOWN:
        told = proven.secret.expiry
    if told.quality is Quality.UNKNOWN and stated is not None:
        return Expiry(ends.deadline(stated), Quality.STATED)
    return told


def binder(actor: Actor) -> str:
    """Who is said to have bound it: a person, also when a token of theirs did."""
    return str(actor.person) if actor.person else actor.name


def live_binding(instance: Instance, provider: str) -> Binding | None:
    """The live binding of a provider on an instance. Needs an open scope."""
    return (
        Binding.objects.of(instance.tenant_id)
        .filter(instance=instance, provider=provider, unbound_at=None)
        .first()
    )


def lock(binding: Binding) -> Binding:
    """The row of a live binding, held until the transaction ends; a fire drill on it ends first.
    Needs an open scope. Raises NotYours when it has ended."""
    row: Binding | None = (
        Binding.objects.of(binding.tenant_id)
        .select_for_update(of=("self",))
        .select_related("host", "instance")
        .filter(pk=binding.pk, unbound_at=None)
        .first()
    )
    if row is None:
        raise NotYours
    drills.call_off(row, now=timezone.now())
    return row


def already_bound(binding: Binding) -> problems.AlreadyBound:
    """The refusal of a second account."""
    prefix = REGISTRY[binding.provider].spec.prefix
    return problems.AlreadyBound(prefix, login=binding.account_login, binding=binding.public_id)


def new_binding(
    *,
    actor: Actor,
    instance: Instance,
    proven: Proven,
    expiry: Expiry,
    now: datetime,
    pending_for: timedelta | None = None,
    **told: Any,
) -> Binding:
    """Store a new binding; live at once, or pending for as long as `pending_for`. `told` goes into
    its event.

    Needs an open scope. Raises Refusal *-DUP-01 when another one is live, NotYours when the
    instance was closed meanwhile.
    """
    _still_open(instance)
    proven = replace(proven, host=_kept(proven.host))
    binding = _row(actor, instance, proven, now, pending_for)
    waits = pending_for is not None
    due = _learn(binding, proven, expiry, now, waits=waits, generation=1)
    try:
        with rls.attempt():
            binding.save(force_insert=True)
    except IntegrityError:
        first = live_binding(instance, proven.host.provider)
        if first is not None:
            raise already_bound(first) from None
        binding.save(force_insert=True)  # it was unbound a moment ago
    _credential(binding, proven, expiry, now).save(force_insert=True)
    Schedule.objects.create(
        binding=binding, host_id=proven.host.pk, next_check_at=due, checked_at=now
    )
    if proven.examination.steps:  # not climbed for an instance that a cloud account brings along
        keep_check(binding, proven.examination, cause="bind", now=now)
    if pending_for is None:
        waiting.look_soon(binding)
        outbox.tell("binding.bound", binding=binding, actor=actor.event(), at=now, **told)
    return binding


def set_aside(
    *, actor: Actor, instance: Instance, proven: Proven, now: datetime, until: datetime
) -> Binding:
    """Keep an account that has come back beside the one that is bound: an ended binding, which
    nobody can use, whose clean-up begins at `until` unless somebody takes it before.

    Needs an open scope.
    """
    _still_open(instance)
    proven = replace(proven, host=_kept(proven.host))
    binding = _row(actor, instance, proven, now, until - now)
    expiry = expiry_of(proven, None)
    _learn(binding, proven, expiry, now, waits=True, generation=1)
    binding.unbound_at = now
    binding.save(force_insert=True)
    _credential(binding, proven, expiry, now).save(force_insert=True)
    Schedule.objects.create(binding=binding, host_id=proven.host.pk, checked_at=now)
    keep_check(binding, proven.examination, cause="bind", now=now)
    return binding


def renew(
    *,
    actor: Actor,
    binding: Binding,
    proven: Proven,
    expiry: Expiry,
    now: datetime,
    keep_until: datetime | None = None,
    **told: Any,
) -> Binding:
    """Replace the credential of a binding in place: id, hooks and triggers stay. `keep_until`: the
    former one can be put back until then. `told` goes into the event.

    Needs an open scope. The caller has locked the row and compared the account.
    """
    row = Credential.objects.of(binding.tenant_id).select_for_update().get(pk=binding.pk)
    _former(row, binding, keep_until)
    row.generation += 1
    row.replaced_at = now
    _fill(row, binding, proven, expiry, now)
    row.save()
    RefreshIntent.objects.of(binding.tenant_id).filter(pk=binding.pk).delete()
    due = _learn(binding, proven, expiry, now, waits=False, generation=row.generation)
    binding.version += 1
    binding.save()
    Schedule.objects.filter(pk=binding.pk).update(next_check_at=due, checked_at=now, failures=0)
    ladder.forget(binding, now)
    keep_check(binding, proven.examination, cause="bind", now=now)
    reconcile.soon(binding)
    outbox.tell("binding.replaced", binding=binding, actor=actor.event(), at=now, **told)
    return binding


def keep_check(binding: Binding, found: Examination, *, cause: str, now: datetime) -> Check:
    """Keep the ladder that was climbed, for the page and the API."""
    return Check.objects.create(
        tenant_id=binding.tenant_id,
        binding=binding,
        cause=cause,
        status=found.outcome,
        started_at=now,
        finished_at=now,
        ms=found.ms,
        code=found.code,
        state=binding.state,
        steps=[step.stored() for step in found.steps],
    )


def _still_open(instance: Instance) -> None:
    """Held until the commit, so that nobody closes the instance beside it."""
    rows = Instance.objects.of(instance.tenant_id).select_for_update(no_key=True)
    if rows.filter(pk=instance.pk, closed_at=None).first() is None:
        raise NotYours


def _kept(host: CodeHost) -> CodeHost:
    """The stored row of a host. Of two first binds of one server at once the second finds what the
    first has made."""
    if not host._state.adding:
        return host
    CodeHost.objects.bulk_create([host], ignore_conflicts=True)
    return CodeHost.objects.get(owner=host.owner, provider=host.provider, base_url=host.base_url)


def _row(
    actor: Actor, instance: Instance, proven: Proven, now: datetime, pending_for: timedelta | None
) -> Binding:
    return Binding(
        tenant_id=instance.tenant_id,
        instance=instance,
        host=proven.host,
        provider=proven.host.provider,
        kind=proven.kind,
        platform_account=proven.account,
        labels=dict(proven.labels or {}),
        auto_rotate=proven.auto_rotate,
        status=state.Status.PENDING,
        status_since=now,
        reach_since=now,
        quality=Quality.UNKNOWN,
        bound_by=None if proven.account else actor.person,
        bound_by_name="" if proven.account else binder(actor),
        bound_at=None if pending_for else now,
        confirm_until=now + pending_for if pending_for else None,
    )


def _learn(
    binding: Binding, proven: Proven, expiry: Expiry, now: datetime, *, waits: bool, generation: int
) -> datetime | None:
    """Take over what the ladder proved: a new proof clears every old doubt. Returns the time of
    the next check."""
    inspection, secret = proven.inspection, proven.secret
    binding.take_identity(inspection.identity)
    binding.username = binding.account_login
    binding.clone_username = secret.clone_username
    binding.organization = inspection.organization or secret.organization
    binding.mode = proven.mode
    binding.expires_at, binding.quality = expiry.at, expiry.quality
    binding.stated_by = proven.stated_by if expiry.quality is Quality.STATED else ""
    binding.renews = bool(secret.refresh_token)
    binding.proofs = dict(proven.examination.abilities)
    binding.repositories_seen = proven.examination.repositories_seen
    facts = keep_facts.of(binding, generation=generation, access_until=secret.expiry.at)
    first = state.begin(facts, replace(inspection, expiry=expiry), now, waits=waits)
    keep_facts.apply(binding, first.facts)
    binding.why_facts, binding.reach_facts = {}, {}
    return first.facts.next_check_at


def _former(row: Credential, binding: Binding, keep_until: datetime | None) -> None:
    """What becomes of the credential that is replaced: kept for a while, or gone."""
    if keep_until is None or not sealed.keep_former(row):
        sealed.forget_former(row)
        return
    stated = binding.quality == Quality.STATED and binding.expires_at is not None
    row.rollback_until = keep_until
    row.previous = {
        "clone_username": binding.clone_username,
        "stated_by": binding.stated_by,
        "ends_on": binding.expires_at.date().isoformat() if stated and binding.expires_at else None,
    }


def _credential(binding: Binding, proven: Proven, expiry: Expiry, now: datetime) -> Credential:
    row = Credential(binding=binding, tenant_id=binding.tenant_id)
    _fill(row, binding, proven, expiry, now)
    return row


def _fill(row: Credential, binding: Binding, proven: Proven, expiry: Expiry, now: datetime) -> None:
    inspection = proven.inspection
    # A pair that renews itself keeps the end of its access token; people see the binding's.
    end = proven.secret.expiry if proven.secret.refresh_token else expiry
    scopes = inspection.scopes if inspection.scopes is not None else proven.secret.scopes
    sealed.put(row, replace(proven.secret, expiry=end, scopes=scopes), now=now)
    row.token_id, row.token_name = inspection.token_id[:100], inspection.token_name[:200]
    row.redirect_uri = proven.redirect_uri[:500]
    row.renew_at = storing.due_at(row, binding, now=now)
