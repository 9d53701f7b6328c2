"""An account that came back and waits beside the one that is bound, until somebody decides.

It is stored as an ended binding whose clean-up begins when its time is over: whatever happens to
us, what was minted is revoked and what was sealed is destroyed, with all the retries of an ending.
"""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from bindings import state
from bindings.models import Authorization, Binding, Credential, Ending, Schedule, facts
from bindings.models.bindings import Kind
from bindings.services.bind import links, replace, store, unbind
from bindings.services.bind.store import Proven
from bindings.services.custody import sealed
from bindings.services.keep import ladder
from bindings.services.listen import reconcile
from bindings.services.tell import outbox
from portal.ground import jobs, rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor
from providers.catalogue import REGISTRY

# What a new proof says of an account, beside its verdict.
_LEARNT = (
    *("account_login", "account_name", "account_url", "robot", "username", "clone_username"),
    *("organization", "stated_by", "renews", "proofs", "repositories_seen"),
)


def keep(
    *, actor: Actor, attempt: Authorization, proven: Proven, now: datetime, until: datetime
) -> Binding:
    """Set aside what came back. Needs the tenant's scope; the attempt is held by the caller."""
    row = store.set_aside(
        actor=actor, instance=attempt.instance, proven=proven, now=now, until=until
    )
    # What a person pasted is theirs; only what was minted for us is ours to end.
    unbind.plan(actor, row, revoke=proven.kind == Kind.OAUTH, now=now, at=until)
    links.settle(attempt, status="confirming", binding=row)
    return row


def take(aside: Binding, now: datetime) -> Ending:
    """Its clean-up, held, which must not have begun. Needs the tenant's scope. Raises Refusal
    *-OAUTH-02 when it is too late."""
    ending = (
        Ending.objects.of(aside.tenant_id)
        .select_for_update()
        .filter(pk=aside.pk, finished_at=None, attempts=0, next_try_at__gt=now)
        .first()
    )
    if ending is None:
        raise Refusal(f"{REGISTRY[aside.provider].spec.prefix}-OAUTH-02")
    return ending


def give_up(*, aside: Binding) -> None:
    """Keep the bound account: the waiting one is cleaned up at once. Opens the tenant's scope."""
    now = timezone.now()
    with rls.tenant(aside.tenant_id):
        rows = Ending.objects.of(aside.tenant_id).filter(pk=aside.pk, finished_at=None, attempts=0)
        rows.update(next_try_at=now)
        links.close(aside, status="cancelled")
        jobs.start(jobs.Job.END_BINDINGS)


def same(binding: Binding, aside: Binding) -> bool:
    """Is it the account that is bound already, by the same way?"""
    here, there = ((one.host_id, one.account_id, Kind(one.kind).value) for one in (binding, aside))
    return here == there


def absorb(*, actor: Actor, binding: Binding, aside: Binding) -> Binding:
    """The waiting credential of the same account takes the place of the stored one, which is
    cleaned up in its stead. Asks nobody. Raises Refusal *-OAUTH-02, X-STATE-01, NotYours."""
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        ending = take(aside, now)
        row = store.lock(binding)
        replace.may_renew(row)
        generation, until = _exchanged(row, aside, now)
        for name in _LEARNT:
            setattr(row, name, getattr(aside, name))
        live = state.confirmed(
            facts.of(aside, generation=generation, access_until=until), now
        ).facts
        facts.apply(row, live)
        row.why_facts, row.reach_facts, row.version = {}, {}, row.version + 1
        row.save()
        Schedule.objects.filter(pk=row.pk).update(
            next_check_at=live.next_check_at, checked_at=now, failures=0
        )
        ladder.forget(row, now)
        ending.next_try_at = now
        ending.save(update_fields=["next_try_at"])
        links.close(aside, status="done")
        jobs.start(jobs.Job.END_BINDINGS)
        reconcile.soon(row)
        outbox.tell("binding.replaced", binding=row, actor=actor.event(), at=now)
    return row


def _exchanged(row: Binding, aside: Binding, now: datetime) -> tuple[int, datetime | None]:
    """Let both rows change their secrets. Returns the new generation and the end of its token."""
    ours = Credential.objects.of(row.tenant_id).select_for_update().get(pk=row.pk)
    theirs = Credential.objects.of(row.tenant_id).select_for_update().get(pk=aside.pk)
    fresh = sealed.secret_of(theirs, aside)
    try:
        former = sealed.secret_of(ours, row)
    except sealed.Undecryptable:
        theirs.delete()  # nothing can be revoked with it
    else:
        sealed.put(theirs, former, now=now)
        theirs.save()
    sealed.forget_former(ours)
    sealed.put(ours, fresh, now=now)
    ours.generation, ours.replaced_at = ours.generation + 1, now
    ours.token_id, ours.token_name = theirs.token_id, theirs.token_name
    ours.save()
    return ours.generation, fresh.expiry.at
