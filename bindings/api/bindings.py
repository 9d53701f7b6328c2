"""Bindings over the API: bind with a token, list, look at, change, unbind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from bindings.api import pictures, shapes
from bindings.api.asking import TokenBody, token_ask
from bindings.api.endpoint import (
    BindingEndpoint,
    Call,
    Endpoint,
    InstanceEndpoint,
    live_binding,
)
from bindings.models import Binding, CodeHost
from bindings.models.bindings import Mode
from bindings.services.bind import change, grant, switch, token, unbind
from bindings.services.browse import people, specs
from bindings.state import Reach, State, Status
from portal.ground import ids, rls
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, one, operation
from portal.ground.rest.fields import Body, Choice, Day, Flag, Labels, Text
from portal.tenants import access
from portal.tenants.access import tenant_of
from portal.tenants.models import Instance, User

_STATES = [word.value for word in State if word not in (State.NOT_OFFERED, State.UNBOUND)]
_FAILED = (
    "422 *-ADDR-* *-TOK-* *-SCOPE-* *-USER-01 *-CLONE-01 *-EXP-02 *-OFF-* X-HOST-01",
    "502 *-NET-02 *-NET-03 *-API-*",
    "503 *-RATE-01",
    "504 *-NET-01",
)
_LABEL = re.compile("[:=]")


class BindBody(TokenBody):
    labels = Labels(default=dict)
    replaces = Text(max_length=40, allow_null=True, default=None)
    accept_missing = Flag(default=False)


class BindingChange(Body):
    labels = Labels(required=False)
    mode = Choice(choices=list(Mode.values), required=False)
    expires_on = Day(allow_null=True, required=False)
    clone_username = Text(max_length=200, required=False)
    auto_rotate = Flag(required=False)
    confirmed = Flag(required=False, help_text="`true` confirms the account of a pending binding.")

    def validate_confirmed(self, value: bool) -> bool:
        if not value:
            self.fields["confirmed"].fail("invalid", input="false")
        return value


class Bind(InstanceEndpoint):
    @operation(
        "Bind an account with a token",
        scope="bindings:write",
        body=BindBody,
        answers=shapes.NewBinding,
        status=201,
        located=True,
        reaches_provider=True,
        about=(
            "Nothing is saved unless steps 1 to 4 of the connection test pass. `replaces` switches"
            " the account: unbinds that binding and binds this one in one transaction."
        ),
        codes=("409 *-DUP-01 *-ACC-04 CA-LOCK-01 X-STATE-01", *_FAILED),
    )
    def post(self, call: Call, found: Instance) -> Answer:
        bound = _bound(call, found)
        with rls.tenant(found.tenant_id):
            row = picture_of(call, bound.binding.pk)
        said = {"message": _message(row["provider"]), "suggestions": _hints(bound)}
        return Answer(
            {**row, **said},
            resource=row,
            passing=pictures.PASSING,
            location=f"/api/v1/bindings/{row['id']}",
        )


class Bindings(Endpoint):
    @operation(
        "List bindings",
        scope="bindings:read",
        answers=shapes.Binding,
        lists=True,
        about="Newest first.",
        query=(
            parameters.text("instance", "An instance's id."),
            parameters.choice("provider", "A platform.", specs.ORDER),
            parameters.choice("state", "The one word.", _STATES),
            parameters.choice("credential_status", "The credential.", [s.value for s in Status]),
            parameters.choice("reachability", "The server.", [r.value for r in Reach]),
            parameters.text("host", "A code host's id or slug."),
            parameters.text("label", "`key`, or `key:value`.", most=141),
            parameters.text("bound_by", "A person's id, or `left`: who is no longer a member."),
            parameters.moment("ends_before", "Ends before this time."),
            parameters.text("q", "Anywhere in account, server or instance."),
        ),
    )
    def get(self, call: Call, found: None) -> Answer:
        live = access.visible(call.actor, Binding.objects.filter(unbound_at=None))
        rows = pictures.rows(_asked(live, call.query))
        page = pagination.page(rows, ["-id"], call.paging)
        return listed([pictures.binding(row, call.now) for row in page.rows], page)


class OneBinding(BindingEndpoint):
    own: ClassVar[dict[str, str]] = {"DELETE": "bound_by"}

    def picture(self, call: Call, found: Binding) -> Answer:
        return one(picture_of(call, found.pk), passing=pictures.PASSING)

    @operation(
        "Get a binding",
        scope="bindings:read",
        answers=shapes.Binding,
        codes=("410 X-GONE-01",),
    )
    def get(self, call: Call, found: Binding) -> Answer:
        return self.picture(call, found)

    @operation(
        "Change a binding",
        scope="bindings:write",
        body=BindingChange,
        answers=shapes.Binding,
        if_match=True,
        codes=("409 X-STATE-02", "410 X-GONE-01", "422 *-EXP-02 *-SCOPE-02 *-OAUTH-02"),
    )
    def patch(self, call: Call, found: Binding) -> Answer:
        changes = dict(call.body)
        if changes.pop("confirmed", False):
            found = grant.confirm(actor=call.actor, binding=found)
        if changes:
            found = change.change(actor=call.actor, binding=found, changes=changes)
        return self.picture(call, found)

    @operation(
        "Unbind",
        scope="bindings:write",
        late=True,
        answers=shapes.Receipt,
        if_match=True,
        about="Also by the person who bound it. What is left to do is retried for 7 days.",
        query=(
            parameters.text("confirm", "The account's login, when it is in use.", many=False),
            parameters.flag("revoke", "End the credential at the platform too.", default=None),
            parameters.text("reason", "For the log.", most=200, many=False),
        ),
        codes=("409 X-CONFIRM-01 CA-LOCK-01", "410 X-GONE-01"),
    )
    def delete(self, call: Call, found: Binding) -> Answer:
        ending = unbind.unbind(
            actor=call.actor,
            binding=found,
            confirm=call.query["confirm"] or "",
            revoke=call.query["revoke"],
            reason=call.query["reason"] or "",
        )
        return Answer(unbind.receipt(ending), tagged=False)


def _bound(call: Call, instance: Instance) -> token.Bound:
    ask, labels = token_ask(call.body), call.body["labels"]
    replaces = live_binding(call, call.body["replaces"], instance)
    if replaces is None:
        return token.bind(actor=call.actor, instance=instance, ask=ask, labels=labels)
    return switch.with_token(
        actor=call.actor,
        instance=instance,
        replaces=replaces,
        ask=ask,
        accept_missing=call.body["accept_missing"],
        labels=labels,
    )


def picture_of(call: Call, key: UUID) -> shapes.Binding:
    """One binding as the API shows it. Needs an open scope."""
    mine = Binding.objects.of(tenant_of(call.actor)).filter(pk=key)
    return pictures.binding(pictures.rows(mine).get(), call.now)


def _asked(rows: QuerySet[Binding], query: Mapping[str, Any]) -> QuerySet[Binding]:
    simple = {
        "provider__in": query["provider"],
        "status__in": query["credential_status"],
        "reach__in": query["reachability"],
    }
    rows = rows.filter(**{name: wanted for name, wanted in simple.items() if wanted})
    if query["instance"]:
        rows = rows.filter(instance_id__in=_keys(Instance.PREFIX, query["instance"]))
    if query["state"]:
        rows = rows.filter(pictures.in_states([State(word) for word in query["state"]]))
    if query["host"]:
        by_key = Q(host_id__in=_keys(CodeHost.PREFIX, query["host"]))
        rows = rows.filter(by_key | Q(host__slug__in=query["host"]))
    if query["bound_by"]:
        by_person = Q(bound_by_id__in=_keys(User.PREFIX, query["bound_by"]))
        left = Q(bound_by__isnull=False) & ~Q(people.stays())
        rows = rows.filter(by_person | left if "left" in query["bound_by"] else by_person)
    if query["ends_before"]:
        rows = rows.filter(expires_at__lt=query["ends_before"])
    for name, spelled in (("label", _label), ("q", _text)):
        if query[name]:
            rows = rows.filter(_any(spelled(word) for word in query[name]))
    return rows


def _any(wanted: Iterable[Q]) -> Q:
    found = Q(pk__in=[])
    for one_of in wanted:
        found |= one_of
    return found


def _label(asked: str) -> Q:
    key, *value = _LABEL.split(asked, maxsplit=1)
    return Q(labels__contains={key: value[0]}) if value else Q(labels__has_key=key)


def _text(asked: str) -> Q:
    return (
        Q(account_login__icontains=asked)
        | Q(account_name__icontains=asked)
        | Q(host__base_url__icontains=asked)
        | Q(instance__name__icontains=asked)
    )


def _keys(prefix: str, public_ids: Iterable[str]) -> list[UUID]:
    found = (ids.key(prefix, public_id) for public_id in public_ids)
    return [key for key in found if key is not None]


def _hints(bound: token.Bound) -> list[shapes.Suggestion]:
    return pictures.suggestions(bound.hints)


def _message(provider: str) -> str:
    if provider == "github":
        return _("You have successfully linked your GitHub account.")
    said = _("You have successfully bound your {platform} account.")
    return said.format(platform=specs.LABELS[provider])
