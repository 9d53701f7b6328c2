"""Replace the token of a binding over the API, and put it back; no credential is ever shown."""

from __future__ import annotations

from bindings.api import pictures, shapes
from bindings.api.bindings import picture_of
from bindings.api.endpoint import BindingEndpoint, Call
from bindings.models import Binding
from bindings.services.bind import replace, rollback
from portal.ground import rls
from portal.ground.rest.calls import Answer, one, operation
from portal.ground.rest.fields import Body, Day, Flag, Nothing, Text


class CredentialBody(Body):
    token = Text(max_length=10_000, write_only=True)
    expires_on = Day(allow_null=True, default=None)
    clone_username = Text(max_length=200, allow_blank=True, allow_null=True, default="")
    revoke_old = Flag(default=False)
    accept_missing = Flag(default=False)


class Credential(BindingEndpoint):
    def picture(self, call: Call, found: Binding) -> Answer:
        return one(picture_of(call, found.pk), passing=pictures.PASSING)

    @operation(
        "Replace the token of a binding",
        scope="bindings:write",
        body=CredentialBody,
        answers=shapes.Binding,
        if_match=True,
        reaches_provider=True,
        about=(
            "Same account only; the old token serves until the new one has passed, and can be put"
            " back for 24 hours unless it was to be revoked. `accept_missing`: although the new one"
            " sees less of what is in use."
        ),
        codes=(
            "409 *-ACC-01 *-ACC-04 X-STATE-02",
            "410 X-GONE-01",
            "422 *-TOK-* *-SCOPE-* *-EXP-02 *-CLONE-01",
            "502 *-NET-02 *-NET-03 *-API-*",
            "503 *-RATE-01",
            "504 *-NET-01",
        ),
    )
    def put(self, call: Call, found: Binding) -> Answer:
        replace.replace_token(
            actor=call.actor,
            binding=found,
            token=call.body["token"],
            expires_on=call.body["expires_on"],
            clone_username=call.body["clone_username"] or "",
            revoke_old=call.body["revoke_old"],
            accept_missing=call.body["accept_missing"],
        )
        with rls.tenant(found.tenant_id):
            return self.picture(call, found)


class Rollbacks(BindingEndpoint):
    @operation(
        "Put the replaced token back",
        scope="bindings:write",
        body=Nothing,
        answers=shapes.Binding,
        reaches_provider=True,
        about="Within 24 hours of its replacement. It has to pass the connection test again.",
        codes=(
            "409 X-STATE-02",
            "410 X-GONE-01",
            "422 *-TOK-* *-SCOPE-* *-CLONE-01",
            "502 *-NET-02 *-NET-03 *-API-*",
            "503 *-RATE-01",
            "504 *-NET-01",
        ),
    )
    def post(self, call: Call, found: Binding) -> Answer:
        rollback.put_back(actor=call.actor, binding=found)
        with rls.tenant(found.tenant_id):
            return one(picture_of(call, found.pk), passing=pictures.PASSING)
