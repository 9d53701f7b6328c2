"""Replace the token of a binding in place: same account, same id, everything else stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from django.utils import timezone

from bindings import problems, state
from bindings.models import Authorization, Binding, CodeHost
from bindings.models.bindings import Kind
from bindings.services.bind import compare, links, store
from bindings.services.bind.refuse import refusal_of
from bindings.services.bind.store import Proven
from bindings.services.bind.token import check_end
from bindings.services.custody.sealed import Undecryptable
from bindings.services.custody.use import provider_at, stored
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Question
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.access import Actor
from providers.catalogue import REGISTRY
from providers.errors import ProviderError
from providers.types import Credential, Identity, Method

log = structlog.get_logger(__name__)

_NOT_OURS = frozenset({state.Why.OPERATOR, state.Why.HOST_DISABLED, state.Why.TENANT_SUSPENDED})
"""Pauses that no credential of the tenant's can lift."""

PUT_BACK_WITHIN = timedelta(hours=24)  # product.md G27


@dataclass(frozen=True, slots=True)
class Replaced:
    """`old_revoked`: the platform was told to end the former token, and did. `was_same`: it was the
    same token again."""

    binding: Binding
    old_revoked: bool = False
    was_same: bool = False


def replace_token(
    *,
    actor: Actor,
    binding: Binding,
    token: str,
    expires_on: date | None = None,
    clone_username: str = "",
    revoke_old: bool = False,
    accept_missing: bool = False,
) -> Replaced:
    """Prove the new token beside the old one, against every repository in use, then swap.

    The old token serves until the new one has passed, and goes on serving when it does not; once
    replaced it can be put back for a day, unless it was to be revoked.
    Raises Refusal: X-STATE-02 for other kinds, X-STATE-01 while an operator has paused it,
    *-ACC-01 for another account, *-ACC-04 when less of what is in use would be seen, the failed
    step's.
    """
    if binding.kind != Kind.TOKEN:
        raise Refusal("X-STATE-02")
    may_renew(binding)
    now = timezone.now()
    check_end(expires_on, prefix=REGISTRY[binding.provider].spec.prefix, now=now)
    secret = Credential(
        token=token.strip(),
        username=binding.username,
        clone_username=clone_username or binding.clone_username,
        organization=binding.organization,
        kind=Method.TOKEN,
    )
    proven = _proven(actor, binding, secret, now, accept=accept_missing)
    old = former(binding)
    same = old is not None and old.token == secret.token
    renewed = swap(
        actor=actor,
        binding=binding,
        proven=proven,
        stated=expires_on,
        now=now,
        keep_until=None if revoke_old or same else now + PUT_BACK_WITHIN,
    )
    if old is None or same or not revoke_old:
        return Replaced(renewed, was_same=same)
    return Replaced(renewed, revoke(renewed.host, old))


def _proven(
    actor: Actor, binding: Binding, secret: Credential, now: datetime, *, accept: bool
) -> Proven:
    """The new token, beside the old one: the ladder, the account, and what is in use."""
    found = doctor.examine(Question(binding.host, secret, binding.mode), now=now)
    if found.identity is not None:
        same_account(binding, found.identity)
    if not found.ok:
        raise refusal_of(found, binding.host, binding.instance.name)
    seen = compare.seen_by(binding=binding, host=binding.host, secret=secret)
    compare.demand(seen, provider=binding.provider, new=binding.account_login, accept=accept)
    return Proven(
        host=binding.host,
        secret=secret,
        examination=found,
        kind=Kind.TOKEN,
        mode=binding.mode,
        stated_by=actor.name,
    )


def swap(
    *,
    actor: Actor,
    binding: Binding,
    proven: Proven,
    stated: date | None,
    now: datetime,
    keep_until: datetime | None = None,
    **told: Any,
) -> Binding:
    """Store a proven credential of the same account, if the binding still lives. `keep_until`: the
    former one can be put back until then."""
    with rls.tenant(binding.tenant_id):
        row = store.lock(binding)
        may_renew(row)
        same_account(row, proven.identity)
        return store.renew(
            actor=actor,
            binding=row,
            proven=proven,
            expiry=store.expiry_of(proven, stated),
            now=now,
            keep_until=keep_until,
            **told,
        )


def renew_minted(
    *, actor: Actor, binding: Binding, attempt: Authorization, proven: Proven, now: datetime
) -> Binding:
    """Store what came back from a consent page for the same account; the former token, which was
    minted for us, is revoked now that the new one has proved itself. Raises as `swap`, and Refusal
    *-OAUTH-02 when the attempt waits no longer."""
    old = former(binding)
    with rls.tenant(attempt.tenant_id):
        links.hold(attempt)
        renewed = swap(actor=actor, binding=binding, proven=proven, stated=None, now=now)
        links.settle(attempt, status="done", binding=renewed)
    if old is not None and old.token != proven.secret.token:
        # GitHub keeps ten tokens per account and app: the replaced one makes room.
        revoke(renewed.host, old)
    return renewed


def may_renew(binding: Binding) -> None:
    """Refuse while the pause is an operator's: a new credential would lift it."""
    if binding.status == state.Status.SUSPENDED and binding.why in _NOT_OURS:
        word = binding.state.value
        raise Refusal("X-STATE-01", state=word, extra={"state": word})


def same_account(binding: Binding, who: Identity) -> None:
    """Refuse another account than the binding's; compared by the number that never changes."""
    if who.id != binding.account_id:
        prefix = REGISTRY[binding.provider].spec.prefix
        refused = problems.OtherAccount(prefix, new=who.login, old=binding.account_login)
        refused.field = "token" if binding.kind == Kind.TOKEN else ""
        raise refused


def former(binding: Binding) -> Credential | None:
    """The credential that is stored now; None when it does not open."""
    try:
        return stored(binding).secret
    except Undecryptable:
        return None


def revoke(host: CodeHost, secret: Credential) -> bool:
    """End a token that is no longer ours to keep. False when the host could not be told: it then
    dies at its own end, and the log says that it was left."""
    try:
        provider_at(host, secret).revoke()
    except ProviderError as error:
        log.warning("a token was left at its host", host=host.slug, why=error.reason)
        return False
    return True
