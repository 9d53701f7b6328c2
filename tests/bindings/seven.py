"""All seven platforms of the sandbox as an operator sets them up: servers, apps, cloud account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, CodeHost
from bindings.services.custody import sealed
from portal.ground import rls
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from providers.types import Method
from tests.bindings import fleet
from tests.bindings.clouds import Cloud
from tests.bindings.fleet import QUICK
from tests.bindings.sources import live, stored
from tests.hosts import Sandbox

ACCOUNTS: Mapping[str, str] = {
    "github": "octavia",
    "gitlab": "build-bot",
    "gitee": "octavia",
    "bitbucket": "octavia",
    "codearts": "acme-robot",
    "codeup": "build-bot",
    "gitea": "build-bot",
}
"""Platform → who is bound there."""
BY_CONSENT = ("github", "gitee", "bitbucket")
BY_TOKEN = ("gitlab", "codeup", "gitea")


@dataclass(frozen=True)
class Seven:
    """The sandbox with its seven servers, which everybody is offered."""

    sandbox: Sandbox
    cloud: Cloud
    hosts: dict[str, CodeHost]

    def typed(self, provider: str) -> dict[str, str]:
        """What somebody types beside the token, by the names of the API."""
        if provider == "codeup":
            return {"clone_username": "build-bot-git", "organization": ""}
        return {"base_url": self.sandbox.base(provider)}

    def token(self, provider: str) -> str:
        """A token with all that is wanted."""
        return self.sandbox.token(provider, ACCOUNTS[provider])

    def bound(self, instance: Instance, provider: str) -> Binding:
        """A live binding of the account, without climbing the ladder where that can be helped; at
        an instance of its own, but CodeArts, which every instance gets."""
        if provider == "codearts":
            self.cloud.connect(instance.tenant)
            return stored(next(one for one in live(instance) if one.provider == provider))
        kind = "oauth" if provider in BY_CONSENT else "token"
        facts = {"kind": kind, "account_login": ACCOUNTS[provider], "mode": "manual"}
        token, host = self.token(provider), self.hosts[provider]
        (row,) = fleet.many(instance.tenant, host, 1, token=token, **facts)
        return stored(row)

    def another_token(self, provider: str) -> str:
        """A second token of the same account."""
        known = self.sandbox.token_facts(provider, ACCOUNTS[provider])
        return self.sandbox.new_token(
            provider, ACCOUNTS[provider], "second", known["scopes"], known["expires_on"]
        )


def _host(sandbox: Sandbox, slug: str) -> CodeHost:
    base_url, apps = sandbox.base(slug), sandbox.state()["providers"][slug]["apps"]
    host = CodeHost(
        slug=f"{slug}-sandbox",
        provider=slug,
        label=f"{REGISTRY[slug].spec.label} sandbox",
        base_url=base_url,
        api_url=REGISTRY[slug].api_url(base_url),
        **QUICK,
    )
    if Method.OAUTH in REGISTRY[slug].spec.methods:
        host.client_id = apps[0]["client_id"]
        sealed.put_client_secret(host, apps[0]["client_secret"], now=timezone.now())
    with rls.fleet("a test's servers"):
        host.save(force_insert=True)
    return host


@pytest.fixture
def all_seven(cloud: Cloud, settings: Any) -> Seven:
    """All seven; no cloud account is connected yet."""
    others = [slug for slug in ACCOUNTS if slug != "codearts"]
    hosts = {slug: _host(cloud.sandbox, slug) for slug in others}
    return Seven(cloud.sandbox, cloud, {**hosts, "codearts": cloud.host})
