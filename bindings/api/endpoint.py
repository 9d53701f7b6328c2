"""The base of the endpoints below a binding: the binding is found, or gone, or not yours."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from rest_framework.response import Response

from bindings.models import Binding
from bindings.services.bind.unbind import RECEIPT_FOR
from bindings.services.custody.sealed import Undecryptable
from bindings.state import State
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.api import endpoint
from portal.tenants.api.endpoint import Call
from portal.tenants.models import Instance

__all__ = [
    "BindingEndpoint",
    "Call",
    "Endpoint",
    "InstanceEndpoint",
    "live_binding",
    "live_instance",
]

KEPT: timedelta = RECEIPT_FOR


class Endpoint(endpoint.Endpoint):
    """An endpoint of the product."""

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, Undecryptable):
            word = State.UNDECRYPTABLE.value
            exc = Refusal("X-STATE-01", state=word, extra={"state": word})
        return super().handle_exception(exc)


class InstanceEndpoint(Endpoint):
    """An endpoint below `/instances/{instance}`."""

    def which(self, call: Call) -> Instance:
        return live_instance(call, call.path["instance"])


class BindingEndpoint(Endpoint):
    """An endpoint below `/bindings/{binding}`. `own`: whose binding it is may do it too."""

    own: ClassVar[dict[str, str]] = {}

    def which(self, call: Call) -> Binding:
        rows = Binding.objects.select_related("host", "instance__tenant")
        if call.operation.if_match:
            rows = rows.select_for_update(of=("self",))
        own = self.own.get(call.request.method or "", "")
        found = access.get(call.actor, rows, call.path["binding"], call.operation.scope, own=own)
        if found.unbound_at is not None:
            raise _gone(found, call)
        return found


def live_instance(call: Call, public_id: str) -> Instance:
    """The open instance with this id. Raises NotYours, NotAllowed."""
    rows = Instance.objects.select_related("tenant").filter(closed_at=None)
    if call.operation.if_match:
        rows = rows.select_for_update(of=("self",))
    return access.get(call.actor, rows, public_id, call.operation.scope)


def live_binding(
    call: Call, public_id: str | None, instance: Instance | None = None
) -> Binding | None:
    """The live binding a body names, of one instance where that is given; None for none. Opens
    the tenant's scope. Raises NotYours, NotAllowed."""
    if not public_id:
        return None
    rows = Binding.objects.select_related("host", "instance__tenant").filter(unbound_at=None)
    if instance is not None:
        rows = rows.filter(instance=instance)
    with rls.tenant(tenant_of(call.actor).pk):
        return access.get(call.actor, rows, public_id, call.operation.scope)


def _gone(binding: Binding, call: Call) -> Refusal:
    ended = binding.unbound_at
    if ended is None or call.now - ended > KEPT:
        return NotYours()
    receipt = f"{settings.MOORING_URL}/api/v1/bindings/{binding.public_id}/receipt"
    return Refusal(
        "X-GONE-01",
        login=binding.account_login,
        date=ended.date(),
        extra={"receipt_url": receipt},
    )
