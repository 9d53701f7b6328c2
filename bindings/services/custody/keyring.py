"""Re-encryption under the active key: in batches, by compare-and-set, resumable at any point."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db.models import Count, Q

from bindings import vault
from bindings.models import CodeHost, Credential
from bindings.services.custody.sealed import ACCESS, CLIENT, REFRESH
from bindings.vault import Sealed, Undecryptable
from portal.ground import rls

_FIELDS = {
    "access": ACCESS,
    "refresh": REFRESH,
    "previous_access": ACCESS,
    "previous_refresh": REFRESH,
}


def rows_by_key() -> dict[str, int]:
    """How many sealed rows there are under each key id. Opens the fleet's scope."""
    with rls.fleet("rows per key"):
        counted = Credential.objects.exclude(access=None).values_list("key_id")
        found = dict(counted.annotate(n=Count("pk")).order_by("key_id"))
        for host in CodeHost.objects.exclude(client_secret=None).only("client_secret"):
            key = host.client_secret.key_id
            found[key] = found.get(key, 0) + 1
    return found


def reseal(*, batch: int = 500) -> Iterator[tuple[int, int]]:
    """Move everything to the active key; yields (moved, left closed) after each batch.

    Each batch is one transaction. A row that does not open stays as it is, and is counted.
    Killed at any point, it goes on where it was when it is called again.
    """
    active = vault.ring.active
    closed: set[UUID] = set()
    while True:
        with rls.fleet("re-encrypt credentials"):
            rows = list(
                Credential.objects.select_for_update(skip_locked=True)
                .filter(~Q(key_id=active), access__isnull=False)
                .exclude(pk__in=closed)
                .order_by("pk")[:batch]
            )
            moved = sum(_moved(row, active, closed) for row in rows)
        if rows:
            yield moved, len(rows) - moved
        if len(rows) < batch:
            break
    yield from _reseal_hosts(active)


def _moved(row: Credential, active: str, closed: set[UUID]) -> int:
    try:
        fresh = {name: _again(getattr(row, name), place, row.pk) for name, place in _FIELDS.items()}
    except Undecryptable:
        closed.add(row.pk)
        return 0
    for name, sealed in fresh.items():
        setattr(row, name, sealed)
    row.key_id = active
    row.save(update_fields=[*fresh, "key_id"])
    return 1


def _again(sealed: Sealed | None, field: str, row: object) -> Sealed | None:
    if sealed is None:
        return None
    where = f"{field}:{row}"
    return vault.seal(vault.open_sealed(sealed, where), where)


def _reseal_hosts(active: str) -> Iterator[tuple[int, int]]:
    moved = closed = 0
    with rls.fleet("re-encrypt client secrets"):
        for host in CodeHost.objects.select_for_update().exclude(client_secret=None):
            if host.client_secret.key_id == active:
                continue
            try:
                host.client_secret = _again(host.client_secret, CLIENT, host.pk)
            except Undecryptable:
                closed += 1
                continue
            host.save(update_fields=["client_secret"])
            moved += 1
    if moved or closed:
        yield moved, closed
