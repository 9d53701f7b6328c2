"""API tokens over the API: make, list, look at, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from portal.ground import ids
from portal.ground.rest import pagination
from portal.ground.rest.calls import Answer, listed, nothing, one, operation
from portal.ground.rest.fields import Body, Choice, Day, Text, Texts
from portal.tenants.access import tenant_of
from portal.tenants.api import shapes
from portal.tenants.api.endpoint import Call, Endpoint
from portal.tenants.models import Instance, Role, ServiceToken, User
from portal.tenants.services import tokens
from portal.tenants.services.tokens import TokenAsk

_COLUMNS = (
    "id",
    "name",
    "hint",
    "role",
    "scopes",
    "instances",
    "networks",
    "expires_at",
    "created_at",
    "used_at",
    "owner_id",
    "owner__name",
    "owner__email",
    "made_by_id",
    "made_by__name",
    "made_by__email",
)


class TokenAskBody(Body):
    name = Text(max_length=80)
    owner = Choice(choices=["tenant", "me"], default="tenant")
    role = Choice(choices=list(Role.values), default="developer")
    scopes = Texts(max_length=40, allow_empty=False)
    instances = Texts(max_length=1000, allow_null=True, default=None, allow_empty=False)
    networks = Texts(max_length=20, default=list)
    expires_on = Day(allow_null=True, default=None)


class Tokens(Endpoint):
    @operation(
        "List API tokens",
        scope="tokens:read",
        late=True,
        answers=shapes.Token,
        lists=True,
        about="Newest first. Without the role, your own personal tokens.",
    )
    def get(self, call: Call, found: None) -> Answer:
        rows = tokens.visible_to(call.actor).values(*_COLUMNS)
        page = pagination.page(rows, ["-id"], call.paging)
        return listed([shape(row) for row in page.rows], page)

    @operation(
        "Create an API token",
        scope="tokens:write",
        late=True,
        body=TokenAskBody,
        answers=shapes.NewToken,
        status=201,
        located=True,
        about="The secret is in this answer and nowhere else.",
    )
    def post(self, call: Call, found: None) -> Answer:
        asked = dict(call.body)
        personal = asked.pop("owner") == "me"
        made = tokens.create(
            actor=call.actor, ask=TokenAsk(personal=personal, **asked), now=call.now
        )
        row = _row(call, made.token.pk)
        return Answer(
            body={**row, "token": made.secret},
            resource=row,
            passing=PASSING,
            location=f"/api/v1/tokens/{made.token.public_id}",
            shown_once="token",
        )


class OneToken(Endpoint):
    """`self` is the token that calls; it may always see and end itself."""

    def permit(self, call: Call) -> None:
        token = call.actor.token
        if token is None or call.path["token"] not in ("self", token.public_id):
            super().permit(call)

    def which(self, call: Call) -> ServiceToken:
        public_id = call.path["token"]
        scope = call.operation.scope
        return tokens.find(actor=call.actor, public_id=public_id, scope=scope)

    @operation(
        "Get an API token",
        scope="tokens:read",
        late=True,
        answers=shapes.Token,
        about="`self` needs no scope.",
    )
    def get(self, call: Call, found: ServiceToken) -> Answer:
        return one(_row(call, found.pk), passing=PASSING)

    @operation(
        "Revoke an API token",
        scope="tokens:write",
        late=True,
        status=204,
        about="At once. `self` needs no scope.",
    )
    def delete(self, call: Call, found: ServiceToken) -> Answer:
        tokens.revoke(actor=call.actor, public_id=found.public_id, now=call.now)
        return nothing()


PASSING = ("last_used_at",)


def shape(row: Mapping[str, Any]) -> shapes.Token:
    """A row of `_COLUMNS` as the API shows it."""
    instances = row["instances"]
    return {
        "id": ids.public(ServiceToken.PREFIX, row["id"]),
        "name": row["name"],
        "owner": "me" if row["owner_id"] else "tenant",
        "user": _person(row, "owner"),
        "role": row["role"],
        "scopes": sorted(row["scopes"]),
        "instances": None if instances is None else [_instance(key) for key in instances],
        "networks": row["networks"],
        "hint": row["hint"],
        "expires_at": row["expires_at"],
        "created_at": row["created_at"],
        "created_by": _person(row, "made_by"),
        "last_used_at": row["used_at"],
    }


def _row(call: Call, key: UUID) -> shapes.Token:
    mine = ServiceToken.objects.of(tenant_of(call.actor))
    return shape(mine.filter(pk=key).values(*_COLUMNS).get())


def _person(row: Mapping[str, Any], column: str) -> shapes.Person | None:
    key = row[f"{column}_id"]
    if key is None:
        return None
    name = row[f"{column}__name"] or row[f"{column}__email"]
    return {"id": ids.public(User.PREFIX, key), "name": name}


def _instance(key: UUID) -> str:
    return ids.public(Instance.PREFIX, key)
