"""What tests of the product share: the sandbox's hosts, and a builder that listens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bindings.models import Binding
from portal.tenants.models import Instance
from tests.bindings import sources
from tests.bindings.sources import GitHub, GitLab
from tests.hosts import Sandbox
from tests.people import Somebody
from tests.receiver import Receiver


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


@pytest.fixture
def on_loopback(settings: Any) -> None:
    """Builders on this machine may be reached, over plain HTTP."""
    settings.MOORING_ENDPOINT_ALLOW_CIDRS = ("127.0.0.0/8",)
    settings.MOORING_ENDPOINT_ALLOW_HTTP = True


@pytest.fixture
def builder(on_loopback: None) -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening
