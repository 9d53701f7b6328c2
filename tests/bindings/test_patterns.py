"""Patterns of triggers: by examples, and against a slow matcher that is plainly right."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindings import patterns

CASES = [
    ("main", "main", True),
    ("main", "Main", False),
    ("main", "main2", False),
    ("release/*", "release/1", True),
    ("release/*", "release/1/2", False),
    ("release/*", "release/", True),
    ("release/**", "release/1/2", True),
    ("**", "any/thing", True),
    ("*", "one", True),
    ("*", "one/two", False),
    ("v?", "v1", True),
    ("v?", "v", False),
    ("v?", "v12", False),
    ("v*.?", "v1.2", True),
    ("a.c", "abc", False),
    ("[ab]", "a", False),
    ("feature/**/x", "feature/a/b/x", True),
    ("***", "a/b", True),
    ("", "", True),
    ("", "a", False),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), CASES)
def test_a_pattern_covers_the_whole_name(pattern: str, name: str, expected: bool) -> None:
    assert patterns.matches(pattern, name) is expected


def slowly(pattern: str, name: str) -> bool:
    """The same by a regular expression: right, but slow for a pattern of many stars."""
    written = {"**": ".*", "*": "[^/]*", "?": "."}
    tokens = re.findall(r"\*\*|.", pattern, re.DOTALL)
    expression = "".join(written.get(token, re.escape(token)) for token in tokens)
    return re.fullmatch(expression, name, re.DOTALL) is not None


@given(st.text("ab/*?", max_size=8), st.text("ab/", max_size=8))
def test_it_agrees_with_the_slow_matcher(pattern: str, name: str) -> None:
    assert patterns.matches(pattern, name) is slowly(re.sub(r"\*\*\*+", "**", pattern), name)


@given(st.text(max_size=30))
def test_a_name_without_signs_covers_itself(name: str) -> None:
    literal = name.replace("*", "").replace("?", "")
    assert patterns.matches(literal, literal)


def test_a_pattern_made_to_be_slow_is_not() -> None:
    assert not patterns.matches("**a" * 60, "a" * 59 + "b" * 200)


@pytest.mark.parametrize(
    ("ref", "branches", "tags", "expected"),
    [
        ("refs/heads/main", (), (), True),
        ("refs/heads/other", (), (), False),
        ("refs/tags/main", (), (), False),
        ("refs/tags/v1", (), ("v*",), True),
        ("refs/heads/main", (), ("v*",), False),
        ("refs/tags/main", ("main",), (), False),
        ("refs/notes/main", ("**",), ("**",), False),
        ("refs/heads/release/1", ("main", "release/*"), (), True),
    ],
)
def test_a_ref_is_a_branch_or_a_tag(
    ref: str, branches: tuple[str, ...], tags: tuple[str, ...], expected: bool
) -> None:
    found = patterns.fires(ref, branches=branches, tags=tags, default_branch="main")
    assert found is expected


def test_nothing_is_the_default_branch_of_an_empty_repository() -> None:
    assert not patterns.fires("refs/heads/", branches=(), tags=())
