"""`/me`: who calls, with which rights, and where this server calls from."""

from __future__ import annotations

from django.conf import settings

from portal.ground import ids
from portal.ground.rest.calls import Answer, one, operation
from portal.tenants import roles
from portal.tenants.access import Actor, tenant_of
from portal.tenants.api import shapes
from portal.tenants.api.endpoint import Call, Endpoint
from portal.tenants.models import Instance


class Me(Endpoint):
    @operation("Who am I", answers=shapes.Me)
    def get(self, call: Call, found: None) -> Answer:
        return one(_me(call), passing=("server",))


def _me(call: Call) -> shapes.Me:
    actor, tenant = call.actor, tenant_of(call.actor)
    token = actor.token
    return {
        "kind": "user" if token is None else "token",
        "id": actor.public_id,
        "name": actor.name,
        "role": actor.role,  # type: ignore[typeddict-item]  # members and tokens have these four
        "scopes": sorted(roles.of(actor.role) if token is None else token.scopes),
        "instances": _instances(actor),
        "expires_at": None if token is None else token.expires_at,
        "tenant": {"id": tenant.public_id, "slug": tenant.slug, "name": tenant.name},
        "user": _person(actor),
        "server": {
            "version": settings.MOORING_VERSION,
            "time": call.now,
            "egress": {
                "portal": list(settings.MOORING_EGRESS_RANGES),
                "builders": list(settings.MOORING_BUILDER_RANGES),
            },
        },
    }


def _instances(actor: Actor) -> list[str] | None:
    if actor.instances is None:
        return None
    return sorted(ids.public(Instance.PREFIX, key) for key in actor.instances)


def _person(actor: Actor) -> shapes.SignedInUser | None:
    person = actor.person
    if person is None:
        return None
    return {"id": person.public_id, "name": str(person), "email": person.email}
