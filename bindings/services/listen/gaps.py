"""Pushes we never heard of: where branches and tags are, compared with where we know them to be.

No adapter reads back the deliveries that a host keeps, so heads are compared at every host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from bindings.models import Delivery, Head, Hook
from bindings.models.hooks import Origin, Outcome
from bindings.services.browse import repositories as browse
from bindings.services.custody.use import use
from bindings.services.listen import pushes, remote, standing
from bindings.services.tell import outbox, webhooks
from portal.ground import bulk, ids, rls
from portal.ground.refusals import NotYours
from portal.tenants.access import Actor
from portal.tenants.services import events
from providers.base import Provider
from providers.errors import BadAnswer, ProviderError
from providers.types import Page, Push, Ref

PAGES = 200
"""Pages of one listing (security.md 6)."""
UNDER_WAY = timedelta(minutes=10)
"""A delivery that waits for its worker no longer than this may be the push that seems missing."""

Heads = Mapping[str, str]
"""Full name of a branch or tag → its commit."""

_KNOW = """
INSERT INTO bindings_head (id, tenant_id, hook_id, ref, sha, at)
SELECT new.id, %(tenant)b, %(hook)b, new.ref, new.sha, %(since)b
FROM unnest(%(ids)b::uuid[], %(refs)b::text[], %(shas)b::text[]) AS new (id, ref, sha)
ON CONFLICT (hook_id, ref) DO UPDATE SET sha = excluded.sha, at = excluded.at
WHERE bindings_head.at < excluded.at
"""


def recover(*, hook: Hook, actor: Actor | None = None) -> int:
    """Emit the pushes that never came, each once, marked as recovered; how many. The first look
    only learns where everything is. Raises Refusal with what the host did, X-STATE-01; then
    nothing has been emitted."""
    with remote.alone_with(hook.binding_id, hook.repository_id):
        row = _present(hook)
        since = timezone.now()
        try:
            with use(row.binding, why="look for missed pushes") as provider:
                found = heads(provider, row.repository.remote_id)
        except ProviderError as error:
            raise browse.refusal(error, row.binding, path=row.repository.path) from None
        return fill(row, found, since=since, actor=actor)


def heads(provider: Provider, number: str) -> Heads:
    """Where all branches and tags are now. Raises ProviderError: all of them, or none."""
    return {
        ref.full: ref.commit
        for listing in (provider.branches, provider.tags)
        for ref in _all(listing, number)
    }


def know(hook: Hook, found: Heads, *, since: datetime) -> None:
    """Pushes are counted from here; what came after `since` is newer. Needs the tenant's scope."""
    given = {
        "tenant": hook.tenant_id,
        "hook": hook.pk,
        "since": since,
        "ids": [ids.uuid7() for _ in found],
        "refs": [ref[: pushes.LONGEST_REF] for ref in found],
        "shas": list(found.values()),
    }
    if found:
        bulk.execute(_KNOW, given)
    Hook.objects.of(hook.tenant_id).filter(pk=hook.pk, baseline_at=None).update(baseline_at=since)


def fill(hook: Hook, found: Heads, *, since: datetime, actor: Actor | None = None) -> int:
    """Emit what lies between the heads we know and those that were found; how many pushes. `since`
    is when the host was asked. Deleted refs are forgotten and start nothing. Opens the tenant's
    scope; the caller is alone with the webhook."""
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
        if row is None or row.status in standing.LEAVING:
            return 0
        if row.baseline_at is None:
            know(row, found, since=since)
            return 0
        if _under_way(row, since):
            return 0
        mine = Head.objects.of(row.tenant_id).filter(hook=row)
        mine.filter(at__lt=since).exclude(ref__in=list(found)).delete()
        known = {ref: (sha, at) for ref, sha, at in mine.values_list("ref", "sha", "at")}
    missed = [ref for ref, sha in found.items() if _moved(known.get(ref), sha, since)]
    count = sum(_emit(row, ref, found[ref], since) for ref in missed)
    if count:
        _log(row, count, actor)
    return count


def _moved(known: tuple[str, datetime] | None, sha: str, since: datetime) -> bool:
    return known is None or (known[0] != sha and known[1] < since)


def _emit(hook: Hook, ref: str, sha: str, since: datetime) -> bool:
    """One missed push, as if it had been delivered; unless it came in the meantime."""
    now = timezone.now()
    with rls.tenant(hook.tenant_id):
        head = (
            Head.objects.of(hook.tenant_id)
            .select_for_update()
            .filter(hook=hook, ref=ref[: pushes.LONGEST_REF])
            .first()
        )
        if head is not None and (head.sha == sha or head.at >= since):
            return False
        before = head.sha if head is not None else "0" * len(sha)
        delivery = Delivery.objects.create(
            tenant_id=hook.tenant_id,
            hook=hook,
            event="tag" if ref.startswith("refs/tags/") else "push",
            origin=Origin.RECOVERED,
            next_at=None,
            received_at=now,
        )
        push = Push(
            repository_id=hook.repository.remote_id,
            ref=ref,
            before=before,
            after=sha,
            created=head is None,
            repository_path=hook.repository.path,
        )
        pushes.handle(hook=hook, delivery=delivery, pushes=[push], origin=Origin.RECOVERED, at=now)
    return True


def _under_way(hook: Hook, now: datetime) -> bool:
    waiting = Delivery.objects.of(hook.tenant_id).filter(
        hook=hook, outcome=Outcome.QUEUED, received_at__gt=now - UNDER_WAY
    )
    return waiting.exists()


def _all(listing: Callable[..., Page[Ref]], number: str) -> Iterator[Ref]:
    cursor, seen = "", {""}
    for _ in range(PAGES):
        page = listing(number, cursor=cursor)
        yield from page.items
        cursor = page.next
        if not cursor:
            return
        if cursor in seen:
            break
        seen.add(cursor)
    raise BadAnswer("truncated")


def _present(hook: Hook) -> Hook:
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
    if row is None:
        raise NotYours
    if row.status in standing.LEAVING:
        raise standing.refusal(row.status)
    return row


def _log(hook: Hook, count: int, actor: Actor | None) -> None:
    with rls.tenant(hook.tenant_id):
        events.record(
            tenant_id=hook.tenant_id,
            type="webhook.recovered",
            actor=outbox.SYSTEM if actor is None else actor.event(),
            at=timezone.now(),
            instance_id=hook.binding.instance_id,
            binding_id=hook.binding_id,
            data={"webhook": webhooks.picture(hook), "pushes": count},
        )
