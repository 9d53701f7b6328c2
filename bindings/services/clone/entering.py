"""From the pair that git sends to the lease it stands for; and counting what a lease was used for.

Who has the right id but a wrong password is told what who has neither is told, after the same work.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils import timezone

from bindings.models import Binding, Lease, Repository
from bindings.models.lookup import Columns
from bindings.services.clone import words
from bindings.services.clone.leases import broken
from bindings.state import Status
from portal.ground import bearer, ids, rls

_KNOWN: Final[dict[UUID, UUID]] = {}
"""Binding → tenant, which never changes; only of bindings that exist."""
_MOST_KNOWN = 10_000
_NOTHING = bytes(32)
_COUNT = """
UPDATE bindings_lease SET uses = uses + 1, bytes = bytes + %s, used_at = %s
 WHERE tenant_id = %s AND id = %s
"""


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
    with rls.tenant(lease.tenant_id), connection.cursor() as cursor:
        cursor.execute(_COUNT, [passed, timezone.now(), lease.tenant_id, lease.pk])


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


_LEASE = Columns(
    Lease,
    "lease",
    "id tenant_id binding_id repository_id path digest bytes expires_at revoked_at ended_at",
)
_BINDING = Columns(
    Binding,
    "binding",
    "id tenant_id host_id provider status status_since reach suspicion drill unbound_at version",
)
_REPOSITORY = Columns(Repository, "repository", "id tenant_id remote_id clone_url")
_BY_ID = f"""
SELECT {_LEASE.text}, {_BINDING.text}, {_REPOSITORY.text}
  FROM bindings_lease AS lease
  JOIN bindings_binding AS binding ON binding.id = lease.binding_id
  JOIN bindings_repository AS repository ON repository.id = lease.repository_id
 WHERE lease.tenant_id = %s AND lease.id = %s AND lease.kind = 'proxied'
"""  # noqa: S608 - our own tables and columns


def _row(tenant: UUID, number: UUID) -> Lease | None:
    with connection.cursor() as cursor:
        cursor.execute(_BY_ID, [tenant, number])
        values = cursor.fetchone()
    if values is None:
        return None
    lease = _LEASE.row(Lease, values)
    values = values[_LEASE.count :]
    lease.binding = _BINDING.row(Binding, values)
    lease.repository = _REPOSITORY.row(Repository, values[_BINDING.count :])
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
