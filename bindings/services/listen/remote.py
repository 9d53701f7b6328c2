"""What is done at a code host about one webhook, and what is written down of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from bindings.models import Hook
from bindings.models.hooks import HookStatus, Proof
from bindings.services.custody import sealed
from bindings.services.custody.use import use
from bindings.services.listen import standing
from bindings.services.tell import outbox, webhooks
from portal.ground import jobs, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from providers import types
from providers.base import Provider
from providers.catalogue import REGISTRY
from providers.errors import BadAnswer, MissingScope, NotFound, NotSupported
from providers.types import Can

LEASE = timedelta(minutes=5)
"""For how long nobody else looks after a webhook that is being worked on."""
PATIENCE = 60.0
"""Seconds to wait for somebody who asks the host about the same webhook."""
UNCONFIRMED = timedelta(days=30)
"""For how long the secret before a new one counts that the host has not confirmed."""
_LOOK = 0.1


@contextmanager
def alone_with(binding_id: UUID, repository_id: UUID) -> Iterator[None]:
    """Nobody else asks the host about this webhook meanwhile; waits for whoever does now. A lock of
    the connection: it ends with the process. Raises Refusal X-SYS-02 after a minute."""
    name, until = f"hook/{binding_id}/{repository_id}", time.monotonic() + PATIENCE
    with ExitStack() as held:
        while not held.enter_context(rls.only_one(name)):
            if time.monotonic() > until:
                raise Refusal("X-SYS-02", n=30, retry_after=30)
            time.sleep(_LOOK)
        yield


def prepare(hook: Hook) -> Hook:
    """A new secret is accepted from now on, beside the one the host has: whenever the host takes it
    over, no delivery is refused. One that the host has not confirmed yet is used again. Opens the
    tenant's scope. Raises Refusal X-STATE-01, NotYours."""
    now = timezone.now()
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
        if row is None:
            raise NotYours
        if row.status in standing.LEAVING:
            raise standing.refusal(row.status)
        if not _unconfirmed(row, now):
            sealed.put_shared_secret(row, secrets.token_hex(32), now=now)
            if row.previous_until is not None:
                row.previous_until = now + UNCONFIRMED
        row.check_at = now + LEASE
        row.save(
            update_fields=["secret", "previous_secret", "previous_until", "key_id", "check_at"]
        )
    return row


def push(provider: Provider, hook: Hook) -> types.Hook:
    """Let the host have the webhook as it stands in our row. A webhook that stays switched off is
    tested: that is how a host learns that we answer again. Raises ProviderError, Undecryptable."""
    remote, url = hook.repository.remote_id, webhooks.url_of(hook)
    secret = sealed.shared_secrets(hook, now=timezone.now())[0]
    if hook.remote_id:
        made = provider.repair_hook(remote, hook.remote_id, url=url, secret=secret)
    else:
        made = provider.add_hook(remote, url=url, secret=secret)
    return made if made.active else woken(provider, hook, made)


def woken(provider: Provider, hook: Hook, made: types.Hook) -> types.Hook:
    """The webhook after a test of it, where the host can send one. Raises ProviderError."""
    if Can.TEST_HOOK not in provider.spec.capabilities:
        return made
    remote = hook.repository.remote_id
    with suppress(BadAnswer, NotSupported):  # a test that failed at our side
        provider.test_hook(remote, made.id)
    return next((one for one in provider.hooks(remote) if one.id == made.id), made)


def settle(
    hook: Hook,
    made: types.Hook | None,
    *,
    now: datetime,
    status: HookStatus | None = None,
    trouble: str = "",
    told: str = "",
    actor: Actor | None = None,
) -> Hook:
    """Write down what the host has, and how that is: well, unless `status` says otherwise. `told`:
    the event that is recorded with it. Opens the tenant's scope. Raises NotYours."""
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
        if row is None:
            raise NotYours
        if made is not None:
            row.remote_id, row.proof = made.id[:200], proof_of(row.binding.provider, made)
            if row.previous_until is not None:
                row.previous_until = min(row.previous_until, now + sealed.OVERLAP)
        row.checked_at, row.check_at, row.failures = now, standing.next_look(now), 0
        if row.status not in standing.LEAVING:
            standing.turn(row, status or standing.well(row), now=now, trouble=trouble)
        row.save()
        if told:
            by = outbox.SYSTEM if actor is None else actor.event()
            outbox.record([webhooks.entry(told, row, at=now, actor=by)])
    return row


def proof_of(provider: str, made: types.Hook) -> str:
    """What proves the deliveries of this webhook."""
    return Proof.SIGNED.value if made.signed else REGISTRY[provider].spec.hook_proof


def take_away(hook: Hook) -> None:
    """Remove at the host whatever is ours there, by id and by address; then it is gone here too.
    Nothing happens to one that somebody has wished for again. Raises ProviderError, Refusal,
    Undecryptable; NotFound of a repository is none."""
    with alone_with(hook.binding_id, hook.repository_id):
        with rls.tenant(hook.tenant_id):
            row = standing.lock(hook)
        if row is None or row.status != HookStatus.REMOVING:
            return
        try:
            with use(row.binding, why="remove webhook", counts=False) as provider:
                removed_at(provider, row)
        except NotFound:
            pass
        except MissingScope:
            if row.remote_id:
                raise
        gone(row)


def removed_at(provider: Provider, hook: Hook) -> None:
    """Remove all that is ours at the host: also what an answer that got lost has left there."""
    remote, url = hook.repository.remote_id, webhooks.url_of(hook)
    for one in provider.hooks(remote):
        if one.url == url or one.id == hook.remote_id:
            provider.remove_hook(remote, one.id)


def gone(hook: Hook) -> None:
    """The host has it no more. Opens the tenant's scope."""
    now = timezone.now()
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
        if row is not None and row.status != HookStatus.REMOVED:
            standing.turn(row, HookStatus.REMOVED, now=now)
            row.check_at, row.checked_at = None, now
            row.save(update_fields=["status", "status_since", "trouble", "check_at", "checked_at"])


def look_soon(hook: Hook) -> None:
    """Let the reconciler see to it next. Opens the tenant's scope."""
    with rls.tenant(hook.tenant_id):
        Hook.objects.of(hook.tenant_id).filter(pk=hook.pk, check_at__isnull=False).update(
            check_at=timezone.now()
        )
        jobs.start(jobs.Job.RECONCILE)


def _unconfirmed(row: Hook, now: datetime) -> bool:
    return row.previous_until is not None and row.previous_until > now + sealed.OVERLAP
