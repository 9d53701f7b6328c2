"""Authorizations over the API: an attempt to bind by consent, made here, finished in a browser."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from bindings import problems
from bindings.api import shapes
from bindings.api.endpoint import Call, Endpoint, InstanceEndpoint, live_binding
from bindings.models import Authorization, Binding
from bindings.models.bindings import Mode
from bindings.services.bind import handoff, links
from bindings.services.browse import people, specs
from portal.ground import ids
from portal.ground.refusals import Refusal, words
from portal.ground.rest.calls import Answer, nothing, one, operation
from portal.ground.rest.fields import Body, Choice, Flag, Text
from portal.tenants import access
from portal.tenants.models import Instance


class AuthorizationBody(Body):
    provider = Choice(choices=list(specs.ORDER))
    host = Text(max_length=100, allow_blank=True, allow_null=True, default="")
    mode = Choice(choices=list(Mode.values), default=Mode.FULL.value)
    binding = Text(max_length=40, allow_null=True, default=None)
    replaces = Text(max_length=40, allow_null=True, default=None)
    handoff = Flag(default=False)


class Authorize(InstanceEndpoint):
    @operation(
        "Begin an authorization",
        scope="bindings:write",
        body=AuthorizationBody,
        answers=shapes.Authorization,
        status=201,
        located=True,
        about=(
            "Open `url` in a browser. `binding` reconnects that one, with the same account."
            " `replaces` switches: the page compares both accounts first."
            " `handoff` makes a link for somebody without an account here: 7 days, one use; what"
            " comes back through it is pending until an admin confirms it."
        ),
        codes=("409 *-DUP-01 X-STATE-02", "422 *-OFF-01 *-OFF-02 X-HOST-01"),
    )
    def post(self, call: Call, found: Instance) -> Answer:
        begun = _begun(call, found)
        row, url = begun.authorization, f"{settings.MOORING_URL}/i/{begun.code}/"
        shown = _shape(row)
        return Answer(
            {**shown, "url": url},
            resource=shown,
            location=f"/api/v1/authorizations/{row.public_id}",
            shown_once="url",
        )


class OneAuthorization(Endpoint):
    def which(self, call: Call) -> Authorization:
        public_id, scope = call.path["authorization"], call.operation.scope
        return access.get(call.actor, Authorization, public_id, scope)

    @operation("Get an authorization", scope="bindings:write", answers=shapes.Authorization)
    def get(self, call: Call, found: Authorization) -> Answer:
        return one(_shape(found))

    @operation("Cancel an authorization", scope="bindings:write", status=204)
    def delete(self, call: Call, found: Authorization) -> Answer:
        handoff.withdraw(actor=call.actor, authorization=found)
        return nothing()


def _begun(call: Call, instance: Instance) -> links.Begun:
    asked = {
        "actor": call.actor,
        "instance": instance,
        "provider": call.body["provider"],
        "host": call.body["host"] or "",
        "mode": call.body["mode"],
    }
    reconnect = live_binding(call, call.body["binding"], instance)
    replaces = live_binding(call, call.body["replaces"], instance)
    if reconnect and replaces:
        raise Refusal("X-FORM-03", field="replaces", why=_("name one binding"))
    begin = handoff.begin if call.body["handoff"] else links.begin
    return begin(**asked, reconnect=reconnect, replaces=replaces)


def _shape(row: Authorization) -> shapes.Authorization:
    bound = _bound(row)
    shown: shapes.Authorization = {
        "id": row.public_id,
        "provider": row.provider,  # type: ignore[typeddict-item]  # one of the seven
        "status": links.state_of(row),  # type: ignore[typeddict-item]  # one of its words
        "handoff": row.handoff,
        "url": None,
        "expires_at": row.expires_at,
        "binding": None if bound is None else ids.public(Binding.PREFIX, bound),
        "problem": _problem(row),
    }
    if suggested := _suggestions(row):
        shown["suggestions"] = suggested
    return shown


def _bound(row: Authorization) -> UUID | None:
    """The binding an attempt has led to; that of a switch is one only once it is done."""
    if row.intent == "reconnect" and row.handoff:
        return row.replaces_id if row.status in ("confirming", "done") else None
    known = ("done",) if row.intent == "switch" else ("confirming", "done")
    return row.binding_id if row.status in known else None


def _suggestions(row: Authorization) -> list[shapes.Suggestion]:
    """What is worth knowing of the account that came back."""
    if row.binding is None or people.crowd(row.binding) is None:
        return []
    code = f"{problems.prefix_of(row.provider)}-TOK-12"
    return [{"field": "", "value": row.binding.account_login, "code": code}]


def _problem(row: Authorization) -> shapes.AuthorizationProblem | None:
    if not row.problem or row.status == links.WAITING:  # whoever opened the link may try again
        return None
    said = words(row.problem["code"], row.problem["facts"])
    return {
        "type": f"{settings.MOORING_URL}/help/errors/{said.code}/",
        "title": said.title,
        "status": said.status,
        "code": said.code,
        "detail": said.detail,
    }
