"""What every test may ask for; the database and Redis come with `tests/embedded.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ("tests.hosts", "tests.people", "tests.bindings.clouds", "tests.bindings.seven")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The long fault runs are for `make faults`; the ordinary suite has a small version of each."""
    asked = any("faults" in Path(argument).parts for argument in config.args)
    return True if collection_path.name == "faults" and not asked else None
