"""Switch account: another account takes the place of the bound one, after a look at what it sees.

Unbinding and binding are one transaction. Until it commits, the old binding is untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from bindings.models import Authorization, Binding, Credential
from bindings.models.bindings import Kind
from bindings.services.bind import aside, compare, links, live, replace, store, token, unbind
from bindings.services.bind.store import Proven
from bindings.services.bind.token import Bound, Tested, TokenAsk
from bindings.services.browse.usage import Comparison
from bindings.services.custody import sealed
from bindings.services.listen import hooks
from bindings.services.listen import waiting as triggers
from bindings.services.tell import outbox
from bindings.state import Status
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from providers.types import Identity


@dataclass(frozen=True, slots=True)
class Waiting:
    """The account that came back from a platform's consent and waits beside the bound one."""

    binding: Binding
    attempt: Authorization


def compared(*, tested: Tested, binding: Binding, ask: TokenAsk) -> Comparison | None:
    """What a tested token would see of `binding`'s repositories in use; None when the test, or the
    platform, did not get that far."""
    if not tested.examination.ok:
        return None
    try:
        secret = token.secret_of(ask)
        return compare.seen_by(binding=binding, host=tested.found.host, secret=secret)
    except Refusal:
        return None


def with_token(
    *,
    actor: Actor,
    instance: Instance,
    replaces: Binding,
    ask: TokenAsk,
    accept_missing: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Bound:
    """Prove a token and let its account take over. The same account only gets a new credential.

    Raises Refusal: *-LOCK-01, X-STATE-01 for a binding that nobody has confirmed, *-ACC-04 with
    the comparison, and as `token.bind`. Then nothing has changed.
    """
    links.may_switch(replaces, instance, ask.provider)
    kept = labels or replaces.labels
    made = token.prove(instance=instance, ask=ask, labels=kept, stated_by=actor.name)
    proven, now = made.proven, timezone.now()
    if _is_renewal(replaces, proven):
        stated = ask.expires_on
        renewed = replace.swap(actor=actor, binding=replaces, proven=proven, stated=stated, now=now)
        return Bound(renewed, made.hints)
    _judge(replaces, proven, accept=accept_missing)
    with rls.tenant(instance.tenant_id):
        old = _ended(actor, replaces)
        binding = store.new_binding(
            actor=actor,
            instance=instance,
            proven=proven,
            expiry=store.expiry_of(proven, ask.expires_on),
            now=now,
            replaces=old.public_id,
        )
        hooks.take_over(old=old, new=binding)
    return Bound(binding, made.hints)


def set_aside(*, actor: Actor, attempt: Authorization, proven: Proven, now: datetime) -> Binding:
    """Keep what came back from a consent page beside the bound account for ten minutes; the same
    account is renewed at once. Raises Refusal *-OAUTH-02, NotYours when there is nothing to
    replace any more."""
    old = attempt.replaces
    if old is None or old.unbound_at is not None:
        raise NotYours
    if _is_renewal(old, proven):
        return replace.renew_minted(
            actor=actor, binding=old, attempt=attempt, proven=proven, now=now
        )
    with rls.tenant(attempt.tenant_id):
        links.hold(attempt)
        until = now + store.CONFIRM_WITHIN
        return aside.keep(actor=actor, attempt=attempt, proven=proven, now=now, until=until)


def waiting(binding: Binding) -> Waiting | None:
    """The account that waits to take the place of this one. Opens the tenant's scope."""
    with rls.tenant(binding.tenant_id):
        attempt = (
            Authorization.objects.of(binding.tenant_id)
            .select_related("binding__host", "binding__instance")
            .filter(replaces=binding, status="confirming")
            .filter(binding__ending__next_try_at__gt=timezone.now(), binding__ending__attempts=0)
            .order_by("-id")
            .first()
        )
    if attempt is None or attempt.binding is None:
        return None
    return Waiting(attempt.binding, attempt)


def look(*, binding: Binding, other: Binding) -> Comparison:
    """What the waiting account sees of what is in use. Raises Refusal with the platform's code."""
    with rls.tenant(other.tenant_id):
        row = Credential.objects.of(other.tenant_id).filter(pk=other.pk).first()
        if row is None:
            aside.take(other, timezone.now())
            raise NotYours
    secret = sealed.secret_of(row, other)
    return compare.seen_by(binding=binding, host=other.host, secret=secret)


def take_over(
    *, actor: Actor, binding: Binding, other: Binding, accept_missing: bool = False
) -> Binding:
    """Let the waiting account take the place of the bound one; the same one only renews it.

    Raises Refusal *-ACC-04 with the comparison, *-OAUTH-02 when it waited too long, NotYours when
    the bound one is gone.
    """
    if aside.same(binding, other):
        return aside.absorb(actor=actor, binding=binding, aside=other)
    found = look(binding=binding, other=other)
    login = other.account_login
    compare.demand(found, provider=binding.provider, new=login, accept=accept_missing)
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        ending = aside.take(other, now)
        ending.finished_at, ending.steps = now, []
        ending.save(update_fields=["finished_at", "steps"])
        old = _ended(actor, binding)
        row = Binding.objects.of(other.tenant_id).select_for_update().get(pk=other.pk)
        row.unbound_at, row.unbound_by_name, row.labels = None, "", old.labels
        live.make_live(row, actor, now)
        triggers.look_soon(row)
        outbox.tell(
            "binding.bound", binding=row, actor=actor.event(), at=now, replaces=old.public_id
        )
        links.close(row, status="done")
        hooks.take_over(old=old, new=row)
    return row


def _ended(actor: Actor, binding: Binding) -> Binding:
    """Unbind the old one in the open transaction; who switches has confirmed that."""
    row = store.lock(binding)
    if row.status == Status.PENDING:
        raise Refusal("X-STATE-01", state=row.state.value, extra={"state": row.state.value})
    unbind.unbind(actor=actor, binding=row, confirm=row.account_login)
    return row


def _judge(old: Binding, proven: Proven, *, accept: bool) -> None:
    found = compare.seen_by(binding=old, host=proven.host, secret=proven.secret)
    compare.demand(found, provider=old.provider, new=proven.identity.login, accept=accept)


def _is_renewal(old: Binding, proven: Proven) -> bool:
    """Is it the account that is bound already, by the same way?"""
    who: Identity = proven.identity
    here = (old.host_id, old.account_id, old.kind)
    return here == (proven.host.pk, who.id, Kind(proven.kind).value)
