"""Leases: the right to read one repository for minutes, without the token of the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import Exists, F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from bindings.models import Binding, Lease, Repository, Schedule
from bindings.models.leases import LeaseKind
from bindings.services.browse import repositories as browse
from bindings.services.browse import usage
from bindings.services.custody.use import usable, use
from bindings.state import USABLE, Status
from portal.ground import bearer, ids, rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor, tenant_of
from portal.tenants.services import events
from providers.catalogue import REGISTRY
from providers.errors import ProviderError
from providers.types import Clone

PREFIX = "mrl"
MOST = 100  # active ones of one binding (product.md G23)
SHORTEST, LONGEST = 60, 3600
KEPT = timedelta(days=30)
_SEEN_LATELY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new lease and what git needs to use it. The password is shown once."""

    lease: Lease
    url: str
    username: str
    password: str = field(repr=False)


def issue(
    *,
    actor: Actor,
    binding: Binding,
    repository: str,
    seconds: int | None = None,
    kind: str = LeaseKind.PROXIED.value,
    build: str = "",
) -> Issued:
    """Lend one repository, by its id or its path, for `seconds` (None: the server's default).

    The host is asked only when the binding's last check is out of date, or the repository has not
    been seen lately; and for a `provider_token`, which it mints. Raises Refusal X-FORM-03 for a
    time out of bounds, X-LEASE-01, X-LEASE-02, X-STATE-01, *-REPO-02, and what a host does.
    """
    now, seconds = timezone.now(), _seconds(seconds)
    if kind not in REGISTRY[binding.provider].spec.lease_kinds:
        raise Refusal("X-LEASE-01", field="kind", platform=REGISTRY[binding.provider].spec.label)
    _demand_usable(actor, binding)
    row = _readable(binding, repository, now)
    lease = Lease(
        tenant_id=binding.tenant_id,
        binding=binding,
        repository=row,
        kind=kind,
        path=row.path,
        build=build,
        issued_to={name: actor.event()[name] for name in ("kind", "id", "name")},
        expires_at=now + timedelta(seconds=seconds),
    )
    if kind == LeaseKind.PROVIDER_TOKEN:
        return _minted(actor, lease, seconds, now)
    secret = bearer.make(PREFIX)
    lease.digest = bearer.digest(secret)
    _store(actor, lease, now)
    return Issued(lease, url_of(lease), lease.public_id, secret)


def revoke(*, actor: Actor, lease: Lease) -> None:
    """End a lease at once; one that has ended already is no error. What a platform has minted ends
    there first: when that fails, the Refusal says so and the lease goes on."""
    now = timezone.now()
    if status_of(lease, now) != "active":
        return
    if lease.remote_id:
        _unmint(lease.binding, lease.remote_id)
    with rls.tenant(lease.tenant_id):
        live = Lease.objects.of(lease.tenant_id).filter(pk=lease.pk, revoked_at=None)
        if live.update(revoked_at=now):
            _tell("lease.revoked", actor, lease, now)


def end_all(binding: Binding, *, now: datetime) -> int:
    """End the leases of a binding that ends or stands still; how many. Needs the tenant's scope.
    A running clone is cut at its next look."""
    return Lease.end_of(binding, now=now)


def active(binding: Binding, now: datetime) -> int | None:
    """How many leases of this binding can be used; None in the scope of the fleet, whose business
    leases are not. Needs a scope."""
    if rls.current() != str(binding.tenant_id):
        return None
    return len(Lease.live_of(binding, now=now).values_list("pk"))


def status_of(lease: Lease, now: datetime) -> str:
    """active, expired, revoked, or ended: its binding was unbound, stands still or is broken.
    Needs `lease.binding`."""
    if lease.revoked_at is not None:
        return "revoked"
    if lease.ended_at is not None and lease.ended_at < lease.expires_at:
        return "ended"
    if lease.expires_at <= now:
        return "expired"
    return "ended" if broken(lease.binding) else "active"


def broken(binding: Binding) -> bool:
    """Is this a binding that no lease can be used with?"""
    try:
        usable(binding)
    except Refusal:
        return True
    return binding.unbound_at is not None


def with_status(rows: QuerySet[Lease], wanted: Sequence[str], now: datetime) -> QuerySet[Lease]:
    """Those of `rows` whose `status_of` is among `wanted`, told by the columns."""
    able = Q(binding__unbound_at=None) & (Q(binding__status__in=USABLE) | ~Q(binding__drill=""))
    revoked, ended = Q(revoked_at__isnull=False), Q(ended_at__lt=F("expires_at"))
    over = Q(expires_at__lte=now)
    found = Q(pk__in=[])
    meaning = {
        "revoked": revoked,
        "ended": ~revoked & (ended | (~over & ~able)),
        "expired": ~revoked & ~ended & over,
        "active": ~revoked & ~ended & ~over & able,
    }
    for word in wanted:
        found |= meaning[word]
    return rows.filter(found)


def of_repositories(rows: QuerySet[Lease], names: Sequence[str]) -> QuerySet[Lease]:
    """Those of `rows` that lend one of these repositories, named by id or path."""
    keys = [ids.key(Repository.PREFIX, name) for name in names]
    return rows.filter(Q(repository_id__in=[key for key in keys if key]) | Q(path__in=names))


