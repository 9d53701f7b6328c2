"""Which server an address or a name means, and which addresses are refused."""

from __future__ import annotations

from typing import Any

import pytest

from bindings.models import CodeHost
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.sources import (
    GitLab,
    refused,
    stored,
)
from tests.people import Somebody

# -- which server --------------------------------------------------------------------------------


def test_a_project_link_is_cut_to_its_server_and_told(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    link = f"{gitlab.base_url}/platform/api/-/tree/main?ref=x#L1"
    bound = gitlab.bound(alice.actor, instance, base_url=link)
    assert stored(bound.binding).host.base_url == gitlab.base_url
    (hint,) = bound.hints
    assert (hint.about, hint.value, hint.code) == ("base_url", gitlab.base_url, "GL-ADDR-02")
    assert hint.facts["path"].startswith("platform/api")


@pytest.mark.parametrize("typed", ["/users/sign_in", "/api/v4", "/"])
def test_the_servers_own_pages_are_the_server(
    gitlab: GitLab, alice: Somebody, instance: Instance, typed: str
) -> None:
    bound = gitlab.bound(alice.actor, instance, base_url=gitlab.base_url + typed)
    assert stored(bound.binding).host.base_url == gitlab.base_url
    assert bound.hints == ()


PORTS = {
    "seed": {
        "https://gitlab.example.com:8443": "GL-ADDR-06",
        "http://gitlab.example.com:1024": "GL-ADDR-07",
        "http://gitlab.example.com:22": "GL-ADDR-07",
    },
    "extended": {
        "https://gitlab.example.com:1024": "GL-ADDR-06",
        "http://gitlab.example.com:1024": "GL-ADDR-07",
        "https://10.1.2.3": "GL-ADDR-04",
        "https://me:secret@gitlab.example.com": "GL-ADDR-05",
        "gitlab.example.com": "GL-ADDR-01",
    },
}


@pytest.mark.parametrize(
    ("profile", "typed"), [(profile, typed) for profile in PORTS for typed in PORTS[profile]]
)
def test_addresses_that_the_profile_refuses_are_refused_by_code(
    gitlab: GitLab, alice: Somebody, instance: Instance, settings: Any, profile: str, typed: str
) -> None:
    settings.MOORING_PROFILE = profile
    settings.MOORING_SANDBOX_URL = ""
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, base_url=typed))
    assert (refusal.code, refusal.field) == (PORTS[profile][typed], "base_url")
    assert gitlab.token() not in repr(refusal.__dict__)


def test_the_address_of_an_offered_server_finds_it(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    with rls.fleet("an operator's host"):
        offered = CodeHost.objects.create(
            slug="our-gitlab",
            provider="gitlab",
            label="Our GitLab",
            base_url=gitlab.base_url,
            api_url=f"{gitlab.base_url}/api/v4",
        )
    by_address = gitlab.bind(alice.actor, instance)
    assert by_address.host_id == offered.pk
    with rls.fleet("a test looks"):
        assert CodeHost.objects.count() == 1


@pytest.mark.parametrize("name", ["slug", "public_id"])
def test_an_offered_server_is_found_by_its_name(
    gitlab: GitLab, alice: Somebody, instance: Instance, name: str
) -> None:
    with rls.fleet("an operator's host"):
        offered = CodeHost.objects.create(
            slug="our-gitlab",
            provider="gitlab",
            label="Our GitLab",
            base_url=gitlab.base_url,
            api_url=f"{gitlab.base_url}/api/v4",
        )
    chosen = gitlab.bind(alice.actor, instance, base_url="", host=getattr(offered, name))
    assert chosen.host_id == offered.pk


def test_another_tenants_server_has_no_name_here(
    gitlab: GitLab,
    alice: Somebody,
    mallory: Somebody,
    instance: Instance,
    foreign_instance: Instance,
) -> None:
    theirs = gitlab.bind(mallory.actor, foreign_instance).host
    for name in (theirs.slug, theirs.public_id):
        with pytest.raises(Refusal) as caught:
            gitlab.bind(alice.actor, instance, base_url="", host=name)
        assert caught.value.code == "X-HOST-01"


def test_equal_addresses_of_two_tenants_are_two_servers(
    gitlab: GitLab,
    alice: Somebody,
    mallory: Somebody,
    instance: Instance,
    second_instance: Instance,
    foreign_instance: Instance,
) -> None:
    ours = [gitlab.bind(alice.actor, place).host_id for place in (instance, second_instance)]
    theirs = gitlab.bind(mallory.actor, foreign_instance).host_id
    assert ours[0] == ours[1] != theirs
    with rls.fleet("a test looks"):
        owners = dict(CodeHost.objects.values_list("pk", "owner__slug"))
    assert owners == {ours[0]: "acme", theirs: "globex"}


@pytest.mark.parametrize("whose", ["operator", "tenant"])
def test_a_server_that_was_switched_off_is_not_bound_again(
    gitlab: GitLab, alice: Somebody, instance: Instance, acme: Tenant, whose: str
) -> None:
    with rls.fleet("a host that is off"):
        CodeHost.objects.create(
            slug="closed",
            owner=acme if whose == "tenant" else None,
            provider="gitlab",
            label="Closed",
            base_url=gitlab.base_url,
            api_url=f"{gitlab.base_url}/api/v4",
            enabled=False,
        )
    assert refused(lambda: gitlab.bind(alice.actor, instance)).code == "GL-OFF-01"
