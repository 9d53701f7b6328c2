"""Replace the token of a binding in place: same account, same id, everything else stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import structlog
from django.utils import timezone

from bindings import problems, state
from bindings.models import Binding, CodeHost
from bindings.models.bindings import Kind
from bindings.services.bind import store
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


@dataclass(frozen=True, slots=True)
class Replaced:
    """`old_revoked`: the platform was told to end the former token, and did."""

    binding: Binding
    old_revoked: bool = False


def replace_token(
    *,
    actor: Actor,
    binding: Binding,
    token: str,
    expires_on: date | None = None,
    clone_username: str = "",
    revoke_old: bool = False,
) -> Replaced:
    """Prove the new token beside the old one, compare the account, then swap.

    The old token serves until the new one has passed, and goes on serving when it does not.
    Raises Refusal: X-STATE-02 for other kinds, X-STATE-01 while an operator has paused it,
    *-ACC-01 for another account, the failed step's.
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
    found = doctor.examine(Question(binding.host, secret, binding.mode), now=now)
    if found.identity is not None:
        same_account(binding, found.identity)
    if not found.ok:
        raise refusal_of(found, binding.host, binding.instance.name)
    old = former(binding) if revoke_old else None
    proven = Proven(
        host=binding.host,
        secret=secret,
        examination=found,
        kind=Kind.TOKEN,
        mode=binding.mode,
        stated_by=actor.name,
    )
    renewed = swap(actor=actor, binding=binding, proven=proven, stated=expires_on, now=now)
    if old is None or old.token == secret.token:
        return Replaced(renewed)
    return Replaced(renewed, revoke(renewed.host, old))


def swap(
    *, actor: Actor, binding: Binding, proven: Proven, stated: date | None, now: datetime
) -> Binding:
    """Store a proven credential of the same account, if the binding still lives."""
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
            event="binding.replaced",
        )


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
