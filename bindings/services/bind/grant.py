"""Bind by redirect, after the platform sent the browser back: exchange, prove, confirm."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.utils import timezone

from bindings import state
from bindings.models import Authorization, Binding, Credential, Schedule, facts
from bindings.models.bindings import Kind
from bindings.services.bind import links, store
from bindings.services.bind.refuse import refusal_of
from bindings.services.bind.replace import revoke_quietly, same_account, swap
from bindings.services.bind.store import Proven
from bindings.services.bind.unbind import unbind
from bindings.services.custody.door import door, host_value, rules_for
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import provider_at, stored_secret
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Question
from bindings.services.tell import outbox
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from providers import oauth
from providers.catalogue import REGISTRY
from providers.errors import BadAnswer, ProviderError, TokenRejected
from providers.types import Can
from providers.types import Credential as Secret

log = structlog.get_logger(__name__)


def finish(
    *, actor: Actor, attempt: Authorization, code: str, redirect_uri: str, verifier: str
) -> Binding:
    """Turn the platform's code into a binding: pending until confirmed, or, on a reconnect of the
    same account, live at once.

    Raises Refusal: *-OAUTH-03 to -05, *-ACC-01, *-DUP-01, or the ladder's code; then the fresh
    token has been revoked where the host can.
    """
    secret = _exchange(attempt, code, redirect_uri, verifier)
    try:
        binding = _take(actor, attempt, secret)
    except Refusal as refusal:
        _revoke(attempt, secret)
        links.fail(attempt, refusal)
        raise
    links.settle(
        attempt,
        status="confirming" if binding.status == state.Status.PENDING else "done",
        binding=binding,
    )
    return binding


def confirm(*, actor: Actor, binding: Binding) -> Binding:
    """A person says that this is the right account: the pending binding becomes live.

    Raises NotYours when it is gone, Refusal *-OAUTH-02 when it waited too long; confirming a
    binding that is live already changes nothing.
    """
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        row = (
            Binding.objects.of(binding.tenant_id)
            .select_for_update(of=("self",))
            .select_related("host", "instance")
            .filter(pk=binding.pk, unbound_at=None)
            .first()
        )
        if row is None:
            raise NotYours
        if row.status != state.Status.PENDING:
            return row
        if row.confirm_until is not None and row.confirm_until <= now:
            raise Refusal(f"{REGISTRY[row.provider].spec.prefix}-OAUTH-02")
        _make_live(row, actor, now)
        outbox.tell("binding.bound", binding=row, actor=actor.event(), at=now)
        Authorization.objects.of(row.tenant_id).filter(binding=row).update(status="done")
    return row


def discard(*, actor: Actor, binding: Binding) -> None:
    """Give up a binding that nobody confirmed; what was minted for us is revoked afterwards."""
    if binding.status != state.Status.PENDING:
        raise Refusal("X-STATE-02")
    unbind(actor=actor, binding=binding, revoke=True)


def overdue(now: datetime) -> list[Binding]:
    """Pending bindings whose time to be confirmed has passed."""
    with rls.fleet("pending bindings that nobody confirmed"):
        rows = Binding.objects.filter(
            status=state.Status.PENDING, unbound_at=None, confirm_until__lte=now
        )
        return list(rows.select_related("host", "instance")[:500])


def _exchange(attempt: Authorization, code: str, redirect_uri: str, verifier: str) -> Secret:
    spec = REGISTRY[attempt.provider].spec
    if spec.oauth is None:
        raise NotYours
    try:
        return oauth.exchange(
            host_value(attempt.host),
            spec.oauth,
            code=code,
            redirect_uri=redirect_uri,
            verifier=verifier,
            door=door(),
            rules=rules_for(attempt.host),
            now=timezone.now(),
        )
    except ProviderError as error:
        refusal = Refusal(_exchange_code(spec.prefix, error), platform=spec.label)
        links.fail(attempt, refusal)
        raise refusal from None


def _exchange_code(prefix: str, error: ProviderError) -> str:
    """Our app is unknown, the code is refused, or nothing usable came back."""
    if isinstance(error, BadAnswer) and error.reason == "client_config":
        return f"{prefix}-OAUTH-03"
    return f"{prefix}-OAUTH-04" if isinstance(error, TokenRejected) else f"{prefix}-OAUTH-05"


def _take(actor: Actor, attempt: Authorization, secret: Secret) -> Binding:
    now = timezone.now()
    question = Question(host=attempt.host, secret=secret, mode=attempt.mode, typed=False)
    found = doctor.examine(question, now=now)
    reconnect = attempt.binding if attempt.intent == "reconnect" else None
    if reconnect is not None and found.identity is not None:
        same_account(reconnect, found.identity.id, found.identity.login)
    if not found.ok:
        raise refusal_of(found, attempt.host)
    proven = Proven(
        host=attempt.host, secret=secret, examination=found, kind=Kind.OAUTH, mode=attempt.mode
    )
    if reconnect is not None:
        return _reconnect(actor, reconnect, proven, now)
    with rls.tenant(attempt.tenant_id):
        _drop_unconfirmed(actor, attempt)
        return store.new_binding(
            actor=actor,
            instance=attempt.instance,
            proven=proven,
            expiry=store.expiry_of(proven, None),
            now=now,
            pending_for=store.CONFIRM_WITHIN,
        )


def _reconnect(actor: Actor, binding: Binding, proven: Proven, now: datetime) -> Binding:
    old = _old_secret(binding)
    renewed = swap(
        actor=actor, binding=binding, proven=proven, stated=None, now=now, event="binding.replaced"
    )
    if old is not None and old.token != proven.secret.token:
        # GitHub keeps ten tokens per account and app: the replaced one makes room.
        revoke_quietly(renewed, old)
    return renewed


def _old_secret(binding: Binding) -> Secret | None:
    try:
        return stored_secret(binding)
    except Undecryptable:
        return None


def _drop_unconfirmed(actor: Actor, attempt: Authorization) -> None:
    """An earlier attempt that was never confirmed makes way for this one."""
    first = store.live_binding(attempt.instance, attempt.provider)
    if first is not None and first.status == state.Status.PENDING:
        unbind(actor=actor, binding=first, revoke=True)


def _make_live(row: Binding, actor: Actor, now: datetime) -> None:
    end = Credential.objects.of(row.tenant_id).values_list("expires_at", flat=True).get(pk=row.pk)
    live = state.confirmed(facts.of(row, access_until=end), now)
    facts.apply(row, live.facts)
    row.bound_by, row.bound_by_name, row.bound_at = actor.person, actor.name, now
    row.confirm_until, row.version = None, row.version + 1
    row.save()
    Schedule.objects.filter(pk=row.pk).update(next_check_at=live.next_check_at)


def _revoke(attempt: Authorization, secret: Secret) -> None:
    if Can.REVOKE not in REGISTRY[attempt.provider].spec.capabilities:
        return
    try:
        provider_at(attempt.host, secret).revoke()
    except ProviderError as error:
        # The host is away: the token dies at its own end, and the log says that it was left.
        log.warning(
            "a refused grant could not be revoked", host=attempt.host.slug, why=error.reason
        )
