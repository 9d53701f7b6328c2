"""Far ends of a test's own, reached through the process's door: made-up names end on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bindings.services.custody import door as doors
from providers.http import Door
from tests.providers.network import FakeNetwork


@contextmanager
def installed(door: Door) -> Iterator[Door]:
    """`door` is the one of this process inside the block."""
    before = doors.door()
    doors.install(door)
    try:
        yield door
    finally:
        doors.install(before)
        door.close()


@contextmanager
def through(network: FakeNetwork) -> Iterator[Door]:
    """Everything we ask goes through this network inside the block."""
    with installed(Door(network=network)) as door:
        yield door


class Hasty(Door):
    """A door whose errands are short, for hosts that never answer."""

    def within(self, seconds: float) -> Door:
        return super().within(min(seconds, 1.0))
