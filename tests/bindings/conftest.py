"""What tests of the product share: the sandbox's hosts, and clocks that are moved by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bindings.models import Binding
from portal.tenants.models import Instance
from tests.bindings import sources
from tests.bindings.sources import GitHub, GitLab
from tests.hosts import Sandbox
from tests.people import Somebody


@pytest.fixture
def near(sandbox: Sandbox, settings: Any) -> Sandbox:
    """The sandbox, which may be dialled although it is on loopback."""
    settings.MOORING_SANDBOX_URL = sandbox.url
    return sandbox


@pytest.fixture
def gitlab(near: Sandbox) -> GitLab:
    """A GitLab whose address people type."""
    return GitLab(near)


@pytest.fixture
def github(near: Sandbox, db: None) -> GitHub:
    """An operator's GitHub with a registered app."""
    return GitHub(near, sources.github_host(near))


@pytest.fixture
def binding(gitlab: GitLab, alice: Somebody, instance: Instance) -> Binding:
    """alice's live binding of build-bot, with the token that has api."""
    return gitlab.bind(alice.actor, instance)
