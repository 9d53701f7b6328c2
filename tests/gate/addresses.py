"""Every address of the site map whose parts are known, filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tests.gate.permissions import routes

_PART = re.compile(r"<(?:\w+:)?(\w+)>")
_REGEX = re.compile(r"\(\?P<(\w+)>[^)]*\)|[\^$\\]")


def filled(names: Mapping[str, str]) -> Iterator[str]:
    """Paths without the leading slash; what has a part that is not among `names` is left out."""
    for route, _ in routes():
        plain = _REGEX.sub(lambda found: f"<{found[1]}>" if found[1] else "", route)
        if set(_PART.findall(plain)) <= set(names):
            yield _PART.sub(lambda found: names[found[1]], plain)