def url_of(lease: Lease) -> str:
    """Where git clones from: the same for every lease of a repository, so that remotes stay."""
    binding = ids.public(Binding.PREFIX, lease.binding_id)
    return f"{settings.MOORING_URL}/git/{binding}/{quote(lease.path)}.git"


def _seconds(asked: int | None) -> int:
    most = min(settings.MOORING_LEASE_MINUTES_MAX * 60, LONGEST)
    if asked is None:
        return min(max(settings.MOORING_LEASE_MINUTES * 60, SHORTEST), most)
    if SHORTEST <= asked <= most:
        return asked
    why = _("%(least)d to %(most)d seconds") % {"least": SHORTEST, "most": most}
    raise Refusal("X-FORM-03", field="ttl", why=why)


def _demand_usable(actor: Actor, binding: Binding) -> None:
    """Raises Refusal X-STATE-01, with the page where a person can put it right."""
    proof = binding.proofs.get("clone", {})
    if broken(binding) or (binding.status == Status.INSUFFICIENT and not proof.get("ok", True)):
        page = f"{settings.MOORING_URL}/t/{tenant_of(actor).slug}/bindings/{binding.public_id}/"
        word = binding.state.value
        raise Refusal("X-STATE-01", state=word, fix_url=page, extra={"state": word})


def _readable(binding: Binding, key: str, now: datetime) -> Repository:
    """The repository, once it is known that this account can read it.

    What an earlier account has seen proves nothing. Raises Refusal *-REPO-02 and the host's.
    """
    known = _known(binding, key)
    since = max(now - _SEEN_LATELY, binding.bound_at or now)
    proved = known is not None and getattr(known, "proved", False)
    if known is None or not proved or known.gone_at is not None or known.seen_at < since:
        found = browse.repository(binding=binding, key=key, fresh=not proved)
        known = _known(binding, found.id)
        if known is None:  # listed a while ago, and forgotten since
            found = browse.repository(binding=binding, key=found.path, fresh=True)
            known = _known(binding, found.id)
    if known is None:
        raise Refusal(f"{REGISTRY[binding.provider].spec.prefix}-REPO-02", path=key)
    if known.used_at is None or now - known.used_at > usage.STAMP_EVERY:
        usage.note(binding=binding, remote_id=known.remote_id)
    return known


def _known(binding: Binding, key: str) -> Repository | None:
    """Our row of a repository; `proved` says whether the binding was checked within its window."""
    number = ids.key(Repository.PREFIX, key)
    which = Q(pk=number) if number is not None else Q(path=key)
    checked = Schedule.objects.filter(pk=binding.pk, next_check_at__gt=timezone.now())
    with rls.tenant(binding.tenant_id):
        rows = Repository.objects.of(binding.tenant_id).filter(
            which, instance_id=binding.instance_id, host_id=binding.host_id
        )
        return rows.annotate(proved=Exists(checked)).order_by("-seen_at").first()


def _minted(actor: Actor, lease: Lease, seconds: int, now: datetime) -> Issued:
    """A credential the platform makes for this; never the stored one in its stead."""
    with rls.tenant(lease.tenant_id):
        _demand_room(lease.binding, now)
    clone = _mint(lease, minutes=-(-seconds // 60))
    lease.remote_id, lease.expires_at = clone.number, clone.expires_at or lease.expires_at
    try:
        _store(actor, lease, now)
    except BaseException:
        _unmint(lease.binding, clone.number)
        raise
    return Issued(lease, clone.url, clone.username, clone.password)


def _mint(lease: Lease, *, minutes: int) -> Clone:
    try:
        with use(lease.binding, why="lease") as provider:
            return provider.mint(lease.repository.remote_id, minutes)
    except ProviderError as error:
        raise browse.refusal(error, lease.binding, path=lease.path) from None


def _unmint(binding: Binding, number: str) -> None:
    try:
        with use(binding, why="end lease") as provider:
            provider.unmint(number)
    except ProviderError as error:
        raise browse.refusal(error, binding) from None


def _store(actor: Actor, lease: Lease, now: datetime) -> None:
    with rls.tenant(lease.tenant_id):
        _demand_room(lease.binding, now)
        lease.save(force_insert=True)
        _tell("lease.created", actor, lease, now)


def _demand_room(binding: Binding, now: datetime) -> None:
    """Raises Refusal X-LEASE-02. Until the transaction ends nobody else counts this binding's."""
    rls.in_turn(f"leases of {binding.pk}")
    live = Lease.live_of(binding, now=now)
    if live.count() >= MOST:
        first = live.order_by("expires_at").values_list("expires_at", flat=True)[0]
        raise Refusal("X-LEASE-02", retry_after=max((first - now).total_seconds(), 1.0))


def _tell(type: str, actor: Actor, lease: Lease, now: datetime) -> None:
    repository = ids.public(Repository.PREFIX, lease.repository_id)
    events.record(
        tenant_id=lease.tenant_id,
        type=type,
        actor=actor.event(),
        at=now,
        instance_id=lease.binding.instance_id,
        binding_id=lease.binding_id,
        data=_picture(lease, repository),
    )


def _picture(lease: Lease, repository: str) -> dict[str, Any]:
    return {
        "lease": {
            "id": lease.public_id,
            "kind": lease.kind,
            "build": lease.build,
            "expires_at": lease.expires_at.isoformat(),
        },
        "repository": {"id": repository, "path": lease.path},
        "binding": {"id": ids.public(Binding.PREFIX, lease.binding_id)},
    }
