"""Hand-off links: one step, once, for whoever owns the code account and has no account here.

The link's code is kept as a digest. Pressing Start ties it to that browser by a cookie of its own;
from then on only that browser finishes it. What comes back waits for an admin of the tenant.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from bindings.models import Authorization, Binding, CodeHost
from bindings.models.bindings import Kind
from bindings.services.bind import aside, hosts, links, replace, store, token
from bindings.services.bind.links import Begun
from bindings.services.bind.token import TokenAsk
from bindings.services.browse.specs import people_bind
from bindings.services.tell import outbox
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.access import Actor
from portal.tenants.models import Instance
from portal.tenants.services import events, makers
from providers.catalogue import REGISTRY
from providers.types import Expiry, Method

LIFE = timedelta(days=7)  # of a link (product.md G26)
CONFIRM_WITHIN = timedelta(days=7)  # what came back through it (G25)
SCOPE = "bindings:write"
_USED_UP = frozenset({"confirming", "done", "expired", "failed"})


class Standing(StrEnum):
    """How a link stands for the browser that looks at it."""

    OPEN = "open"  # nobody has pressed Start
    MINE = "mine"  # this browser has, and may go on
    THANKS = "thanks"  # this browser has finished it
    USED = "used"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


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
    """Make a link. Its code is in the answer, and nowhere else. `reconnect`: to renew this binding
    with the same account; `replaces`: to put another account in its place.

    Raises Refusal: *-OFF-*, X-FORM-03 for what no person binds, X-HOST-01, *-DUP-01, X-STATE-01,
    *-LOCK-01.
    """
    if provider in REGISTRY and not people_bind(provider):
        raise Refusal("X-FORM-03", field="provider", why=REGISTRY[provider].spec.label)
    hosts.check_offer(instance, provider)
    old = reconnect or replaces
    if old is not None:
        links.may_switch(old, instance, provider)
    server = reconnect.host if reconnect else _server(instance, provider, host)
    with rls.tenant(instance.tenant_id):
        if old is None:
            links.is_free(instance, provider)
        begun = links.make(
            actor=actor,
            instance=instance,
            provider=provider,
            lives=LIFE,
            host=server,
            mode=reconnect.mode if reconnect else mode,
            intent=links.intent_of(reconnect, replaces),
            replaces=old,
            handoff=True,
        )
        _tell("authorization.created", begun.authorization, actor)
    return begun


def by_code(code: str) -> Authorization | None:
    """The hand-off link behind a code; None when there is none. Opens the tenant's scope."""
    tenant_id = links.tenant_of(code)
    if tenant_id is None:
        return None
    with rls.tenant(tenant_id):
        try:
            row = links.by_code(tenant_id=tenant_id, code=code)
        except NotYours:
            return None
    return row if row.handoff and row.instance.closed_at is None else None


def of_instance(instance: Instance, provider: str) -> list[Authorization]:
    """The links of a platform that can still be used, newest first. Opens the tenant's scope."""
    with rls.tenant(instance.tenant_id):
        return list(
            Authorization.objects.of(instance.tenant_id)
            .filter(instance=instance, provider=provider, handoff=True, status=links.WAITING)
            .filter(expires_at__gt=timezone.now())
            .order_by("-id")
        )


def withdraw(*, actor: Actor, authorization: Authorization) -> None:
    """Give up a link; what has come back through it already stays. Needs the tenant's scope."""
    if links.cancel(authorization=authorization) and authorization.handoff:
        _tell("authorization.cancelled", authorization, actor)


def by_consent(row: Authorization) -> bool:
    """Does this link lead to a consent page? Otherwise to the token form."""
    methods = REGISTRY[row.provider].spec.methods
    if row.intent == "reconnect" and row.replaces is not None:
        return row.replaces.kind == Kind.OAUTH
    return Method.OAUTH in methods and row.host is not None and links.can_authorize(row.host)


def open_link(row: Authorization, code: str) -> str:
    """Tie a link to the browser that pressed Start; the value of its cookie. The second browser
    is refused with *-OAUTH-02."""
    proof = secrets.token_urlsafe(32)
    with rls.tenant(row.tenant_id):
        untouched = Authorization.objects.of(row.tenant_id).filter(
            pk=row.pk, status=links.WAITING, opened_by=None, expires_at__gt=timezone.now()
        )
        if not untouched.update(opened_by=_digest(proof)):
            raise Refusal(f"{REGISTRY[row.provider].spec.prefix}-OAUTH-02")
    return f"{code}.{proof}"


def cookie_of(row: Authorization) -> str:
    """The last part of the name of a link's own cookie."""
    return f"link_{row.public_id}"


def code_for(row: Authorization, cookie: str) -> str:
    """The code of a link, from the cookie of the browser that opened it; "" in any other."""
    code, _dot, proof = cookie.partition(".")
    if row.opened_by is None or not hmac.compare_digest(bytes(row.opened_by), _digest(proof)):
        return ""
    return code if hmac.compare_digest(bytes(row.digest), links.digest_of(code)) else ""


