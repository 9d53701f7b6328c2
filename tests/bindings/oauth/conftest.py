"""Travellers: a browser for each person, with a GitHub of the sandbox to go to."""

from __future__ import annotations

import pytest

from tests import factories
from tests.bindings.oauth.browser import Traveller
from tests.bindings.sources import GitHub
from tests.people import Somebody


@pytest.fixture
def traveller(alice: Somebody, github: GitHub) -> Traveller:
    """alice, on her way."""
    return Traveller(alice.client, github.sandbox)


@pytest.fixture
def admin(alice: Somebody) -> Somebody:
    """A second admin of acme, who may do whatever alice may."""
    person = factories.person("bob")
    factories.member(alice.tenant, person, "admin")
    return Somebody(person, alice.tenant)
