"""The code platforms over the API: what each asks for, offers and allows here."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from bindings.api import shapes
from bindings.api.endpoint import Call, Endpoint
from bindings.models import CodeHost
from bindings.services.browse import offers, specs
from portal.ground.refusals import NotYours
from portal.ground.rest.calls import Answer, listed, one, operation
from portal.ground.rest.shapes import Uri
from portal.tenants.access import tenant_of


class AddressPolicy(TypedDict):
    """What may be typed as the address of a server."""

    profile: Literal["seed", "extended"]
    schemes: list[str]
    https_ports: str
    http_ports: str
    private_addresses: bool
    own_ca: bool


class FormField(TypedDict):
    name: str
    required: bool
    secret: bool


class ScopesNeeded(TypedDict):
    full: list[str]
    manual: list[str]


class OfferedHost(TypedDict):
    id: shapes.HostId
    slug: str
    name: str
    base_url: Uri
    methods: list[shapes.KindWord]
    owner: Literal["operator", "tenant"]


class Provider(TypedDict):
    """A code platform, and what can be done with it here."""

    slug: shapes.ProviderWord
    name: str
    offered: bool
    methods: list[shapes.KindWord]
    accepts_address: bool
    default_address: Uri | None
    address_policy: AddressPolicy
    fields: list[FormField]
    scopes: ScopesNeeded
    token_url: Uri | None
    expires_quality: list[shapes.QualityWord]
    rotates: bool
    lease_kinds: list[Literal["proxied", "provider_token"]]
    subgroup_triggers: Literal["automatic", "manual"] | None
    owners: Literal["all", "personal"] | None
    hosts: list[OfferedHost]


class Providers(Endpoint):
    @operation(
        "List code platforms",
        answers=Provider,
        lists=True,
        whole=True,
        about="In a fixed order.",
    )
    def get(self, call: Call, found: None) -> Answer:
        hosts = _hosts(call)
        return listed([_shape(slug, hosts[slug]) for slug in specs.ORDER])


class OneProvider(Endpoint):
    @operation("Get a code platform", answers=Provider)
    def get(self, call: Call, found: None) -> Answer:
        slug = call.path["slug"]
        if slug not in specs.ORDER:
            raise NotYours
        return one(_shape(slug, _hosts(call)[slug]))


def _hosts(call: Call) -> dict[str, list[CodeHost]]:
    tenant = tenant_of(call.actor)
    known = offers.of_tenant(tenant)
    return {slug: offers.with_account(tenant, slug, known.get(slug, [])) for slug in specs.ORDER}


def _shape(slug: str, hosts: list[CodeHost]) -> Provider:
    spec = specs.spec_of(slug)
    shown: dict[str, Any] = {
        "slug": slug,
        "name": specs.LABELS[slug],
        "offered": specs.takes_address(slug) or bool(hosts),
        "methods": [],
        "accepts_address": specs.takes_address(slug),
        "default_address": None,
        "address_policy": specs.address_policy(),
        "fields": [],
        "scopes": {"full": [], "manual": []},
        "token_url": None,
        "expires_quality": [],
        "rotates": False,
        "lease_kinds": [],
        "subgroup_triggers": None,
        "owners": None,
        "hosts": [_host(host) for host in hosts],
    }
    if spec is not None:
        shown |= offers.told(spec)
    return shown  # type: ignore[return-value]  # put together from two halves


def _host(host: CodeHost) -> OfferedHost:
    return {
        "id": host.public_id,
        "slug": host.slug,
        "name": host.label,
        "base_url": host.base_url,
        "methods": specs.methods_of(host),  # type: ignore[typeddict-item]  # of the three words
        "owner": "operator" if host.owner_id is None else "tenant",
    }
