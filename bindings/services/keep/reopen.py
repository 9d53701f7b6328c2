"""Look again at credentials that did not open: with their key they come back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from bindings import state
from bindings.models import Binding, Credential, Schedule, facts
from bindings.models.hooks import compare_soon
from bindings.services.custody import keyring
from bindings.services.custody.sealed import Undecryptable, secret_of
from bindings.services.tell import outbox
from bindings.state import Status
from portal.ground import rls

BATCH = 500


def reopen(now: datetime) -> int:
    """Wake the bindings whose credential opens again; how many. They are asked at once.

    Rows whose key is still missing cost one look at an index.
    """
    return sum(wake(tenant_id, key, now) for tenant_id, key in _shut())


def _shut() -> Iterator[tuple[UUID, UUID]]:
    after = UUID(int=0)
    while True:
        with rls.fleet("credentials that did not open"):
            rows = list(
                Binding.objects.filter(
                    pk__gt=after,
                    unbound_at=None,
                    status=Status.UNDECRYPTABLE,
                    credential__key_id__in=keyring.known(),
                )
                .order_by("pk")
                .values_list("tenant_id", "pk")[:BATCH]
            )
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1][1]


def wake(tenant_id: UUID, key: UUID, now: datetime) -> bool:
    """Bring one binding back to what it was, if its credential opens; whether it did."""
    with rls.tenant(tenant_id):
        row = (
            Binding.objects.of(tenant_id)
            .select_for_update(of=("self",))
            .filter(pk=key, unbound_at=None, status=Status.UNDECRYPTABLE)
            .first()
        )
        if row is None or not _opens(row):
            return False
        verdict = state.reopened(facts.of(row), now)
        facts.apply(row, verdict.facts)
        row.why_facts = {}
        row.version += 1
        row.save()
        Schedule.objects.filter(pk=key).update(next_check_at=verdict.next_check_at)
        compare_soon([key], now)
        outbox.tell_verdict(row, verdict, at=now)
    return True


def _opens(binding: Binding) -> bool:
    row = Credential.objects.of(binding.tenant_id).get(pk=binding.pk)
    try:
        secret_of(row, binding)
    except Undecryptable:
        return False
    return True
