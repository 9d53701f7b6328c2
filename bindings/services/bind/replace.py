"""Replace the token of a binding in place: same account, same id, everything else stays."""

from __future__ import annotations

from datetime import date, datetime

from django.utils import timezone

from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.bind import store
from bindings.services.bind.refuse import refusal_of
from bindings.services.bind.store import Proven
from bindings.services.bind.token import check_end
from bindings.services.custody.use import provider_at, stored_secret
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Question
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from providers.catalogue import REGISTRY
from providers.errors import ProviderError
from providers.types import Can, Credential, Method


def replace_token(
    *,
    actor: Actor,
    binding: Binding,
    token: str,
    expires_on: date | None = None,
    clone_username: str = "",
    revoke_old: bool = False,
) -> Binding:
    """Prove the new token beside the old one, compare the account, then swap.

    The old token serves until the new one has passed, and goes on serving when it does not.
    Raises Refusal: X-STATE-02 for other kinds, *-ACC-01 for another account, the failed step's.
    """
    spec = REGISTRY[binding.provider].spec
    if binding.kind != Kind.TOKEN:
        raise Refusal("X-STATE-02")
    now = timezone.now()
    check_end(expires_on, prefix=spec.prefix, now=now)
    secret = Credential(
        token=token.strip(),
        username=binding.username,
        clone_username=clone_username or binding.clone_username,
        organization=binding.organization,
        kind=Method.TOKEN,
    )
    question = Question(host=binding.host, secret=secret, mode=binding.mode)
    found = doctor.examine(question, now=now)
    if found.identity is not None:
        same_account(binding, found.identity.id, found.identity.login)
    if not found.ok:
        raise refusal_of(found, binding.host)
    old = stored_secret(binding) if revoke_old else None
    proven = Proven(
        host=binding.host,
        secret=secret,
        examination=found,
        kind=Kind.TOKEN,
        mode=binding.mode,
        stated_by=actor.name,
    )
    renewed = swap(
        actor=actor,
        binding=binding,
        proven=proven,
        stated=expires_on,
        now=now,
        event="binding.replaced",
    )
    if old is not None and old.token != secret.token:
        revoke_quietly(renewed, old)
    return renewed


def swap(
    *,
    actor: Actor,
    binding: Binding,
    proven: Proven,
    stated: date | None,
    now: datetime,
    event: str,
) -> Binding:
    """Store a proven credential of the same account, if the binding still lives."""
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
        same_account(row, proven.identity.id, proven.identity.login)
        return store.renew(
            actor=actor,
            binding=row,
            proven=proven,
            expiry=store.expiry_of(proven, stated),
            now=now,
            event=event,
        )


def same_account(binding: Binding, account_id: str, login: str) -> None:
    """Refuse another account than the binding's; compared by the number that never changes."""
    if account_id == binding.account_id:
        return
    spec = REGISTRY[binding.provider].spec
    raise Refusal(
        f"{spec.prefix}-ACC-01",
        field="token" if binding.kind == Kind.TOKEN else "",
        platform=spec.label,
        new=login,
        old=binding.account_login,
    )


def revoke_quietly(binding: Binding, secret: Credential) -> bool:
    """End a token that is no longer ours to keep; False when the host could not be told."""
    if Can.REVOKE not in REGISTRY[binding.provider].spec.capabilities:
        return False
    try:
        provider_at(binding.host, secret).revoke()
    except ProviderError:
        return False
    return True
