"""What unbinding would stop, and what it did: impact and receipt over the API."""

from __future__ import annotations

from bindings.api import shapes
from bindings.api.endpoint import KEPT, BindingEndpoint, Call, Endpoint
from bindings.models import Binding, Ending
from bindings.services.bind import unbind
from portal.ground.refusals import NotYours
from portal.ground.rest.calls import Answer, one, operation
from portal.tenants import access


class Impact(BindingEndpoint):
    @operation(
        "What unbinding would stop",
        scope="bindings:read",
        answers=shapes.Impact,
        codes=("410 X-GONE-01",),
    )
    def get(self, call: Call, found: Binding) -> Answer:
        return one(unbind.impact(found))


class Receipt(Endpoint):
    def which(self, call: Call) -> Ending:
        rows = Binding.objects.filter(unbound_at__gt=call.now - KEPT)
        binding = access.get(call.actor, rows, call.path["binding"], call.operation.scope)
        ending = (
            Ending.objects.of(binding.tenant_id)
            .select_related("binding__instance")
            .filter(pk=binding.pk)
            .first()
        )
        if ending is None:
            raise NotYours
        return ending

    @operation(
        "The receipt of an unbinding",
        scope="bindings:read",
        answers=shapes.Receipt,
        about="For 30 days after unbinding; 404 while bound.",
    )
    def get(self, call: Call, found: Ending) -> Answer:
        return one(unbind.receipt(found))
