"""Work off what webhooks have brought: read it, prove what its proof leaves open, hand it on.

A claim moves `next_at` ahead, which is the lease: a worker that is killed loses nothing. Of one
hook the oldest delivery is tried first and alone, so that the pushes of a ref stay in order; one
that has failed once holds up nothing any more. A host that does not answer never condemns a
delivery: it is tried again for a day, and what was missed then is found by comparing heads.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from bindings.models import Delivery, Hook, Repository
from bindings.models.hooks import HookStatus, Outcome, Proof
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import use
from bindings.services.listen import pushes
from portal.ground import bulk, metrics, rls
from portal.ground.refusals import NotYours, Refusal
from providers.catalogue import REGISTRY
from providers.errors import NotFound, ProviderError, RateLimited, Unreachable
from providers.types import Push

LEASE = timedelta(minutes=3)  # longer than a host is asked (custody.use.ERRAND)
BATCH = 20
PAUSES = (10, 60, 300, 900, 1800, 3600, 7200, 14400, 14400, 14400, 14400)
"""Seconds between tries: a day in all."""
_LOOK_SECONDS = 1.0
_COVERED = frozenset({Proof.HMAC, Proof.SIGNED})
_CLAIM = """
UPDATE bindings_delivery SET next_at = %(lease)b, attempts = attempts + 1
WHERE id = ANY (ARRAY(
  SELECT d.id FROM bindings_delivery d
  WHERE d.next_at <= %(now)b AND NOT EXISTS (
    SELECT FROM bindings_delivery e
    WHERE e.hook_id = d.hook_id AND e.next_at IS NOT NULL AND e.attempts < 2
      AND (e.received_at, e.id) < (d.received_at, d.id))
  ORDER BY d.next_at LIMIT %(most)b FOR UPDATE SKIP LOCKED))
