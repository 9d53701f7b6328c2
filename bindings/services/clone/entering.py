"""From the pair that git sends to the lease it stands for; and counting what a lease was used for.

Who has the right id but a wrong password is told what who has neither is told, after the same work.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import F, Model
from django.utils import timezone

from bindings.models import Binding, Lease, Repository
from bindings.services.clone import words
from bindings.services.clone.leases import broken
from bindings.state import Status
from portal.ground import bearer, ids, rls

_KNOWN: Final[dict[UUID, UUID]] = {}
"""Binding → tenant, which never changes; only of bindings that exist."""
_MOST_KNOWN = 10_000
_NOTHING = bytes(32)


def enter(*, binding: str, username: str, password: str, path: str) -> Lease:
    """The lease that lets in, with its binding, host and repository.

    `path`: what was asked for below the binding's address, decoded once. Raises TurnedAway: 401 for
    a wrong or ended lease, 404 for a good one of another repository, 409 for a broken binding.
    """
    lease, now = _found(binding, username, password), timezone.now()
    if lease is None:
        raise words.wrong_lease()
    _demand_alive(lease, now)
    if ids.public(Binding.PREFIX, lease.binding_id) != binding:
        raise words.other_repository()
    if path not in (lease.path, f"{lease.path}.git"):
        raise words.other_repository()
    if broken(lease.binding):
        raise words.not_usable(lease.binding.state)
    return lease


def alive(lease: Lease, *, passed: int) -> bool:
    """May what is running go on? Counts the bytes that have passed since it was last asked. That
    its time is over ends no clone that began before."""
    with rls.tenant(lease.tenant_id):
        live = Lease.objects.of(lease.tenant_id).filter(pk=lease.pk, revoked_at=None, ended_at=None)
        return bool(live.update(bytes=F("bytes") + passed))


def count(lease: Lease, *, passed: int) -> None:
    """One request more, and the bytes that have passed since `alive` was last asked."""
    with rls.tenant(lease.tenant_id):
        Lease.objects.of(lease.tenant_id).filter(pk=lease.pk).update(
            uses=F("uses") + 1, bytes=F("bytes") + passed, used_at=timezone.now()
        )


def _found(binding: str, username: str, password: str) -> Lease | None:
    """The lease with this id and password in the tenant of the binding."""
    place, number = ids.key(Binding.PREFIX, binding), ids.key(Lease.PREFIX, username)
    tenant = None if place is None else _tenant_of(place)
    lease = None
    if tenant is not None and number is not None:
        with rls.tenant(tenant):
            lease = _row(tenant, number)
    kept = _NOTHING if lease is None else bytes(lease.digest or _NOTHING)
    right = hmac.compare_digest(kept, bearer.digest(password))
    return lease if right else None


def _columns(model: type[Model], wanted: str) -> list[str]:
    """These columns in the order of the model, as `from_db` wants them."""
    return [field.column for field in model._meta.concrete_fields if field.column in wanted.split()]


_LEASE = _columns(
    Lease,
    "id tenant_id binding_id repository_id path digest bytes expires_at revoked_at ended_at",
)
_BINDING = _columns(
    Binding,
    "id tenant_id host_id instance_id provider account_login status status_since reach suspicion"
    " drill unbound_at version",
)
_REPOSITORY = _columns(Repository, "id tenant_id remote_id clone_url")
_BY_ID = """
SELECT {columns} FROM bindings_lease AS lease
  JOIN bindings_binding AS binding ON binding.id = lease.binding_id
  JOIN bindings_repository AS repository ON repository.id = lease.repository_id
 WHERE lease.tenant_id = %s AND lease.id = %s AND lease.kind = 'proxied'
""".format(
    columns=", ".join(
        f"{name}.{column}"
        for name, columns in (
            ("lease", _LEASE),
            ("binding", _BINDING),
            ("repository", _REPOSITORY),
        )
        for column in columns
    )
)
"""Written by hand because git asks so often: the ORM makes it anew for ten times the CPU."""


def _row(tenant: UUID, number: UUID) -> Lease | None:
    with connection.cursor() as cursor:
        cursor.execute(_BY_ID, [tenant, number])
        row = cursor.fetchone()
    if row is None:
        return None
    alias, rest = connection.alias, row[len(_LEASE) :]
    lease = Lease.from_db(alias, _LEASE, row[: len(_LEASE)])
    lease.binding = Binding.from_db(alias, _BINDING, rest[: len(_BINDING)])
    lease.repository = Repository.from_db(alias, _REPOSITORY, rest[len(_BINDING) :])
    return lease


def _tenant_of(binding: UUID) -> UUID | None:
    known = _KNOWN.get(binding)
    if known is not None:
        return known
    with rls.fleet("whose binding is cloned from"):
        found: UUID | None = (
            Binding.objects.filter(pk=binding).values_list("tenant_id", flat=True).first()
        )
    if found is not None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[binding] = found
    return found


def _demand_alive(lease: Lease, now: datetime) -> None:
    """Raises TurnedAway with when it ended: by itself, by hand, or with its binding."""
    ends = [lease.expires_at, lease.revoked_at, lease.ended_at, lease.binding.unbound_at]
    ended = min(at for at in ends if at is not None)
    if ended <= now:
        raise words.ended_lease(ended)
    if lease.binding.status == Status.SUSPENDED:
        raise words.ended_lease(lease.binding.status_since)
