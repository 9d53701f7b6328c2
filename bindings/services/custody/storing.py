"""Store what a renewal brought: first of all, by compare-and-set, and whatever the database does.

While a renewed pair is only in memory it is the one copy there is. A failed commit is tried again
on fresh connections for as long as the process lives; meanwhile the pair lies sealed on the disk.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import Error as DatabaseTrouble
from django.db import connection

from bindings.models import Binding, Credential, RefreshIntent, Renewal
from bindings.services.custody import intents, orphans, pairs, sealed, spool
from bindings.services.custody.intents import Claim
from bindings.services.custody.pairs import Pair
from bindings.services.custody.sealed import Undecryptable
from bindings.state import renewal
from portal.ground import jobs, rls
from providers.types import Credential as Secret
from providers.types import Expiry, Quality

log = structlog.get_logger(__name__)

PATIENCE, LAST_PATIENCE = 60.0, 3600.0
"""Seconds for which storing is tried again: with the pair on the disk, and without it."""
_PAUSES = (0.1, 0.3, 1.0, 3.0)
_MOST = 30_000  # of a smallint


def keep(mine: Claim, fresh: Secret, *, now: datetime) -> bool:
    """Store a successor and close its intent; False when it is no longer wanted: somebody else has
    moved on, or the binding has ended (then the pair is ended as well).

    Raises what the database raises when it took nothing for a minute; then the spool has it.
    """
    pair = pairs.of(mine, fresh)
    begun, spooled, tries = time.monotonic(), False, 0
    while True:
        try:
            kept = put_away(pair, now=now)
        except DatabaseTrouble as trouble:
            # Not the text: it may quote the statement.
            log.error("a renewed token is not stored yet", why=type(trouble).__name__)
            connection.close()
            spooled = spooled or spool.put(pair.name, pairs.written(pair))
            waited = time.monotonic() - begun
            if waited > (PATIENCE if spooled else LAST_PATIENCE) or (spooled and jobs.ending()):
                raise
            time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
            continue
        if spooled:
            spool.remove(pair.name)
        return kept


def put_away(pair: Pair, *, now: datetime) -> bool:
    """One try to store a pair, in one transaction that commits by itself."""
    with rls.alone(pair.tenant_id):
        binding = _binding(pair)
        row = _credential(pair)
        if binding is not None and row is not None and row.generation == pair.generation:
            _write(row, binding, pair, now)
            return True
        # A commit whose answer was lost has stored it already.
        done = row is not None and row.fingerprint == sealed.fingerprint(pair.fresh)
    if binding is None and not done:
        orphans.leave(pair, now=now)
    elif not done:
        log.warning("somebody else has renewed it; this pair is dropped", binding=pair.label)
    return done


def replay(*, now: datetime) -> int:
    """Store what earlier processes of this machine had to leave on the disk; how many were taken.
    Raises what the database raises."""
    taken = 0
    for name, document in spool.waiting():
        try:
            pair = pairs.read(document)
        except Undecryptable:
            log.error("a pair of the spool does not open; it is left there", name=name)
            continue
        kept = put_away(pair, now=now)
        spool.remove(name)
        log.warning("a pair of the spool was stored late", binding=pair.label, kept=kept)
        taken += kept
    return taken


def failed(
    mine: Claim,
    *,
    now: datetime,
    at: datetime | None = None,
    doubt: bool = False,
    hopeless: bool = False,
    settled: bool = False,
) -> bool:
    """Plan the next try after one that brought nothing. `at`: not before this; `doubt`: the intent
    stays open, as it does after an earlier doubt that is not `settled`; `hopeless`: never by
    ourselves. True when it has failed for so long that we give up.
    """
    with rls.alone(mine.tenant_id):
        intents.close(mine, now=now, doubt=doubt or (mine.recovers and not settled))
        row = _of_claim(mine)
        if row is None:
            return False
        row.renew_failures = min(row.renew_failures + 1, _MOST)
        row.renew_failing_since = row.renew_failing_since or now
        over = hopeless or renewal.is_over(row.renew_failing_since, now)
        planned = row.renew_at is not None
        if planned:
            soonest = renewal.again(row.renew_failures, now)
            row.renew_at = None if over else max(soonest, at or soonest)
        row.save(update_fields=["renew_failures", "renew_failing_since", "renew_at"])
    return over and planned


def refused(mine: Claim, *, now: datetime) -> datetime | None:
    """Note a refusal of the token itself: the first is confirmed apart in time, after the second
    nobody asks again. When the first of them was, None before this one."""
    apart = timedelta(seconds=settings.MOORING_CONFIRM_SECONDS)
    with rls.alone(mine.tenant_id):
        # After a refused rotation only reading tells more: rotating again could end a successor.
        intents.close(mine, now=now, doubt=mine.purpose == Renewal.ROTATE)
        row = _of_claim(mine)
        if row is None:
            return None
        first = row.renew_refused_at
        if first is None:
            row.renew_refused_at = now
            row.renew_at = renewal.confirm_at(now, confirm_seconds=apart.total_seconds())
        elif now - first >= apart:
            row.renew_at = None
        row.save(update_fields=["renew_refused_at", "renew_at"])
    return first


def later(mine: Claim, *, at: datetime, now: datetime) -> None:
    """Plan the next try; nothing is held against the credential."""
    with rls.alone(mine.tenant_id):
        intents.close(mine, now=now, doubt=mine.recovers)
        row = _of_claim(mine)
        if row is not None and row.renew_at is not None:
            row.renew_at = at
            row.save(update_fields=["renew_at"])


def worked(row: Credential) -> None:
    """The new pair was accepted once: the token before it is forgotten. Needs a scope."""
    if row.previous_refresh is not None:
        Credential.objects.of(row.tenant_id).filter(pk=row.pk, generation=row.generation).update(
            previous_refresh=None
        )


def due_at(row: Credential, binding: Binding, *, now: datetime) -> datetime | None:
    """When a credential is renewed by itself: a pair always, a token where its owner wants it."""
    end = Expiry(row.expires_at, Quality(row.quality))
    if row.refresh is not None:
        return renewal.refresh_due(row.issued_at, end, row.refresh_expires_at)
    return renewal.rotate_due(row.issued_at, end, now) if binding.auto_rotate else None


def _write(row: Credential, binding: Binding, pair: Pair, now: datetime) -> None:
    mine = RefreshIntent.objects.of(pair.tenant_id).filter(pk=pair.binding_id)
    if not mine.filter(attempt=pair.attempt).exists():
        # Its own generation is still here, so nobody has a later token: a late answer is the only
        # one there will ever be.
        log.warning("the answer to a renewal came late", binding=pair.label)
    sealed.renew(row, pair.fresh, spent=pair.spent, now=now)
    row.generation = pair.generation + 1
    row.renew_at = due_at(row, binding, now=now)
    row.save()
    mine.delete()


def _binding(pair: Pair) -> Binding | None:
    """Held, and before its credential, as everywhere: people's transactions lock in that order."""
    found: Binding | None = (
        Binding.objects.of(pair.tenant_id)
        .select_for_update()
        .filter(pk=pair.binding_id, unbound_at=None)
        .first()
    )
    return found


def _credential(pair: Pair) -> Credential | None:
    rows = Credential.objects.of(pair.tenant_id).select_for_update()
    found: Credential | None = rows.filter(pk=pair.binding_id).first()
    return found


def _of_claim(mine: Claim) -> Credential | None:
    rows = Credential.objects.of(mine.tenant_id).select_for_update()
    found: Credential | None = rows.filter(pk=mine.binding_id, generation=mine.generation).first()
    return found
