"""Shapes of tenancy's answers (api.md 3.1, 3.11, 3.12)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from portal.ground.rest.shapes import identity, says

RoleWord = Literal["viewer", "developer", "admin", "owner"]
TokenId = Annotated[str, identity("tok")]
InstanceId = Annotated[str, identity("ins")]


class Person(TypedDict):
    """Somebody by name; `id` is null when they have left."""

    id: Annotated[str, identity("usr")] | None
    name: str


class SignedInUser(TypedDict):
    id: Annotated[str, identity("usr")]
    name: str
    email: str


class TenantBrief(TypedDict):
    id: Annotated[str, identity("tnt")]
    slug: str
    name: str


class Egress(TypedDict):
    """Address ranges to allow: where the portal and the builders call from."""

    portal: list[str]
    builders: list[str]


class Server(TypedDict):
    version: str
    time: datetime
    egress: Egress


class Me(TypedDict):
    """Who is calling, and what they may do."""

    kind: Literal["token", "user"]
    id: str
    name: str
    role: RoleWord
    scopes: list[str]
    instances: list[InstanceId] | None
    expires_at: datetime | None
    tenant: TenantBrief
    user: SignedInUser | None
    server: Server


class Token(TypedDict):
    """An API token, without its secret. `owner` is `me` for personal tokens; `user` is whose."""

    id: TokenId
    name: str
    owner: Literal["tenant", "me"]
    user: Person | None
    role: RoleWord
    scopes: list[str]
    instances: list[InstanceId] | None
    networks: list[str]
    hint: str
    expires_at: datetime | None
    created_at: datetime
    created_by: Person | None
    last_used_at: datetime | None


class NewToken(Token):
    """The one answer that holds the secret."""

    token: Annotated[str, says(pattern="^mrg_[0-9A-Za-z]{49}$")]


class EventActor(TypedDict):
    kind: Literal["user", "token", "system", "operator", "provider"]
    id: str | None
    name: str
    ip: str | None


class InstanceBrief(TypedDict):
    id: InstanceId
    name: str


class EventEntry(TypedDict):
    """One line of the tenant's log."""

    id: Annotated[str, identity("evt")]
    type: str
    timestamp: datetime
    actor: EventActor
    instance: InstanceBrief | None
    data: dict[str, Any]
