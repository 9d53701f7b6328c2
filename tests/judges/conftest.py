"""Strangers that judge what we say to GitHub. They come from npm (`npm ci` in this folder) and are
asked where they are installed; on the build server, where skips are forbidden, they must be."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.embedded import FORBID_SKIPS
from tests.judges.where import HINT, MODULES

HERE = Path(__file__).parent


def there() -> bool:
    return shutil.which("node") is not None and (MODULES / "emulate").is_dir()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where they are missing, their tests are left out, and said to be; never on the server."""
    if there() or os.environ.get(FORBID_SKIPS) == "1":
        return
    ours = [item for item in items if HERE in item.path.parents]
    if ours:
        items[:] = [item for item in items if HERE not in item.path.parents]
        config.hook.pytest_deselected(items=ours)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not there():
        terminalreporter.write_line(f"left out: {HINT}")


@pytest.fixture(scope="session")
def judges() -> Path:
    """The folder of the installed packages."""
    assert there(), HINT
    return MODULES
