"""Cloud accounts: what an operator connects once binds every instance of a tenant (product.md T12).

The account is proven by the whole ladder before anything is kept. Each binding it brings has a
sealed copy of the secret, so that checks, uses and rotation treat it like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from bindings import problems
from bindings.models import Binding, CodeHost, Credential, PlatformAccount, Schedule
from bindings.models.bindings import Kind
from bindings.services.bind import store, unbind
from bindings.services.bind.refuse import refusal_of
from bindings.services.bind.replace import may_renew
from bindings.services.bind.store import Proven
from bindings.services.browse.specs import people_bind
from bindings.services.custody import sealed
from bindings.services.custody.sealed import Undecryptable
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Examination, Question
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor, tenant_of
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from providers.codearts_keys import Keys, pack
from providers.types import Credential as Secret
from providers.types import Expiry, Identity, Inspection, Method, Quality

_NEVER = Expiry(quality=Quality.NEVER)


@dataclass(frozen=True, slots=True)
class Connected:
    """What connecting came to: bindings made, and bindings that got the new secret."""

    account: PlatformAccount
    bound: int
    renewed: int


def hosts() -> list[CodeHost]:
    """The enabled servers whose accounts operators connect. Opens the fleet's scope."""
    with rls.fleet("servers of cloud accounts"):
        rows = CodeHost.objects.filter(owner=None, enabled=True).order_by("provider", "slug")
        return [host for host in rows if not people_bind(host.provider)]


def secret_of(access_key: str, secret_key: str) -> str:
    """A pair of keys as one text, to be sealed."""
    return pack(Keys(access_key.strip(), secret_key.strip()))


def test(*, host: CodeHost, secret: str) -> Examination:
    """Climb the ladder with a cloud account's secret; saves nothing."""
    return doctor.examine(Question(host, _credential(secret), typed=False), now=timezone.now())


def connect(*, actor: Actor, host: CodeHost, secret: str) -> Connected:
    """Prove a cloud account, keep it for the actor's tenant, and bind every open instance to it;
    where the account is connected already, its secret is replaced everywhere.

    Raises Refusal: the code of the step that failed, *-ACC-01 for another account than the one
    that is bound, *-DUP-01 when the tenant has an account at another server.
    """
    found = test(host=host, secret=secret)
    if not found.ok:
        raise refusal_of(found, host)
    now, tenant = timezone.now(), tenant_of(actor)
    proven = Proven(host, _credential(secret), found, Kind.PLATFORM)
    with rls.tenant(tenant.pk):
        take_turn(tenant.pk)
        account = _kept(actor, proven, now)
        proven = replace(proven, account=account)
        bound = renewed = 0
        for instance in Instance.objects.of(tenant).filter(closed_at=None).order_by("pk"):
            first = store.live_binding(instance, host.provider)
            if first is not None:
                _renew(actor, first, proven, now)
                renewed += 1
            elif instance.region in settings.MOORING_REGIONS:
                store.new_binding(
                    actor=actor, instance=instance, proven=proven, expiry=_NEVER, now=now
                )
                bound += 1
    return Connected(account, bound, renewed)


def check(*, account: PlatformAccount) -> Examination:
    """Climb the ladder with the secret that is kept; when that was is remembered. Raises
    Undecryptable."""
    found = test(host=account.host, secret=sealed.platform_secret(account))
    with rls.tenant(account.tenant_id):
        rows = PlatformAccount.objects.of(account.tenant_id).filter(pk=account.pk)
        rows.update(checked_at=timezone.now())
    return found


def disconnect(*, actor: Actor, account: PlatformAccount, reason: str) -> int:
    """Unbind every instance from a cloud account and destroy its secret; how many there were."""
    now = timezone.now()
    with rls.tenant(account.tenant_id):
        take_turn(account.tenant_id)
        rows = Binding.objects.of(account.tenant_id).filter(
            platform_account=account, unbound_at=None
        )
        live = list(rows)
        for binding in live:
            unbind.unbind(
                actor=actor, binding=binding, confirm=binding.account_login, reason=reason
            )
        PlatformAccount.objects.of(account.tenant_id).filter(pk=account.pk).update(
            secret=None, entered_at=now, entered_by_name=actor.name
        )
    return len(live)


