"""The base of the API's endpoints: tenancy around the mechanics of `portal.ground.rest`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.ground import rls
from portal.ground.refusals import NotAllowed, NotYours, Refusal
from portal.ground.rest import calls, views
from portal.ground.rest.idempotency import Memory
from portal.tenants import access
from portal.tenants.access import Actor, tenant_of
from portal.tenants.api.authentication import Bearer, SignedIn
from portal.tenants.services import events
from portal.tenants.services.replies import Replies

Call = calls.Call[Actor]

# What a browser left open for a while may not do (api.md 1.3, X-AUTH-03).
_NEEDS_RECENT = frozenset({"bindings:write", "endpoints:write", "tokens:write"})


class Endpoint(views.Endpoint):
    """One path of the API for members and tokens of a tenant."""

    authentication_classes = (Bearer, SignedIn)

    def identify(self, call: Call) -> None:
        actor = call.request.auth
        if not isinstance(actor, Actor):
            raise Refusal("X-AUTH-01")
        call.actor = actor
        # The middleware notes the use of a token after the answer.
        call.request._request.actor = actor  # type: ignore[attr-defined]  # set by Tenancy

    def permit(self, call: Call) -> None:
        scope = call.operation.scope
        # Of a late scope the role is judged with the thing; what a token lacks, it lacks anyway.
        if scope and not (call.operation.late and call.actor.holds(scope)):
            access.demand(call.actor, scope)
        if call.operation.role:
            access.demand_role(call.actor, call.operation.role)
        if scope in _NEEDS_RECENT:
            access.demand_recent(call.actor, now=call.now, action=_("do this"))

    def open(self, call: Call) -> AbstractContextManager[None]:
        return rls.tenant(tenant_of(call.actor).pk)

    def memory(self, call: Call) -> Memory:
        return Replies(tenant_of(call.actor).pk, call.now)

    def caller(self, call: Call) -> str:
        return call.actor.public_id

    def tenant_key(self, call: Call) -> str:
        return "" if call.operation.public else str(tenant_of(call.actor).pk)

    def refused(self, call: Call, refusal: Refusal) -> None:
        """What somebody was not allowed to see or do stands in their own tenant's log."""
        if isinstance(refusal, NotYours | NotAllowed) and call.actor is not None:
            path = call.request.path
            events.denied(call.actor, code=refusal.code, path=path, at=timezone.now())
