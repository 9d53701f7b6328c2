"""Attempts to bind by redirect: ten minutes, one use, tied to whoever began them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from bindings.models import Authorization, Binding, CodeHost
from bindings.models.bindings import Kind
from bindings.services.bind import hosts, store
from bindings.state import Status
from portal.ground import ids, rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from providers.types import Method

ATTEMPT = timedelta(minutes=10)  # product.md G24
WAITING = "waiting"
_TENANT_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Begun:
    """A new attempt, and the code of its link: shown once, kept as a digest."""

    authorization: Authorization
    code: str = field(repr=False)


def begin(
    *,
    actor: Actor,
    instance: Instance,
    provider: str,
    host: str = "",
    mode: str = "full",
    reconnect: Binding | None = None,
    replaces: Binding | None = None,
) -> Begun:
    """Begin to bind by redirect. `reconnect`: renew this binding, with the same account;
    `replaces`: put another account in its place, once a person has seen what that one can reach.

    Raises Refusal: *-OFF-*, X-FORM-03 without OAuth, X-HOST-01, *-DUP-01, X-STATE-02.
    """
    hosts.check_offer(instance, provider)
    spec = REGISTRY[provider].spec
    if Method.OAUTH not in spec.methods:
        raise Refusal("X-FORM-03", field="provider", why=f"{spec.label} is bound by token")
    if reconnect is not None:
        _may_reconnect(reconnect, instance, provider)
    if replaces is not None:
        may_switch(replaces, instance, provider)
    server = reconnect.host if reconnect is not None else _server(instance, provider, host)
    with rls.tenant(instance.tenant_id):
        if reconnect is None and replaces is None:
            is_free(instance, provider)
        return make(
            actor=actor,
            instance=instance,
            provider=provider,
            lives=ATTEMPT,
            host=server,
            mode=reconnect.mode if reconnect is not None else mode,
            intent=intent_of(reconnect, replaces),
            binding=reconnect,
            replaces=replaces,
        )


def make(
    *, actor: Actor, instance: Instance, provider: str, lives: timedelta, **columns: Any
) -> Begun:
    """Store a new attempt with a code of its own. Needs the tenant's scope."""
    code = _new_code(instance.tenant_id)
    row = Authorization.objects.create(
        tenant_id=instance.tenant_id,
        instance=instance,
        provider=provider,
        digest=digest_of(code),
        made_by=actor.person,
        made_by_token=actor.token.pk if actor.token else None,
        made_by_name=actor.name,
        expires_at=timezone.now() + lives,
        **columns,
    )
    return Begun(row, code)


def is_free(instance: Instance, provider: str) -> None:
    """Refuse a second account; one that nobody has confirmed yet is none. Needs the tenant's
    scope."""
    first = store.live_binding(instance, provider)
    if first is not None and first.status != Status.PENDING:
        raise store.already_bound(first)


def can_authorize(host: CodeHost) -> bool:
    """Has the operator registered an OAuth app for this server?"""
    return bool(host.client_id)


def server_of(row: Authorization) -> CodeHost:
    """The server an attempt leads to. Raises NotYours for a link whose server is typed later."""
    if row.host is None:
        raise NotYours
    return row.host


def by_code(*, tenant_id: UUID, code: str) -> Authorization:
    """The waiting attempt behind a link. Needs the tenant's scope. Raises NotYours."""
    row = (
        Authorization.objects.of(tenant_id)
        .select_related("host", "instance__tenant", "binding", "replaces")
        .filter(digest=digest_of(code))
        .first()
    )
    if row is None:
        raise NotYours
    return row


def waiting(*, tenant_id: UUID, authorization_id: UUID) -> Authorization:
    """The attempt a redirect came back for. Raises Refusal *-OAUTH-02 when it waits no longer."""
    with rls.tenant(tenant_id):
        row = (
            Authorization.objects.of(tenant_id)
            .select_related("host", "instance__tenant", "binding__host", "replaces__host")
            .filter(pk=authorization_id)
            .first()
        )
    if row is None:
        raise NotYours
    still_waits(row)
    return row


