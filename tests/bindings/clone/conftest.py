"""A portal that really serves git, a binding to clone from, and git itself."""

from __future__ import annotations

import base64
import os
import subprocess
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bindings.models import Binding, CodeHost, Lease
from bindings.services.clone import leases
from bindings.services.clone.leases import Issued
from portal.ground import rls
from tests.bindings.fleet import QUICK
from tests.bindings.sources import GitLab
from tests.embedded import Services
from tests.hosts import Sandbox
from tests.journeys import servers
from tests.people import Somebody

PATH = "platform/api"


@dataclass(frozen=True)
class Git:
    """git on the machine of a build, and the portal it clones from."""

    site: str
    at: Path
    log: Path

    def run(
        self, *arguments: str, cwd: Path | None = None, made: Issued | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command; with a lease git finds its pair in a credential store, as it is used to."""
        store = self.at / "store"
        options = ["-c", f"credential.helper=store --file={store}"] if made else []
        if made:
            place = urllib.parse.urlsplit(self.site).netloc
            store.write_text(f"http://{made.username}:{made.password}@{place}\n")
        return subprocess.run(
            ["git", *options, *arguments],
            cwd=cwd or self.at,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.at),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_AUTHOR_NAME": "Bob",
                "GIT_AUTHOR_EMAIL": "bob@example.com",
                "GIT_COMMITTER_NAME": "Bob",
                "GIT_COMMITTER_EMAIL": "bob@example.com",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def good(self, *arguments: str, **more: Any) -> str:
        """The output of a command that has to succeed."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def bad(self, *arguments: str, **more: Any) -> str:
        """What git prints when it has to fail."""
        done = self.run(*arguments, **more)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture(scope="package")
def served(
    services: Services,
    sandbox_process: Sandbox,
    django_db_setup: Any,
) -> Iterator[tuple[str, Path]]:
    """The address of a running portal, and its log, which other runs do not tidy away."""
    with (
        TemporaryDirectory(prefix="mooring-served-") as at,
        servers.web(sandbox_process.url, Path(at)) as site,
    ):
        yield site, next(Path(at).glob("web*.log"))


@pytest.fixture
def git(served: tuple[str, Path], tmp_path: Path, settings: Any) -> Git:
    site, log = served
    settings.MOORING_URL = site
    return Git(site, tmp_path, log)


@pytest.fixture
def bound(binding: Binding) -> Binding:
    """alice's binding, whose host lets itself be asked often."""
    with rls.fleet("a test's host"):
        CodeHost.objects.filter(pk=binding.host_id).update(**QUICK)
    return binding


@pytest.fixture
def lent(bound: Binding, bob: Somebody) -> Issued:
    """bob's lease of platform/api."""
    return lend(bob, bound)


def lend(somebody: Somebody, binding: Binding, repository: str = PATH, **more: Any) -> Issued:
    return leases.issue(actor=somebody.actor, binding=binding, repository=repository, **more)


def basic(made: Issued) -> str:
    return pair(made.username, made.password)


def pair(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def change(made: Issued, **columns: Any) -> None:
    with rls.tenant(made.lease.tenant_id):
        Lease.objects.of(made.lease.tenant_id).filter(pk=made.lease.pk).update(**columns)


def reload(made: Issued) -> Lease:
    with rls.tenant(made.lease.tenant_id):
        return Lease.objects.select_related("binding").get(pk=made.lease.pk)


def secret_of(gitlab: GitLab) -> str:
    """The token that must never be seen."""
    return gitlab.token()
