"""Webhooks as a person wants them: add, test, repair, remove. A wish is stored before the code host
is asked, so that neither a lost answer nor a crash leaves one that nobody knows."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from bindings import problems
from bindings.models import Binding, Head, Hook, Repository
from bindings.models.bindings import Mode
from bindings.models.hooks import HookStatus
from bindings.models.repositories import repository_key
from bindings.services.browse import repositories as browse
from bindings.services.browse.repositories import Listed
from bindings.services.custody import sealed
from bindings.services.custody.use import usable, use
from bindings.services.listen import gaps, remote, standing
from bindings.services.tell import webhooks
from portal.ground import jobs, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import TenantQuerySet
from portal.tenants.services import events
from providers.base import Provider
from providers.catalogue import REGISTRY
from providers.errors import (
    AddressRefused,
    MissingScope,
    NotFound,
    NotSupported,
    ProviderError,
)
from providers.types import Can, Purpose


def add(*, actor: Actor, binding: Binding, repository: str) -> tuple[Hook, bool]:
    """The webhook of a repository, by its id or path; True when it was made just now.

    Raises Refusal: *-HOOK-02 (role), *-HOOK-05 (limit), *-HOOK-07 (sub-group), *-SCOPE-02,
    *-REPO-02 to -04, X-STATE-01, and what the host did.
    """
    usable(binding)
    number, _path = browse.remote_of(binding=binding, key=repository)
    if (known := _live(binding, number)) is not None:
        return known, False
    wanted = browse.repository(binding=binding, key=repository, fresh=True)
    _may_have(binding, wanted)
    key = repository_key(binding.instance_id, binding.host_id, wanted.external_id)
    with remote.alone_with(binding.pk, key):
        if (known := _live(binding, wanted.external_id)) is not None:
            return known, False
        return _made(actor, _wish(actor, binding, key)), True


def test(*, actor: Actor, hook: Hook) -> None:
    """Let the host send a test, which comes back as a delivery.

    Raises Refusal: *-HOOK-08 where the host cannot, X-STATE-01 for one that is not there.
    """
    row = _present(hook)
    if Can.TEST_HOOK not in REGISTRY[row.binding.provider].spec.capabilities:
        raise browse.refusal(NotSupported(Can.TEST_HOOK), row.binding, path=row.repository.path)
    with remote.alone_with(row.binding_id, row.repository_id):
        try:
            with use(row.binding, why="test webhook") as provider:
                provider.test_hook(row.repository.remote_id, row.remote_id)
        except NotFound:
            remote.look_soon(row)
            raise standing.refusal(HookStatus.MISSING) from None
        except ProviderError as error:
            raise _refusal(error, row) from None


def repair(*, actor: Actor, hook: Hook) -> Hook:
    """Push address, events and a new secret; the secret before counts for another 24 hours.

    Raises Refusal: X-STATE-01 for one that is being removed, and what the host did.
    """
    with remote.alone_with(hook.binding_id, hook.repository_id):
        row = remote.prepare(hook)
        try:
            with use(row.binding, why="repair webhook") as provider:
                made = remote.push(provider, row)
        except ProviderError as error:
            remote.look_soon(row)
            raise _refusal(error, row) from None
        return remote.settle(row, made, now=timezone.now(), told="webhook.repaired", actor=actor)


def remove(*, actor: Actor, hook: Hook) -> None:
    """Remove it here at once, and at the host now or later: until it is gone there it is tried
    again. Doing it twice changes nothing."""
    now = timezone.now()
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
        if row is None or row.status in standing.LEAVING:
            return
        standing.turn(row, HookStatus.REMOVING, now=now)
        row.check_at = now + remote.LEASE
        row.save(update_fields=["status", "status_since", "trouble", "check_at"])
        _log("webhook.deleted", row, actor, now)
    with suppress(ProviderError, Refusal, sealed.Undecryptable):
        remote.take_away(row)
        return
    remote.look_soon(row)


def take_over(*, old: Binding, new: Binding) -> int:
    """The webhooks of a binding that has just ended are wished for by the one that took its place;
    how many. Pushes count from where the old ones stood, so that none is lost between the two.
    Needs the tenant's scope."""
    if old.host_id != new.host_id or new.mode == Mode.MANUAL:
        return 0
    now, count = timezone.now(), 0
    ended = Binding.objects.of(old.tenant_id).values_list("unbound_at", flat=True).get(pk=old.pk)
    for row in _of_binding(old).filter(status=HookStatus.REMOVING, status_since=ended or now):
        made = new_row(new, row.repository_id, now=now)
        made.made_by, made.check_at, made.baseline_at = row.made_by, now, row.baseline_at
        made.save()
        heads = Head.objects.of(row.tenant_id).filter(hook=row)
        Head.objects.bulk_create(
            Head(tenant_id=row.tenant_id, hook=made, ref=head.ref, sha=head.sha, at=head.at)
            for head in heads
        )
        count += 1
    if count:
        jobs.start(jobs.Job.RECONCILE)
    return count


