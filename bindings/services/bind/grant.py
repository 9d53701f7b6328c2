"""Bind by redirect, after the platform sent the browser back: exchange, prove, confirm."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from bindings import problems, state
from bindings.models import Authorization, Binding
from bindings.models.bindings import Kind
from bindings.services.bind import aside, handoff, links, store, switch
from bindings.services.bind.live import make_live
from bindings.services.bind.refuse import refusal_of
from bindings.services.bind.replace import renew_minted, revoke, same_account
from bindings.services.bind.store import Proven
from bindings.services.bind.unbind import unbind
from bindings.services.custody.door import door_to, host_for_accounts, rules_for
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Question
from bindings.services.listen import waiting as triggers
from bindings.services.tell import outbox
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from providers import oauth
from providers.catalogue import REGISTRY
from providers.errors import BadAnswer, ProviderError
from providers.types import Credential as Secret

OVERDUE_AT_ONCE = 500


def finish(
    *, actor: Actor, attempt: Authorization, code: str, redirect_uri: str, verifier: str
) -> Binding:
    """Turn the platform's code into a binding: pending until confirmed, or, on a reconnect of the
    same account, live at once.

    Raises Refusal: *-OAUTH-03 to -05, *-ACC-01, *-DUP-01, or the ladder's code; then the fresh
    token has been revoked where the host can.
    """
    try:
        secret = _exchange(attempt, code, redirect_uri, verifier)
    except Refusal as refusal:
        links.fail(attempt, refusal)
        raise
    try:
        return _take(actor, attempt, secret, redirect_uri)
    except Refusal as refusal:
        revoke(links.server_of(attempt), secret)
        links.fail(attempt, refusal)
        raise


def confirm(*, actor: Actor, binding: Binding) -> Binding:
    """A person says that this is the right account: the pending binding becomes live.

    Raises NotYours when it is gone, Refusal *-OAUTH-02 when it waited too long; confirming a
    binding that is live already changes nothing.
    """
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        row = store.lock(binding)
        if row.status != state.Status.PENDING:
            return _renewed(actor, row)
        if row.confirm_until is not None and row.confirm_until <= now:
            raise Refusal(f"{REGISTRY[row.provider].spec.prefix}-OAUTH-02")
        make_live(row, actor, now)
        triggers.look_soon(row)
        outbox.tell("binding.bound", binding=row, actor=actor.event(), at=now)
        links.close(row, status="done")
    return row


def _renewed(actor: Actor, row: Binding) -> Binding:
    """A live binding, with the credential of the same account that came back through a link."""
    found = switch.waiting(row)
    if found is None or not aside.same(row, found.binding):
        return row
    return aside.absorb(actor=actor, binding=row, aside=found.binding)


def discard(*, actor: Actor, binding: Binding) -> None:
    """Give up a binding that nobody confirmed; what was minted for us is revoked afterwards.

    Raises NotYours when it is gone, Refusal X-STATE-02 when it is live.
    """
    with rls.tenant(binding.tenant_id):
        row = store.lock(binding)
        if row.status != state.Status.PENDING:
            raise Refusal("X-STATE-02")
        unbind(actor=actor, binding=row)
        links.close(row, status="expired" if actor.kind == "system" else "cancelled")


def overdue(now: datetime) -> list[Binding]:
    """Pending bindings whose time to be confirmed has passed."""
    with rls.fleet("pending bindings that nobody confirmed"):
        rows = Binding.objects.filter(
            status=state.Status.PENDING, unbound_at=None, confirm_until__lte=now
        )
        return list(rows.order_by("confirm_until")[:OVERDUE_AT_ONCE])


def _exchange(attempt: Authorization, code: str, redirect_uri: str, verifier: str) -> Secret:
    spec, server = REGISTRY[attempt.provider].spec, links.server_of(attempt)
    if spec.oauth is None:
        raise NotYours
    try:
        return oauth.exchange(
            host_for_accounts(server),
            spec.oauth,
            code=code,
            redirect_uri=redirect_uri,
            verifier=verifier,
            door=door_to(server),
            rules=rules_for(server),
            now=timezone.now(),
        )
    except ProviderError as error:
        consent = problems.Moment.CONSENT
        refusal = problems.refusal(error, prefix=spec.prefix, moment=consent)
        if isinstance(error, BadAnswer) and error.reason != "client_config":
            refusal.code = f"{spec.prefix}-OAUTH-05"  # nothing usable came back
        raise refusal from None


def _take(actor: Actor, attempt: Authorization, secret: Secret, redirect_uri: str) -> Binding:
    now, server = timezone.now(), links.server_of(attempt)
    question = Question(host=server, secret=secret, mode=attempt.mode, typed=False)
    found = doctor.examine(question, now=now)
    reconnect = attempt.binding if attempt.intent == "reconnect" else None
    if reconnect is not None and found.identity is not None:
        same_account(reconnect, found.identity)
    if not found.ok:
        raise refusal_of(found, server)
    proven = Proven(
        host=server,
        secret=secret,
        examination=found,
        kind=Kind.OAUTH,
        mode=attempt.mode,
        redirect_uri=redirect_uri,
    )
    if attempt.handoff:
        with rls.tenant(attempt.tenant_id):
            return handoff.keep(attempt, proven, store.expiry_of(proven, None))
    if attempt.intent == "reconnect":
        if reconnect is None:
            raise NotYours
        return renew_minted(actor=actor, binding=reconnect, attempt=attempt, proven=proven, now=now)
    if attempt.intent == "switch":
        return switch.set_aside(actor=actor, attempt=attempt, proven=proven, now=now)
    with rls.tenant(attempt.tenant_id):
        return _wait(actor, attempt, proven, now)


def _wait(actor: Actor, attempt: Authorization, proven: Proven, now: datetime) -> Binding:
    """Pending, until whoever began it says that this is the right account. Needs a scope."""
    links.hold(attempt)
    _drop_unconfirmed(actor, attempt)
    binding = store.new_binding(
        actor=actor,
        instance=attempt.instance,
        proven=proven,
        expiry=store.expiry_of(proven, None),
        now=now,
        pending_for=store.CONFIRM_WITHIN,
    )
    links.settle(attempt, status="confirming", binding=binding)
    return binding


def _drop_unconfirmed(actor: Actor, attempt: Authorization) -> None:
    """An earlier attempt that was never confirmed makes way for this one."""
    first = store.live_binding(attempt.instance, attempt.provider)
    if first is not None and first.status == state.Status.PENDING:
        discard(actor=actor, binding=first)
