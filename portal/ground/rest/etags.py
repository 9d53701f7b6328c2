"""ETags: strong on one resource, weak on lists, and what If-Match and If-None-Match mean.

A strong tag has two halves, `"<what people decide>-<every byte>"`. If-None-Match compares the
whole tag. If-Match compares the first half: otherwise the next sweep, or a build that used the
binding meanwhile, would refuse an admin whose view of the settings is still true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from django.utils.http import parse_etags

from portal.ground.rest import rendering
from portal.ground.rest.problems import Objection


def strong(resource: Mapping[str, Any], body: bytes, passing: Collection[str] = ()) -> str:
    """The tag of a resource rendered as `body`. `passing` names the members that change by
    themselves: times of checks and uses, sentences, weather."""
    lasting = {name: value for name, value in resource.items() if name not in passing}
    return f'"{_digest(rendering.dumps(lasting))}-{_digest(body)}"'


def weak(body: bytes) -> str:
    """The tag of a list."""
    return f'W/"{_digest(body)}"'


def is_known(header: str, tag: str) -> bool:
    """Does If-None-Match name the current tag?"""
    known = parse_etags(header)
    return "*" in known or _opaque(tag) in map(_opaque, known)


def demand(header: str | None, tag: str) -> None:
    """Judge If-Match. Raises Objection X-MATCH-01 (428) without it, X-MATCH-02 (412) when it names
    another state."""
    if not header:
        raise Objection("X-MATCH-01", header="If-Match")
    named = parse_etags(header)
    if "*" in named or _lasting(tag) in map(_lasting, named):
        return
    raise Objection("X-MATCH-02", header="If-Match", headers={"ETag": tag})


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=9).hexdigest()


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")


def _lasting(tag: str) -> str:
    return tag.partition("-")[0]
