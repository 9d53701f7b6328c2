"""What is offered to a tenant: its servers in one query, and what each platform asks for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q

from bindings.models import CodeHost, PlatformAccount
from bindings.services.browse import specs
from portal.ground import rls
from portal.tenants.models import Tenant
from providers.types import Can, Method, Profile, Spec

_SECRET_FIELDS = frozenset({"token"})


def of_tenant(tenant: Tenant) -> dict[str, list[CodeHost]]:
    """Provider → the enabled servers this tenant may use: operators' first, oldest first."""
    mine = Q(owner=tenant) | Q(owner=None, offered=True) | Q(owner=None, offers__tenant=tenant)
    found: dict[str, list[CodeHost]] = {}
    with rls.tenant(tenant.pk):
        rows = CodeHost.objects.filter(mine, enabled=True).distinct().order_by("created_at")
        for host in sorted(rows, key=lambda host: host.owner_id is not None):
            found.setdefault(host.provider, []).append(host)
    return found


def slugs(tenant: Tenant) -> set[str]:
    """The providers people of this tenant can bind at all: those with a server, and those whose
    servers' addresses are typed."""
    with_host = {slug for slug, hosts in of_tenant(tenant).items() if hosts}
    return {
        slug
        for slug in specs.ORDER
        if specs.people_bind(slug) and (slug in with_host or specs.takes_address(slug))
    }


def with_account(tenant: Tenant, provider: str, hosts: list[CodeHost]) -> list[CodeHost]:
    """Of the servers of a provider those that can be used: all of them, but where the operator's
    cloud account binds only those that it is at. Opens the tenant's scope."""
    if not hosts or specs.people_bind(provider):
        return hosts
    with rls.tenant(tenant.pk):
        live = PlatformAccount.objects.of(tenant).exclude(secret=None)
        at = set(live.values_list("host_id", flat=True))
    return [host for host in hosts if host.pk in at]


def told(spec: Spec) -> dict[str, Any]:
    """What the catalogue of platforms says about one that has an adapter (api.md 3.1)."""
    strict = settings.MOORING_PROFILE == Profile.SEED
    return {
        "methods": [method.value for method in spec.methods],
        "default_address": spec.default_address or None,
        "fields": [_field(spec, name) for name in spec.asks],
        "scopes": {"full": list(spec.ask_scopes), "manual": list(spec.manual_scopes)},
        "token_url": _token_url(spec),
        "expires_quality": [quality.value for quality in spec.qualities],
        "rotates": Can.ROTATE in spec.capabilities,
        "lease_kinds": list(spec.lease_kinds),
        "subgroup_triggers": _by_profile(spec.groups_nest, "manual", "automatic", strict=strict),
        "owners": _by_profile(spec.seed_wants_persons, "personal", "all", strict=strict),
    }


def _token_url(spec: Spec) -> str | None:
    if Method.TOKEN not in spec.methods or not spec.default_address:
        return None
    return specs.token_page(spec.slug, spec.default_address, "mooring") or None


def _field(spec: Spec, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "required": name in spec.requires,
        "secret": name in _SECRET_FIELDS,
    }


def _by_profile(said: bool, seed: str, extended: str, *, strict: bool) -> str | None:
    if not said:
        return None
    return seed if strict else extended
