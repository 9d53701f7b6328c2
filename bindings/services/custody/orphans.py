"""A token that was renewed while its binding ended: it is ended at the platform, whatever it takes.

The ending of the binding does that: the fresh pair takes the place of the spent one, and what was
done already is done again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from bindings.models import Credential, Ending
from bindings.services.custody import sealed
from bindings.services.custody.pairs import Pair
from portal.ground import jobs, rls

log = structlog.get_logger(__name__)

CLEAN_FOR = timedelta(days=7)  # product.md G29
_AGAIN = frozenset({"revoke_credential", "erase_credential"})


def leave(pair: Pair, *, now: datetime) -> None:
    """Hand a pair nobody may use to the ending of its binding. Opens the tenant's scope."""
    with rls.alone(pair.tenant_id):
        rows = Ending.objects.of(pair.tenant_id)
        ending = rows.select_for_update().filter(pk=pair.binding_id).first()
        if ending is None:
            log.warning("a renewed token has no binding any more", binding=pair.label)
            return
        _keep(pair, now)
        for step in ending.steps:
            if step["action"] in _AGAIN:
                step.update(status="pending", detail=None, url=None)
        # Whoever is cleaning up at this moment does so with the token of before: fence them.
        ending.attempts = min(ending.attempts + 1, 30_000)
        ending.finished_at, ending.next_try_at = None, now
        ending.give_up_at = max(ending.give_up_at, now + CLEAN_FOR)
        ending.save()
        jobs.start(jobs.Job.END_BINDINGS)
    log.info("a token was renewed after its binding ended; it is revoked", binding=pair.label)


def _keep(pair: Pair, now: datetime) -> None:
    rows = Credential.objects.of(pair.tenant_id)
    row = rows.select_for_update().filter(pk=pair.binding_id).first()
    if row is None:
        row = Credential(binding_id=pair.binding_id, tenant_id=pair.tenant_id)
    sealed.put(row, pair.fresh, now=now)
    row.generation, row.renew_at = pair.generation + 1, None
    row.save()
