"""Which branches and tags a trigger means: `*` any characters but `/`, `**` any characters, `?`
one, everything else literal; the whole name, case-sensitive (api.md 3.7).

Matching takes pattern times name steps at most. A regular expression with a dozen stars would take
years on a name made for it, and both come from outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

MOST = 20  # of branches, and of tags
LONGEST = 200

_BRANCH, _TAG = "refs/heads/", "refs/tags/"
_TOKEN = re.compile(r"\*\*+|.", re.DOTALL)
_ANY, _STEP, _ONE = "**", "*", "?"


def fires(
    ref: str, *, branches: Sequence[str], tags: Sequence[str], default_branch: str = ""
) -> bool:
    """Does a trigger with these patterns mean this full ref? Without any: the default branch."""
    if not branches and not tags:
        return bool(default_branch) and ref == _BRANCH + default_branch
    if ref.startswith(_BRANCH):
        return _any(branches, ref.removeprefix(_BRANCH))
    return ref.startswith(_TAG) and _any(tags, ref.removeprefix(_TAG))


def matches(pattern: str, name: str) -> bool:
    """Does the pattern cover the whole name?"""
    tokens = _tokens(pattern)
    at = _beyond_stars(tokens, {0})
    for letter in name:
        moved = {place if stays else place + 1 for place, stays in _steps(tokens, at, letter)}
        at = _beyond_stars(tokens, moved)
        if not at:
            return False
    return len(tokens) in at


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


@lru_cache(maxsize=1024)
def _tokens(pattern: str) -> tuple[str, ...]:
    found = (token[:2] for token in _TOKEN.findall(pattern))
    return tuple(found)


def _steps(tokens: Sequence[str], at: Iterable[int], letter: str) -> Iterable[tuple[int, bool]]:
    """(place, does it stay there) for every place the letter leads on from."""
    for place in at:
        token = tokens[place] if place < len(tokens) else ""
        if token == _ANY or (token == _STEP and letter != "/"):
            yield place, True
        elif token == _ONE or (token == letter and token != _STEP):
            yield place, False


def _beyond_stars(tokens: Sequence[str], at: set[int]) -> set[int]:
    """These places, and those behind stars that match nothing."""
    found = set(at)
    for place in at:
        while place < len(tokens) and tokens[place] in (_ANY, _STEP):
            place += 1
            found.add(place)
    return found
