"""What every test may ask for; the database and Redis come with `tests/embedded.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

# Helpers whose plain asserts are to be explained like those of a test; before anybody imports them.
pytest.register_assert_rewrite(
    "tests.providers.contract",
    "tests.providers.contract_code",
    "tests.providers.contract_hooks",
    "tests.providers.contract_oauth",
    "tests.providers.stage",
    "tests.providers.goldens",
)

pytest_plugins = ("tests.hosts", "tests.people", "tests.bindings.clouds", "tests.bindings.seven")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The long fault runs are for `make faults`; the ordinary suite has a small version of each."""
    asked = any("faults" in Path(argument).parts for argument in config.args)
    return True if collection_path.name == "faults" and not asked else None
