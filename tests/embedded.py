"""pytest plug-in (`-p tests.embedded`): real PostgreSQL and Redis of the tests' own.

They live in a new folder under the system's temporary one, so that no test ever meets the data of
`.local/` or of a DATABASE_URL somebody has exported. What tests may ask for is in
`tests/database.py`.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from portal import catalogue, embedded
from portal.servers import Postgres, Server

FORBID_SKIPS = "MOORING_FORBID_SKIPS"
_PREFIX = "mooring-test-"


class Services:
    """The servers of this run; each starts when it is first needed."""

    def __init__(self) -> None:
        self._ending = ExitStack()
        self._running: dict[str, Server] = {}
        self.top = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.top.chmod(0o711)  # the services' user passes through when the tests run as root
        self.folder = self.top / "services"

    @property
    def postgres(self) -> Postgres:
        """The running PostgreSQL; `connect()` gives a connection of its superuser."""
        server = self._need("DATABASE_URL", "postgres")
        assert isinstance(server, Postgres)
        return server

    @property
    def redis(self) -> Server:
        """The running Redis; its address is in REDIS_URL."""
        return self._need("REDIS_URL", "redis")

    def end(self) -> None:
        """End what runs and remove its data."""
        self._ending.close()
        shutil.rmtree(self.top, ignore_errors=True)

    def _need(self, variable: str, name: str) -> Server:
        if name not in self._running:
            opening = embedded.services(frozenset({variable}), self.folder, durable=False)
            self._running |= self._ending.enter_context(opening)
        return self._running[name]


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
SERVICES = pytest.StashKey[Services]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Before pytest-django loads the settings: the environment of the tests, and nothing else."""
    _remove_leftovers()
    services = Services()
    early_config.stash[SERVICES] = services
    early_config.add_cleanup(services.end)
    _set_environment(services.folder)
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Load our fixtures after pytest-django's: of two with one name, the later is used."""
    catalogue.compile_all()
    config.pluginmanager.import_plugin("tests.database")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where skips are forbidden, a skipped test has failed."""
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is collected."""
    return _without_skip((yield))


def _without_skip(report: Report) -> Report:
    if report.skipped and os.environ.get(FORBID_SKIPS) == "1":
        report.outcome = "failed"
        report.longrepr = f"skips are forbidden here, and this did not run: {report.longrepr}"
    return report


def _set_environment(folder: Path) -> None:
    for name in list(os.environ):
        ours = name.startswith(("MOORING_", "DATABASE_URL", "REDIS_URL", "CELERY_"))
        if ours and name != FORBID_SKIPS:
            del os.environ[name]
    key_ring = "test1:" + base64.urlsafe_b64encode(b"a test key of exactly 32 bytes!!").decode()
    os.environ |= {
        "MOORING_ENV": "test",
        "MOORING_SECRET_KEY": "test-secret-key-of-the-suite-0123456789-0123456789",
        "MOORING_KEYS": key_ring,
    }
    embedded.fill_in(os.environ, folder)


def _remove_leftovers() -> None:
    """Remove the folders of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = re.match(r"\d+", folder.name.removeprefix(_PREFIX))
        if pid and folder.stat().st_uid == os.geteuid() and not _alive(int(pid[0])):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
