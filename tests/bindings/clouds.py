"""The sandbox's Huawei Cloud: an operator's CodeArts, and cloud accounts with their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from bindings.models import Binding, CodeHost, PlatformAccount
from bindings.services.bind import platform
from bindings.services.bind.platform import Connected
from bindings.services.keep import sweep
from portal.ground import rls
from portal.tenants import access
from portal.tenants.access import Actor
from portal.tenants.models import Tenant, User
from providers.catalogue import REGISTRY
from tests import factories
from tests.bindings.sources import make_due
from tests.hosts import Sandbox

LOGIN = "acme-robot"


@dataclass(frozen=True)
class Cloud:
    """CodeArts at the sandbox, and the operator who connects accounts."""

    sandbox: Sandbox
    host: CodeHost
    operator: User

    def acting(self, tenant: Tenant) -> Actor:
        return access.operator(self.operator, tenant, signed_in_at=timezone.now())

    def pair(self, name: str = "cloud-account", login: str = LOGIN) -> tuple[str, str]:
        """Access key and secret key."""
        facts = self.sandbox.token_facts("codearts", login, name)
        return str(facts["client_id"]), str(facts["token"])

    def secret(self, name: str = "cloud-account", login: str = LOGIN) -> str:
        return platform.secret_of(*self.pair(name, login))

    def new_keys(self, name: str = "second") -> str:
        """Another pair of the same account."""
        scopes = self.sandbox.token_facts("codearts", LOGIN, "cloud-account")["scopes"]
        self.sandbox.new_token("codearts", LOGIN, name, scopes, kind="key")
        return self.secret(name)

    def connect(self, tenant: Tenant, secret: str = "", **more: Any) -> Connected:
        return platform.connect(
            actor=self.acting(tenant), host=self.host, secret=secret or self.secret(**more)
        )

    def account(self, tenant: Tenant) -> PlatformAccount:
        with rls.tenant(tenant.pk):
            rows = PlatformAccount.objects.of(tenant).select_related("host", "tenant")
            return rows.get()

    def revoke(self, name: str = "cloud-account") -> None:
        self.sandbox.revoke(name, "codearts", LOGIN)


def refuse_twice(*bindings: Binding) -> None:
    """Two checks of the sweep, far enough apart to count."""
    for minutes in (0, 3):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=True):
            make_due(*bindings)
            sweep.run(clock=timezone.now)


@pytest.fixture
def cloud(sandbox: Sandbox, settings: Any, db: None) -> Cloud:
    """An operator's CodeArts; no account is connected yet."""
    settings.MOORING_SANDBOX_URL = sandbox.url
    base_url = sandbox.base("codearts")
    with rls.fleet("a test's CodeArts"):
        host = CodeHost.objects.create(
            slug="codearts-sandbox",
            provider="codearts",
            label="CodeArts sandbox",
            base_url=base_url,
            api_url=REGISTRY["codearts"].api_url(base_url),
        )
    return Cloud(sandbox, host, factories.person("olga", is_staff=True))