def leave(binding: Binding) -> int:
    """This binding is for manual builds from now on: its webhooks are removed in the background;
    how many. Needs the tenant's scope."""
    now = timezone.now()
    rows = _of_binding(binding).exclude(status__in=standing.LEAVING)
    count = rows.update(status=HookStatus.REMOVING, status_since=now, trouble="", check_at=now)
    if count:
        jobs.start(jobs.Job.RECONCILE)
    return count


# -- adding ---------------------------------------------------------------------------------------


def _live(binding: Binding, remote_id: str) -> Hook | None:
    with rls.tenant(binding.tenant_id):
        found: Hook | None = (
            _of_binding(binding)
            .filter(repository__remote_id=remote_id, repository__host=binding.host_id)
            .exclude(status__in=standing.LEAVING)
            .exclude(remote_id="")
            .first()
        )
    return found


def _of_binding(binding: Binding) -> TenantQuerySet[Hook]:
    rows = Hook.objects.of(binding.tenant_id).select_related("binding__host", "repository")
    return rows.filter(binding=binding)


def _may_have(binding: Binding, wanted: Listed) -> None:
    """Say before the host is asked why this repository can have no webhook."""
    spec = REGISTRY[binding.provider].spec
    code = wanted.trigger_mode_reason if wanted.trigger_mode == "manual" else None
    if code is None and wanted.empty:
        code = f"{spec.prefix}-REPO-04"
    if code is not None:
        raise Refusal(
            code,
            field=problems.get(code).field,
            path=wanted.path,
            login=binding.account_login,
            role=wanted.access_name or wanted.access,
            needed=spec.hook_role,
            scopes=", ".join(spec.scopes.get(Purpose.HOOKS, ())),
        )


def _wish(actor: Actor, binding: Binding, repository: UUID) -> Hook:
    """The row of a webhook that nobody has asked the host for yet, or not to the end."""
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        live = Binding.objects.of(binding.tenant_id).filter(pk=binding.pk, unbound_at=None)
        if live.select_for_update(of=("self",), no_key=True).first() is None:
            raise NotYours
        rows = _of_binding(binding).select_for_update(of=("self",))
        row = rows.filter(repository=repository).exclude(status=HookStatus.REMOVED).first()
        if row is None:
            row = new_row(binding, repository, now=now, made_by=actor)
        standing.turn(row, HookStatus.UNVERIFIED, now=now)
        row.check_at = now + remote.LEASE
        row.save()
    return row


def new_row(
    binding: Binding, repository: UUID, *, now: datetime, made_by: Actor | None = None
) -> Hook:
    """An unsaved wish, with a secret of its own. Needs the tenant's scope."""
    person = None if made_by is None else made_by.person
    row = Hook(
        tenant_id=binding.tenant_id,
        binding=binding,
        repository=Repository.objects.of(binding.tenant_id).get(pk=repository),
        proof=REGISTRY[binding.provider].spec.hook_proof,
        made_by=None if person is None else person.pk,
    )
    sealed.put_shared_secret(row, secrets.token_hex(32), now=now)
    return row


def _made(actor: Actor, row: Hook) -> Hook:
    try:
        with use(row.binding, why="add webhook") as provider:
            made, began = remote.push(provider, row), timezone.now()
            heads = _baseline(provider, row)
    except ProviderError as error:
        _given_up(row, error)
        raise _refusal(error, row) from None
    except (Refusal, sealed.Undecryptable):
        remote.gone(row)  # nobody was asked
        raise
    now = timezone.now()
    row = remote.settle(row, made, now=now)
    with rls.tenant(row.tenant_id):
        if heads is not None:
            gaps.know(row, heads, since=began)
            row.baseline_at = began
        _log("webhook.created", row, actor, now)
    return row


def _baseline(provider: Provider, row: Hook) -> gaps.Heads | None:
    """Where pushes are counted from; None when the host does not say now: it is asked again."""
    with suppress(ProviderError):
        return gaps.heads(provider, row.repository.remote_id)
    return None


def _given_up(row: Hook, error: ProviderError) -> None:
    """What was refused is not there. After an answer that proves nothing it may be, so it is looked
    for and removed: who was told that it failed must not find it later."""
    refused = isinstance(error, MissingScope | NotFound | NotSupported | AddressRefused)
    if refused or error.reason == "hook_limit":
        remote.gone(row)
        return
    with rls.tenant(row.tenant_id):
        standing.turn(row, HookStatus.REMOVING, now=timezone.now())
        row.save(update_fields=["status", "status_since", "trouble"])
    remote.look_soon(row)


# -- smaller parts --------------------------------------------------------------------------------


def _present(hook: Hook) -> Hook:
    with rls.tenant(hook.tenant_id):
        row = standing.lock(hook)
    if row is None:
        raise NotYours
    if row.status in standing.LEAVING or not row.remote_id:
        raise standing.refusal(row.status)
    return row


def _refusal(error: ProviderError, row: Hook) -> Refusal:
    return browse.refusal(error, row.binding, path=row.repository.path, purpose=Purpose.HOOKS)


def _log(type: str, row: Hook, actor: Actor, now: datetime) -> None:
    events.record(
        tenant_id=row.tenant_id,
        type=type,
        actor=actor.event(),
        at=now,
        instance_id=row.binding.instance_id,
        binding_id=row.binding_id,
        data={"webhook": webhooks.picture(row)},
    )