def standing(row: Authorization, *, mine: bool, now: datetime) -> Standing:
    """How a link stands; `mine`: for the browser that opened it."""
    if row.status == "cancelled" and row.binding_id is None:
        return Standing.WITHDRAWN
    if row.status != links.WAITING:
        return Standing.THANKS if mine and row.status in _USED_UP else Standing.USED
    if row.expires_at <= now:
        return Standing.ENDED
    if row.opened_by is None:
        return Standing.OPEN
    return Standing.MINE if mine else Standing.USED


def maker(row: Authorization) -> Actor:
    """Whoever made a link, with the rights of this moment; they must still be allowed to bind.

    Opens the tenant's scope. Raises NotYours or NotAllowed; the link is then withdrawn.
    """
    with rls.tenant(row.tenant_id):
        try:
            return _maker(row)
        except Refusal:
            links.cancel(authorization=row)
    raise NotYours


def test(*, row: Authorization, ask: TokenAsk) -> token.Tested:
    """Climb the ladder for the holder of a link; saves nothing. Raises as `token.test`."""
    return token.test(tenant=row.instance.tenant, instance=row.instance, ask=ask)


def finish_with_token(*, row: Authorization, ask: TokenAsk) -> Binding:
    """Bind what the holder pasted: pending until an admin of the tenant confirms the account.

    Raises Refusal as `token.bind`, *-OAUTH-02 when the link waits no longer, NotYours when its
    maker may not bind any more.
    """
    maker(row)
    try:
        made = token.prove(instance=row.instance, ask=ask)
        with rls.tenant(row.tenant_id):
            return keep(row, made.proven, store.expiry_of(made.proven, ask.expires_on))
    except Refusal as refusal:
        links.fail(row, refusal)
        raise


def keep(row: Authorization, proven: store.Proven, end: Expiry) -> Binding:
    """Store what came back through a link. Needs the tenant's scope. Raises as above."""
    links.hold(row)
    actor = _maker(row)
    now = timezone.now()
    if row.replaces is not None:
        return _beside(row, row.replaces, actor, proven, now)
    first = store.live_binding(row.instance, row.provider)
    if first is not None:
        raise store.already_bound(first)
    binding = store.new_binding(
        actor=actor,
        instance=row.instance,
        proven=proven,
        expiry=end,
        now=now,
        pending_for=CONFIRM_WITHIN,
    )
    links.settle(row, status="confirming", binding=binding)
    _tell_waiting(row, binding, now)
    return binding


def _beside(
    row: Authorization, old: Binding, actor: Actor, proven: store.Proven, now: datetime
) -> Binding:
    """What came back waits beside the bound account, which serves on."""
    bound = store.lock(old)
    if row.intent == "reconnect":
        replace.same_account(bound, proven.identity)
    until = now + CONFIRM_WITHIN
    kept = aside.keep(actor=actor, attempt=row, proven=proven, now=now, until=until)
    _tell_waiting(row, bound, now)
    return kept


def _tell_waiting(row: Authorization, binding: Binding, now: datetime) -> None:
    sent = {"id": row.public_id, "made_by": row.made_by_name}
    outbox.tell("binding.pending", binding=binding, actor=outbox.SYSTEM, at=now, link=sent)


def link_of(binding: Binding) -> Authorization | None:
    """The hand-off link through which a pending binding came. Needs the tenant's scope."""
    return (
        Authorization.objects.of(binding.tenant_id)
        .filter(binding=binding, handoff=True, status="confirming")
        .first()
    )


def _server(instance: Instance, provider: str, host: str) -> CodeHost | None:
    """The server a link leads to; None where its holder types the address or the platform has
    only one."""
    methods = REGISTRY[provider].spec.methods
    if host:
        named = hosts.find(tenant=instance.tenant, provider=provider, host=host).host
        if Method.TOKEN not in methods and not links.can_authorize(named):
            raise Refusal("X-HOST-01", field="host", platform=REGISTRY[provider].spec.label)
        return named
    offered = hosts.offered(instance.tenant, provider) if Method.OAUTH in methods else []
    known = next((one for one in offered if links.can_authorize(one)), None)
    if known is None and Method.TOKEN not in methods:
        raise hosts.not_offered(provider)
    return known


def _maker(row: Authorization) -> Actor:
    return makers.still(
        tenant=row.instance.tenant,
        person_id=row.made_by_id,
        token_id=row.made_by_token,
        instance=row.instance,
        scope=SCOPE,
    )


def _tell(type: str, row: Authorization, actor: Actor) -> None:
    events.record(
        tenant_id=row.tenant_id,
        type=type,
        actor=actor.event(),
        at=timezone.now(),
        instance_id=row.instance_id,
        data={"authorization": {"id": row.public_id, "provider": row.provider, "handoff": True}},
    )


def _digest(proof: str) -> bytes:
    return hashlib.sha256(proof.encode()).digest()