RETURNING id, tenant_id
"""


class _Unproven(Exception):
    """The host does not know what the delivery tells."""


def run(*, budget_s: float, stopping: Callable[[], bool]) -> int:
    """Work off what is due, for so many seconds at most; with a budget of 0 until nothing is due
    any more. Returns how many deliveries were taken up."""
    ends, done = time.monotonic() + budget_s, 0
    while not stopping():
        taken = _claim(timezone.now())
        _each(deque(taken), stopping)
        done += len(taken)
        if budget_s and time.monotonic() >= ends:
            break
        if not taken:
            if not budget_s:
                break
            time.sleep(min(_LOOK_SECONDS, max(0.0, ends - time.monotonic())))
    return done


def _each(left: deque[tuple[UUID, UUID]], stopping: Callable[[], bool]) -> None:
    """Work off what was claimed. Whatever a bug of ours leaves over is due again at once."""
    away: set[UUID] = set()
    try:
        while left and not stopping():
            one(*left.popleft(), away=away)
    finally:
        if left:
            with rls.fleet("deliveries that nobody got to"):
                keys = [delivery_id for delivery_id, _tenant in left]
                Delivery.objects.filter(pk__in=keys).update(
                    next_at=timezone.now(), attempts=F("attempts") - 1
                )


def one(delivery_id: UUID, tenant_id: UUID, *, away: set[UUID] | None = None) -> None:
    """Work off one delivery that was claimed. Nothing happens when it is settled already. Hosts
    that are in `away` are not asked, and one that does not answer is put there: a dead host holds
    up the others for one request."""
    now = timezone.now()
    with rls.tenant(tenant_id):
        delivery = _delivery(delivery_id, tenant_id)
    if delivery is None:
        return
    if delivery.attempts > len(PAUSES) + 1:  # each try ended a worker
        _settle(delivery, Outcome.FAILED, now, trouble="crash")
        return
    try:
        _work(delivery, now, set() if away is None else away)
    except _Unproven:
        _settle(delivery, Outcome.UNCONFIRMED, now)
    except (ProviderError, Refusal, Undecryptable) as failed:
        _later(delivery, _reason(failed), now)
    else:
        metrics.deliveries.labels(delivery.hook.binding.provider, delivery.outcome).inc()


def told(delivery: Delivery) -> tuple[Push, ...]:
    """The pushes a stored delivery tells of. Raises ProviderError when it cannot be read."""
    provider = REGISTRY[delivery.hook.binding.provider]
    return provider.read(delivery.headers, bytes(delivery.body))


def proven(hook: Hook, found: tuple[Push, ...]) -> tuple[Push, ...]:
    """The pushes as they may be built. Where the proof does not cover the body, the host is asked
    what its refs stand for. Raises _Unproven, and what `use` and a call raise."""
    if hook.proof in _COVERED or all(push.deleted for push in found):
        return found
    with use(hook.binding, why="confirm a push") as provider:
        try:
            return tuple(
                push
                if push.deleted
                else pushes.at_head(
                    push, provider.resolve_ref(hook.repository.remote_id, push.ref).commit
                )
                for push in found
            )
        except NotFound:
            raise _Unproven from None


def _work(delivery: Delivery, now: datetime, away: set[UUID]) -> None:
    hook = delivery.hook
    if hook.binding.unbound_at is not None or hook.status in _ENDED:
        _settle(delivery, Outcome.IGNORED, now, trouble="unbound")
        return
    try:
        found = told(delivery)
    except ProviderError:
        _settle(delivery, Outcome.UNREADABLE, now)
        return
    ours = tuple(push for push in found if _is_of(hook.repository, push))
    if not ours:
        _settle(delivery, Outcome.IGNORED, now, trouble="other_repository" if found else "")
        return
    certain = _proven(hook, ours, away)
    with rls.tenant(delivery.tenant_id):
        if _still_ours(delivery):
            _rename(hook, ours)
            pushes.handle(
                hook=hook, delivery=delivery, pushes=certain, origin=delivery.origin, at=now
            )


def _proven(hook: Hook, ours: tuple[Push, ...], away: set[UUID]) -> tuple[Push, ...]:
    if hook.binding.host_id in away and hook.proof not in _COVERED:
        raise Unreachable("away")
    try:
        return proven(hook, ours)
    except (Unreachable, RateLimited):
        away.add(hook.binding.host_id)
        raise


_ENDED = frozenset({HookStatus.REMOVING, HookStatus.REMOVED})


def _claim(now: datetime) -> list[tuple[UUID, UUID]]:
    given = {"now": now, "lease": now + LEASE, "most": BATCH}
    with rls.fleet("deliveries to work off"):
        return [(row[0], row[1]) for row in bulk.execute(_CLAIM, given).fetchall()]


def _delivery(delivery_id: UUID, tenant_id: UUID) -> Delivery | None:
    rows = Delivery.objects.of(tenant_id).select_related(
        "hook__binding__host", "hook__binding__instance__tenant", "hook__repository"
    )
    return rows.filter(pk=delivery_id, outcome=Outcome.QUEUED.value).first()


def _still_ours(delivery: Delivery) -> bool:
    """Take hold of the row: nobody else has taken it up after our lease, nor settled it."""
    rows = Delivery.objects.of(delivery.tenant_id).select_for_update()
    mine = rows.filter(pk=delivery.pk, outcome=Outcome.QUEUED.value, attempts=delivery.attempts)
    return mine.values_list("pk").first() is not None


def _settle(delivery: Delivery, outcome: Outcome, now: datetime, *, trouble: str = "") -> None:
    with rls.tenant(delivery.tenant_id):
        if _still_ours(delivery):
            if outcome is not Outcome.UNREADABLE:
                pushes.heard(delivery.hook, delivery.received_at)
            pushes.settle(delivery, outcome, at=now, trouble=trouble)


def _later(delivery: Delivery, reason: str, now: datetime) -> None:
    """Again after a pause; after a day it has failed."""
    tries = delivery.attempts
    with rls.tenant(delivery.tenant_id):
        if not _still_ours(delivery):
            return
        if tries > len(PAUSES):
            pushes.settle(delivery, Outcome.FAILED, at=now, trouble=reason)
            return
        delivery.trouble = reason
        delivery.next_at = now + timedelta(seconds=PAUSES[max(tries, 1) - 1])
        delivery.save(update_fields=["trouble", "next_at"])


def _reason(failed: Exception) -> str:
    if isinstance(failed, NotYours):
        return "unbound"
    if isinstance(failed, Refusal):
        return failed.code
    return str(getattr(failed, "reason", "") or type(failed).__name__)[:40]


def _is_of(repository: Repository, push: Push) -> bool:
    """By the host's own number, which survives renames; by path only where none was told."""
    if push.repository_id:
        return push.repository_id == repository.remote_id
    return push.repository_path == repository.path


def _rename(hook: Hook, ours: tuple[Push, ...]) -> None:
    """A proven body says what the repository is called now."""
    path = ours[-1].repository_path
    if hook.proof in _COVERED and path and path != hook.repository.path:
        hook.repository.path = path[:1000]
        rows = Repository.objects.of(hook.tenant_id).filter(pk=hook.repository_id)
        rows.update(path=hook.repository.path)
