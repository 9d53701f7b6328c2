"""Far ends of a test's own, reached through the process's door: made-up names end on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bindings.services.custody import door as doors
from providers.http import Door
from tests.providers.farend import reply
from tests.providers.network import NAME, FakeNetwork
from tests.providers.scenes import good


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


def cloneable(path: str) -> bytes:
    """A GitLab that behaves, with one branch and a repository that can be read."""
    sha = "1" * 40
    if "info/refs" in path:
        line = f"{sha} refs/heads/main\0agent=test\n"
        body = f"001e# service=git-upload-pack\n0000{len(line) + 4:04x}{line}0000"
        return reply(body, kind="application/x-git-upload-pack-advertisement")
    if "/branches" in path:
        return reply([{"name": "main", "commit": {"id": sha}}])
    if path.startswith("/api/v4/projects/"):
        return reply(
            {
                "id": 1,
                "path_with_namespace": "acme/api",
                "http_url_to_repo": f"https://{NAME}/acme/api.git",
                "web_url": f"https://{NAME}/acme/api",
                "default_branch": "main",
            }
        )
    return good(path)