def take_turn(tenant_id: UUID) -> None:
    """Connecting an account and opening instances wait for each other, so that no instance is
    missed. Needs an open scope."""
    rls.in_turn(f"platform accounts of {tenant_id}")


def bind_new(*, actor: Actor, instance: Instance) -> Binding | None:
    """The binding that the tenant's cloud account brings to a new instance; None without one.

    Nobody is asked: what was proven of the account counts, and the next sweep checks it. Needs the
    scope in which the instance was made.
    """
    account = _connected(instance.tenant_id)
    if account is None:
        return None
    try:
        secret = sealed.platform_secret(account)
    except Undecryptable:
        return None  # the operator has been told, and connecting again binds all instances
    now = timezone.now()
    binding = store.new_binding(
        actor=actor, instance=instance, proven=_known(account, secret), expiry=_NEVER, now=now
    )
    Schedule.objects.filter(pk=binding.pk).update(next_check_at=now)
    return binding


def _connected(tenant_id: UUID) -> PlatformAccount | None:
    rows = PlatformAccount.objects.of(tenant_id).exclude(secret=None).select_related("host")
    found: PlatformAccount | None = rows.filter(host__enabled=True).first()
    return found


def _credential(secret: str) -> Secret:
    return Secret(token=secret, expiry=_NEVER, kind=Method.PLATFORM)


def _known(account: PlatformAccount, secret: str) -> Proven:
    """An account as it was proven when it was connected."""
    who = Identity(
        account.account_id,
        account.cloud_account,
        account.account_name or None,
        account.account_url or None,
    )
    found = Examination(
        steps=(),
        inspection=Inspection(who, expiry=_NEVER),
        abilities=account.proofs,
        repositories_seen=account.repositories_seen,
    )
    return Proven(account.host, _credential(secret), found, Kind.PLATFORM, account=account)


def _kept(actor: Actor, proven: Proven, now: datetime) -> PlatformAccount:
    """The row of the account with the new secret in it."""
    tenant = tenant_of(actor)
    mine = PlatformAccount.objects.of(tenant).select_for_update(of=("self",))
    rows = {row.host_id: row for row in mine.select_related("host")}
    spec = REGISTRY[proven.host.provider].spec
    for row in rows.values():
        elsewhere = row.host_id != proven.host.pk and row.host.provider == proven.host.provider
        if elsewhere and row.secret is not None:
            raise Refusal(
                f"{spec.prefix}-DUP-01", platform=spec.label, login=row.cloud_account, field="host"
            )
    account = rows.get(proven.host.pk) or PlatformAccount(tenant=tenant, host=proven.host)
    if account.secret is not None and account.account_id != proven.identity.id:
        raise problems.OtherAccount(
            spec.prefix, new=proven.identity.login, old=account.cloud_account
        )
    _learn(account, proven)
    sealed.put_platform_secret(account, proven.secret.token, now=now)
    account.entered_by_name, account.checked_at = actor.name, now
    account.save()
    return account


def _learn(account: PlatformAccount, proven: Proven) -> None:
    who, found = proven.identity, proven.examination
    account.account_id, account.cloud_account = who.id[:200], who.login[:200]
    account.account_name, account.account_url = (who.name or "")[:200], (who.web_url or "")[:500]
    account.proofs = dict(found.abilities)
    account.repositories_seen = found.repositories_seen


def _renew(actor: Actor, binding: Binding, proven: Proven, now: datetime) -> None:
    """The new secret for one binding. A pause that is an operator's own stays."""
    row = store.lock(binding)
    row.platform_account = proven.account
    try:
        may_renew(row)
    except Refusal:
        credential = Credential.objects.of(row.tenant_id).select_for_update().get(pk=row.pk)
        credential.generation += 1
        credential.replaced_at = now
        sealed.put(credential, proven.secret, now=now)
        credential.save()
        return
    store.renew(
        actor=actor, binding=row, proven=proven, expiry=_NEVER, now=now, event="binding.replaced"
    )
