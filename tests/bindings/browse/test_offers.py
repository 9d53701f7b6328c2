"""What a tenant is offered, and what each platform is said to ask for."""

from __future__ import annotations

from typing import Any

import pytest

from bindings.models import CodeHost, HostOffer
from bindings.services.browse import offers, specs
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings import fleet
from tests.bindings.sources import GitHub, GitLab
from tests.people import Somebody


def mine(tenant: Tenant) -> list[str]:
    return [host.slug for hosts in offers.of_tenant(tenant).values() for host in hosts]


def test_operators_servers_come_before_a_tenants_own(gitlab: GitLab, alice: Somebody):
    fleet.host(gitlab, "typed", owner=alice.tenant, base_url="https://git.acme.example")
    fleet.host(gitlab, "ours")
    assert mine(alice.tenant) == ["ours", "typed"]


@pytest.mark.parametrize(
    ("facts", "seen"),
    [
        ({}, True),
        ({"offered": False}, False),
        ({"enabled": False}, False),
    ],
)
def test_only_what_is_offered_and_enabled_is_shown(
    gitlab: GitLab, alice: Somebody, facts: dict[str, Any], seen: bool
):
    fleet.host(gitlab, "ours", **facts)
    assert (mine(alice.tenant) == ["ours"]) is seen


def test_a_server_offered_to_one_tenant_is_seen_by_it_alone(
    gitlab: GitLab, alice: Somebody, mallory: Somebody
):
    host = fleet.host(gitlab, "theirs", offered=False)
    with rls.fleet("a test offers a server"):
        HostOffer.objects.create(host=host, tenant=alice.tenant)
    assert mine(alice.tenant) == ["theirs"]
    assert mine(mallory.tenant) == []


def test_a_tenants_own_server_is_nobody_elses(gitlab: GitLab, alice: Somebody, mallory: Somebody):
    fleet.host(gitlab, "typed", owner=alice.tenant)
    assert mine(mallory.tenant) == []


def test_a_platform_without_a_server_is_no_choice_unless_its_address_is_typed(
    gitlab: GitLab, alice: Somebody
):
    assert "gitlab" in offers.slugs(alice.tenant)
    assert "github" not in offers.slugs(alice.tenant)


def test_one_with_a_server_is(github: GitHub, alice: Somebody):
    assert "github" in offers.slugs(alice.tenant)


# -- what a platform asks for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "subgroups", "owners"),
    [("seed", "manual", "personal"), ("extended", "automatic", "all")],
)
def test_the_limits_of_a_profile_are_told(settings: Any, profile: str, subgroups: str, owners: str):
    settings.MOORING_PROFILE = profile
    gitlab, github = (offers.told(specs.spec_of(slug)) for slug in ("gitlab", "github"))
    assert (gitlab["subgroup_triggers"], gitlab["owners"]) == (subgroups, None)
    assert (github["subgroup_triggers"], github["owners"]) == (None, owners)


def test_the_token_alone_is_secret():
    told = offers.told(specs.spec_of("gitlab"))
    assert [field["name"] for field in told["fields"] if field["secret"]] == ["token"]
    assert "api" in told["token_url"]


def test_oauth_is_told_only_where_an_app_is_registered(github: GitHub):
    assert "oauth" in specs.methods_of(github.host)
    bare = CodeHost(provider="github", base_url=github.host.base_url)
    assert "oauth" not in specs.methods_of(bare)
