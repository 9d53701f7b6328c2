"""The long runs of `make faults`: their figures are printed when all is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from bindings.models import Binding
from portal.tenants.models import Instance
from tests.bindings import sources
from tests.bindings.sources import GitHub, GitLab
from tests.embedded import Services
from tests.hosts import Sandbox
from tests.people import Somebody

if TYPE_CHECKING:  # named on the command line this file is read before the plug-ins are
    from tests.database import Cleaner

FIGURES = pytest.StashKey[list[str]]()
Figure = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Tell one line of figures: `figure(bindings=1000, condemned=0)`."""

    def tell(**figures: Any) -> None:
        line = json.dumps({"fault": request.node.name, **figures})
        request.config.stash[FIGURES].append(line)

    return tell


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    lines = config.stash.get(FIGURES, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def near(sandbox: Sandbox, settings: Any) -> Sandbox:
    """The sandbox, which may be dialled although it is on loopback."""
    settings.MOORING_SANDBOX_URL = sandbox.url
    return sandbox


@pytest.fixture
def gitlab(near: Sandbox) -> Iterator[GitLab]:
    """A GitLab whose address people type; it is whole again afterwards."""
    yield GitLab(near)
    if not near.running:
        near.start()


@pytest.fixture
def github(near: Sandbox, db: None) -> GitHub:
    """An operator's GitHub with a registered app."""
    return GitHub(near, sources.github_host(near))


@pytest.fixture
def binding(gitlab: GitLab, alice: Somebody, instance: Instance) -> Binding:
    """alice's live binding of build-bot, with the token that has api."""
    return gitlab.bind(alice.actor, instance)


@pytest.fixture
def restart(
    services: Services, django_db_setup: Cleaner, pytestconfig: pytest.Config
) -> Iterator[Callable[[], None]]:
    """Restarts PostgreSQL; what tests clean up with is connected anew."""

    def again() -> None:
        services.postgres.close()
        services.postgres.open()
        django_db_setup.session.close()
        session = services.postgres.connect()
        pytestconfig.add_cleanup(session.close)
        session.execute("SET session_replication_role = replica")
        django_db_setup.session = session

    yield again
    connection.close()
