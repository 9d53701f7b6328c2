"""The people of every test (a pytest plug-in): alice owns acme, bob develops there, carol looks,
mallory owns globex. Each can act through services, in a browser, and by API token.

    acme, globex                    tenants
    alice, bob, carol, mallory      Somebody
    instance, second_instance       of acme: prod-registry, test-registry
    foreign_instance                of globex: prod-registry, like acme's
    nobody                          a browser without sign-in
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.tenants import access, roles
from portal.tenants.access import Actor
from portal.tenants.models import Instance, Tenant, User
from portal.tenants.services import tokens
from portal.tenants.services.tokens import NewToken, TokenAsk
from tests import factories

ADDRESS = "192.0.2.7"


@dataclass(frozen=True)
class Somebody:
    """A person in their tenant."""

    person: User
    tenant: Tenant

    @property
    def actor(self) -> Actor:
        """As services know them: signed in a moment ago, with the role they have now."""
        return self.entered(self.tenant)

    def entered(self, tenant: Tenant) -> Actor:
        """Inside any tenant; raises NotYours where they are no member."""
        return access.enter(self.person, tenant.slug, ip=ADDRESS, signed_in_at=timezone.now())

    @property
    def client(self) -> Client:
        """A new browser of theirs, signed in a moment ago."""
        return self.signed_in(ago=timedelta())

    def signed_in(self, *, ago: timedelta, **more: Any) -> Client:
        """A new browser of theirs, signed in some time ago."""
        client = Client(REMOTE_ADDR=ADDRESS, **more)
        client.force_login(self.person)
        session = client.session
        session[access.SIGNED_IN] = time.time() - ago.total_seconds()
        session.save()
        return client

    def token(
        self,
        *scopes: str,
        personal: bool = False,
        role: str = "",
        instances: Sequence[Instance] | None = None,
        networks: Sequence[str] = (),
        expires_on: date | None = None,
    ) -> NewToken:
        """A new API token made by this person; without scopes it has all of the role."""
        actor = self.actor
        role = role or actor.role
        now = timezone.now()
        ask = TokenAsk(
            name="test token",
            scopes=scopes or sorted(roles.of(role)),
            personal=personal,
            role=role,
            instances=None if instances is None else [one.public_id for one in instances],
            networks=networks,
            expires_on=expires_on or now.date() + timedelta(days=90),
        )
        return tokens.create(actor=actor, ask=ask, now=now)

    def api(self, *scopes: str, **more: Any) -> Client:
        """A caller of the API with a new token of this person's making."""
        return bearer(self.token(*scopes, **more).secret)


def bearer(secret: str) -> Client:
    """A caller of the API with this token."""
    return Client(headers={"Authorization": f"Bearer {secret}"}, REMOTE_ADDR=ADDRESS)


@pytest.fixture
def alice(db: None) -> Somebody:
    """Owner of acme."""
    person = factories.person("alice")
    return Somebody(person, factories.tenant("acme", person))


@pytest.fixture
def acme(alice: Somebody) -> Tenant:
    return alice.tenant


@pytest.fixture
def bob(acme: Tenant) -> Somebody:
    """Developer in acme."""
    person = factories.person("bob")
    factories.member(acme, person, "developer")
    return Somebody(person, acme)


@pytest.fixture
def carol(acme: Tenant) -> Somebody:
    """Viewer in acme."""
    person = factories.person("carol")
    factories.member(acme, person, "viewer")
    return Somebody(person, acme)


@pytest.fixture
def mallory(db: None) -> Somebody:
    """Owner of globex, and nothing in acme."""
    person = factories.person("mallory")
    return Somebody(person, factories.tenant("globex", person))


@pytest.fixture
def globex(mallory: Somebody) -> Tenant:
    return mallory.tenant


@pytest.fixture
def instance(acme: Tenant) -> Instance:
    return factories.instance(acme, "prod-registry")


@pytest.fixture
def second_instance(acme: Tenant) -> Instance:
    return factories.instance(acme, "test-registry")


@pytest.fixture
def foreign_instance(globex: Tenant) -> Instance:
    return factories.instance(globex, "prod-registry")


@pytest.fixture
def nobody(db: None) -> Client:
    return Client(REMOTE_ADDR=ADDRESS)
