"""What every test may ask for; the database and Redis come with `tests/embedded.py`."""

from __future__ import annotations

pytest_plugins = ("tests.hosts", "tests.people", "tests.bindings.clouds", "tests.bindings.seven")