def hold(row: Authorization) -> None:
    """Keep an attempt to ourselves until the transaction ends, so that of two who finish it only
    one does. Needs the tenant's scope. Raises Refusal *-OAUTH-02 when it waits no longer."""
    rows = Authorization.objects.of(row.tenant_id).select_for_update()
    still_waits(rows.get(pk=row.pk))


def still_waits(row: Authorization) -> None:
    """Refuse an attempt that has been used, given up or left alone too long."""
    if row.status != WAITING or row.expires_at <= timezone.now():
        raise Refusal(f"{REGISTRY[row.provider].spec.prefix}-OAUTH-02")


def settle(row: Authorization, *, status: str, binding: Binding | None) -> None:
    """Note what an attempt has led to. Needs the tenant's scope."""
    row.status, row.binding, row.problem = status, binding, None
    row.save(update_fields=["status", "binding", "problem"])


def close(binding: Binding, *, status: str) -> None:
    """Note how the confirmation of a binding ended. Needs an open scope."""
    Authorization.objects.of(binding.tenant_id).filter(binding=binding, status="confirming").update(
        status=status
    )


def fail(row: Authorization, refusal: Refusal) -> None:
    """Note why an attempt failed, for whoever asks for it by API. A hand-off link waits on: the
    browser that opened it may try again."""
    facts = {name: str(value) for name, value in refusal.facts.items()}
    status = WAITING if row.handoff else "failed"
    with rls.tenant(row.tenant_id):
        Authorization.objects.of(row.tenant_id).filter(pk=row.pk, status=WAITING).update(
            status=status, problem={"code": refusal.code, "facts": facts}
        )


def cancel(*, authorization: Authorization) -> bool:
    """Withdraw a waiting attempt; one that has ended stays as it is, and False comes back. Needs
    an open scope."""
    waits = Authorization.objects.of(authorization.tenant_id).filter(
        pk=authorization.pk, status=WAITING
    )
    return bool(waits.update(status="cancelled"))


def state_of(row: Authorization) -> str:
    """The status as the API shows it: an attempt that was left alone has expired."""
    if row.status == WAITING and row.expires_at <= timezone.now():
        return "expired"
    return row.status


def may_switch(binding: Binding, instance: Instance, provider: str) -> None:
    """Refuse to put another account in the place of what is not bound here, what nobody has
    confirmed, or what the cloud account brings."""
    if (binding.instance_id, binding.provider) != (instance.pk, provider):
        raise NotYours
    if binding.kind == Kind.PLATFORM:
        raise Refusal(f"{REGISTRY[provider].spec.prefix}-LOCK-01")
    if binding.status == Status.PENDING:
        word = binding.state.value
        raise Refusal("X-STATE-01", state=word, extra={"state": word})


def intent_of(reconnect: Binding | None, replaces: Binding | None) -> str:
    """What an attempt is for, in the word its row keeps."""
    if reconnect is not None:
        return "reconnect"
    return "bind" if replaces is None else "switch"


def _may_reconnect(binding: Binding, instance: Instance, provider: str) -> None:
    if (binding.instance_id, binding.provider) != (instance.pk, provider):
        raise NotYours
    if binding.kind != Kind.OAUTH:
        raise Refusal("X-STATE-02")


def _server(instance: Instance, provider: str, host: str) -> CodeHost:
    if host:
        server = hosts.find(tenant=instance.tenant, provider=provider, host=host).host
        if not can_authorize(server):
            raise Refusal("X-HOST-01", field="host", platform=REGISTRY[provider].spec.label)
        return server
    for server in hosts.offered(instance.tenant, provider):
        if can_authorize(server):
            return server
    raise hosts.not_offered(provider)


def tenant_of(code: str) -> UUID | None:
    """The tenant a link belongs to, which its code begins with; None for what is no code."""
    return ids.key("tnt", f"tnt_{code[:_TENANT_LETTERS]}")


def _new_code(tenant_id: UUID) -> str:
    """The tenant, so that the link is found inside that tenant's scope, and 192 random bits."""
    return ids.public("tnt", tenant_id).removeprefix("tnt_") + secrets.token_urlsafe(24)


def digest_of(code: str) -> bytes:
    """A code as rows keep it."""
    return hashlib.sha256(code.encode()).digest()
