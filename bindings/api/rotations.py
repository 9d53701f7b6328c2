"""Renew the credential of a binding over the API: a successor, made by the platform itself."""

from __future__ import annotations

from bindings.api import pictures, shapes
from bindings.api.bindings import picture_of
from bindings.api.endpoint import BindingEndpoint, Call
from bindings.models import Binding
from bindings.services.keep import renewing
from portal.ground import rls
from portal.ground.rest.calls import Answer, one, operation
from portal.ground.rest.fields import Body, Day


class RotationBody(Body):
    expires_on = Day(
        allow_null=True, default=None, help_text="The end to ask for; a year from now without it."
    )


class Rotations(BindingEndpoint):
    @operation(
        "Renew a credential now",
        scope="bindings:write",
        body=RotationBody,
        answers=shapes.Binding,
        reaches_provider=True,
        about="A GitLab token gets a successor and ends; a pair of OAuth tokens is refreshed.",
        codes=(
            "409 X-STATE-01 X-STATE-02",
            "410 X-GONE-01",
            "422 *-ROT-01 *-EXP-02 *-TOK-*",
            "502 *-NET-02 *-NET-03 *-API-*",
            "503 *-RATE-01",
            "504 *-ROT-02 *-NET-01",
        ),
    )
    def post(self, call: Call, found: Binding) -> Answer:
        renewing.renew(actor=call.actor, binding=found, expires_on=call.body["expires_on"])
        with rls.tenant(found.tenant_id):
            return one(picture_of(call, found.pk), passing=pictures.PASSING)
