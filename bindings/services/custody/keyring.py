"""Re-encryption under the active key: in batches, resumable at any point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

from django.db.models import Count

from bindings import vault
from bindings.models import CodeHost, Credential, Endpoint, Hook, PlatformAccount
from bindings.services.custody.sealed import ACCESS, CLIENT, ENDPOINT, HOOK, PLATFORM, REFRESH
from bindings.vault import Sealed, Undecryptable
from portal.ground import rls
from portal.tenants import signin

_FIELDS = {
    "access": ACCESS,
    "refresh": REFRESH,
    "previous_access": ACCESS,
    "previous_refresh": REFRESH,
}
_SHARED: tuple[tuple[type[Hook] | type[Endpoint], str], ...] = ((Hook, HOOK), (Endpoint, ENDPOINT))
"""Tables of secrets that both sides know: their newest, and the one before."""
_NONE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did: rows now under the active key, and rows that do not open."""

    moved: int
    closed: int


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring, or one that rows ask for; never the key itself. Without rows, and not
    active, it can be retired."""

    id: str
    rows: int
    active: bool
    known: bool


def table() -> list[Key]:
    """The keys of the ring in their order, then those that are missing from it. Opens the fleet's
    scope."""
    counted = rows_by_key()
    ring = list(vault.ring().keys)
    missing = sorted(set(counted) - set(ring))
    return [
        Key(id=key, rows=counted.get(key, 0), active=key == vault.ring().active, known=key in ring)
        for key in [*ring, *missing]
    ]


def known() -> list[str]:
    """The ids of the keys that are in the ring, the active one first."""
    return list(vault.ring().keys)


def rows_by_key() -> dict[str, int]:
    """How many sealed rows there are under each key id. Opens the fleet's scope."""
    with rls.fleet("rows per key"):
        counted = Credential.objects.exclude(access=None).values_list("key_id")
        found = Counter(dict(counted.annotate(n=Count("pk")).order_by("key_id")))
        hosts = CodeHost.objects.exclude(client_secret=None).only("client_secret")
        found.update(host.client_secret.key_id for host in hosts)
        accounts = PlatformAccount.objects.exclude(secret=None)
        found.update(accounts.values_list("key_id", flat=True))
        for model, _place in _SHARED:
            shared = model.objects.exclude(secret=None).values_list("key_id")
            found.update(dict(shared.annotate(n=Count("pk")).order_by("key_id")))
    found.update(Sealed(seed).key_id for seed in signin.sealed_seeds())
    return dict(found)


def reseal(*, size: int = 500) -> Iterator[Batch]:
    """Move everything to the active key, `size` rows in a transaction.

    A row that does not open stays as it is. Rows that somebody holds are passed by and met again
    in the next pass; a pass that moves nothing is the last. Killed at any point, it goes on where
    it was when it is called again.
    """
    moved = True
    while moved:
        moved = False
        for batch in chain(_credentials(size), _shared(size)):
            moved = moved or batch.moved > 0
            yield batch
    yield from _hosts()
    yield from _accounts()
    yield from _seeds()


def _credentials(size: int) -> Iterator[Batch]:
    """One pass in the order of the keys, so that closed rows are read once a pass."""
    active, after = vault.ring().active, _NONE
    while True:
        with rls.fleet("re-encrypt credentials"):
            rows = list(
                Credential.objects.select_for_update(skip_locked=True)
                .filter(pk__gt=after, access__isnull=False)
                .exclude(key_id=active)
                .order_by("pk")[:size]
            )
            moved = sum(_moved(row, active) for row in rows)
        if not rows:
            return
        after = rows[-1].pk
        yield Batch(moved, len(rows) - moved)


def _moved(row: Credential, active: str) -> bool:
    try:
        fresh = {name: _again(getattr(row, name), place, row.pk) for name, place in _FIELDS.items()}
    except Undecryptable:
        return False
    for name, sealed in fresh.items():
        setattr(row, name, sealed)
    row.key_id = active
    row.save(update_fields=[*fresh, "key_id"])
    return True


def _shared(size: int) -> Iterator[Batch]:
    """One pass over the secrets of hooks and of endpoints, in the order of their keys."""
    active = vault.ring().active
    for model, place in _SHARED:
        after = _NONE
        while True:
            with rls.fleet("re-encrypt shared secrets"):
                asked = model.objects.select_for_update(skip_locked=True)
                waiting = asked.filter(pk__gt=after, secret__isnull=False).exclude(key_id=active)
                rows: list[Any] = list(waiting.order_by("pk")[:size])  # hooks, then endpoints
                moved = sum(_moved_shared(row, place, active) for row in rows)
            if not rows:
                break
            after = rows[-1].pk
            yield Batch(moved, len(rows) - moved)


def _moved_shared(row: Hook | Endpoint, place: str, active: str) -> bool:
    try:
        row.secret = _again(row.secret, place, row.pk)
        row.previous_secret = _again(row.previous_secret, place, row.pk)
    except Undecryptable:
        return False
    row.key_id = active
    row.save(update_fields=["secret", "previous_secret", "key_id"])
    return True


def _again(sealed: Sealed | None, field: str, row: UUID) -> Sealed | None:
    if sealed is None:
        return None
    where = vault.place(field, row)
    return vault.seal(vault.open_sealed(sealed, where), where)


def _hosts() -> Iterator[Batch]:
    """Operators' app secrets: few, so one transaction."""
    moved = closed = 0
    with rls.fleet("re-encrypt client secrets"):
        for host in CodeHost.objects.select_for_update().exclude(client_secret=None):
            if host.client_secret.key_id == vault.ring().active:
                continue
            try:
                host.client_secret = _again(host.client_secret, CLIENT, host.pk)
            except Undecryptable:
                closed += 1
                continue
            host.save(update_fields=["client_secret"])
            moved += 1
    if moved or closed:
        yield Batch(moved, closed)


def _accounts() -> Iterator[Batch]:
    """Tenants' cloud accounts: one for each at most, so one transaction."""
    active, moved, closed = vault.ring().active, 0, 0
    with rls.fleet("re-encrypt cloud accounts"):
        rows = PlatformAccount.objects.select_for_update().exclude(secret=None)
        for account in rows.exclude(key_id=active):
            try:
                account.secret = _again(account.secret, PLATFORM, account.pk)
            except Undecryptable:
                closed += 1
                continue
            account.key_id = active
            account.save(update_fields=["secret", "key_id"])
            moved += 1
    if moved or closed:
        yield Batch(moved, closed)


def _seeds() -> Iterator[Batch]:
    """Second steps: each by itself, compared with what was read."""
    closed = 0

    def again(ciphertext: bytes) -> bytes | None:
        nonlocal closed
        if Sealed(ciphertext).key_id == vault.ring().active:
            return None
        try:
            moved = _again(Sealed(ciphertext), signin.FACTOR, _NONE)
        except Undecryptable:
            closed += 1
            return None
        return moved.ciphertext if moved else None

    moved = signin.reseal_seeds(again)
    if moved or closed:
        yield Batch(moved, closed)
