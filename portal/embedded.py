"""PostgreSQL and Redis for a command that was given none: which are missing, and their life.

`manage.py` and the tests ask here before settings load. Production never gets embedded services.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from portal import processes
from portal.place import CannotStart, Place
from portal.servers import Postgres, Redis, Server, end_all

__all__ = ["LOCAL", "CannotStart", "fill_in", "remove", "services"]

LOCAL = Path(__file__).resolve().parent.parent / ".local"
_KINDS: dict[str, type[Server]] = {"DATABASE_URL": Postgres, "REDIS_URL": Redis}


def fill_in(environment: MutableMapping[str, str], folder: Path = LOCAL) -> frozenset[str]:
    """Set the addresses of embedded services where none are given; starts nothing.

    Returns the names of the variables whose services are ours to run: DATABASE_URL, REDIS_URL.
    """
    if environment.get("MOORING_ENV") == "production":
        return frozenset()
    missing = frozenset(name for name in _KINDS if not _given(environment, name))
    for name, address in Place.of(folder).addresses().items():
        if _owner(name) in missing and not _given(environment, name):
            environment[name] = address
    return missing


@contextmanager
def services(
    names: frozenset[str], folder: Path = LOCAL, *, durable: bool = True
) -> Iterator[dict[str, Server]]:
    """Run these services until the block ends, or join those that run already.

    `durable=False` is for tests: a power cut may then cost the data. Raises CannotStart.
    """
    if not names:
        yield {}
        return
    place = Place.of(folder)
    place.make()
    opened: dict[str, Server] = {}
    try:
        with processes.noting_signals() as noted:
            for name in sorted(names):
                server = _KINDS[name](place, durable=durable)
                opened[server.name] = server
                server.open(noted)
        yield opened
    finally:
        with processes.noting_signals():
            for server in opened.values():
                server.close()


def remove(folder: Path = LOCAL) -> None:
    """End the services of `folder`, whoever started them, and remove all they have written."""
    place = Place.of(folder)
    end_all(folder)
    for path in (place.sockets, place.home, folder):
        shutil.rmtree(path, ignore_errors=True)


def _given(environment: MutableMapping[str, str], name: str) -> bool:
    return bool(environment.get(name) or environment.get(f"{name}_FILE"))


def _owner(name: str) -> str:
    return "DATABASE_URL" if name == "MOORING_OWNER_DATABASE_URL" else name


if __name__ == "__main__":  # `make clean`
    try:
        remove()
    except CannotStart as trouble:
        sys.exit(f"mooring: {trouble}")
