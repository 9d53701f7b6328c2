"""Doors that remember what GitHub was asked, so that its own description can judge it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from providers.http import Door
from tests.embedded import FORBID_SKIPS
from tests.judges.openapi import Document
from tests.judges.where import DESCRIPTION, HINT
from tests.providers.stage import HastyDoor

API = "/github/api/v3"

heard: list[tuple[str, str, bytes | None]] = []
"""Method, target below the API's address, body: since the last judgement."""
judged: set[str] = set()


class _Listening:
    def ask(self, method: str, url: str, **more: Any) -> Any:
        if urlsplit(url).path.startswith(API):
            heard.append((method, url.partition(API)[2], more.get("body")))
        return super().ask(method, url, **more)  # type: ignore[misc]  # a mix-in


class OpenDoor(_Listening, Door):
    """The usual door."""


class QuickDoor(_Listening, HastyDoor):
    """The one that gives up soon."""


@cache
def document() -> Document:
    """GitHub's own description; 13 MB, read once."""
    return Document(DESCRIPTION)


@contextmanager
def judging() -> Iterator[None]:
    """What is asked inside the block is described by GitHub. Where the description is not
    installed nothing is judged, but on the build server, where skips are forbidden, it must be."""
    heard.clear()
    yield
    if not DESCRIPTION.is_file():
        assert os.environ.get(FORBID_SKIPS) != "1", HINT
        return
    for method, target, body in heard:
        judged.add(f"{method} {target}")
        assert document().complaints(method, target, body) == [], f"{method} {target}"
