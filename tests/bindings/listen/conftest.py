"""Live bindings of every platform, without the way through a consent page, and where we listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bindings.models import Binding, Hook
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import many
from tests.bindings.seven import ACCOUNTS, Seven
from tests.hosts import Receiver, Sandbox
from tests.people import Somebody
from tests.providers.cast import CASTS


@dataclass(frozen=True)
class Listening:
    """A tenant whose accounts may hook a repository at each platform."""

    seven: Seven
    tenant: Tenant

    @property
    def sandbox(self) -> Sandbox:
        return self.seven.sandbox

    def bind(self, provider: str, **more: Any) -> Binding:
        """A live binding of the platform, as a bind would leave it."""
        account = ACCOUNTS[provider]
        known = self.sandbox.account(provider, account)
        secret = self.seven.cloud.secret() if provider == "codearts" else ""
        facts = {
            "account_id": known["external_id"],
            "account_login": account,
            "username": account,
            "clone_username": "build-bot-git" if provider == "codeup" else "",
        }
        (row,) = many(
            self.tenant,
            self.seven.hosts[provider],
            1,
            token=secret or self.seven.token(provider),
            **facts | more,
        )
        return row

    def repository(self, provider: str) -> str:
        """One with branches and tags, which the account may hook."""
        return CASTS[provider].rich

    def hooks(self, provider: str) -> list[dict[str, Any]]:
        """What the host has of ours."""
        found: list[dict[str, Any]] = self.sandbox.hooks(provider)
        return found


def again(hook: Hook) -> Hook:
    """The row as it is now."""
    with rls.tenant(hook.tenant_id):
        return Hook.objects.select_related("binding__host", "repository").get(pk=hook.pk)


@pytest.fixture
def listening(all_seven: Seven, alice: Somebody, receiver: Receiver, settings: Any) -> Listening:
    """Deliveries come to a receiver that answers 200."""
    settings.MOORING_URL = receiver.url.removesuffix("/hook")
    return Listening(all_seven, alice.tenant)
