"""Whatever is sent, an answer is one of those described, and never our fault (product.md M15)."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindings.api.urls import DESCRIBED
from portal.ground.rest import schema
from tests.gate.permissions import World

_HOLD = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(max_size=30)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
JSON = st.recursive(LEAF, lambda some: st.lists(some) | st.dictionaries(TEXT, some), max_leaves=8)
DESCRIBED_NOW = schema.describe(DESCRIBED)
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DESCRIBED_NOW["paths"].items()
    for method, operation in methods.items()
]


@pytest.fixture
def world(alice, bob, carol, mallory, settings) -> World:
    settings.MOORING_RATE_DEFAULT = settings.MOORING_RATE_PROVIDER = 1_000_000
    return World(alice, bob, carol, mallory)


def names(operation: dict[str, Any]) -> list[str]:
    """The fields a body of this operation has, if any."""
    content = operation.get("requestBody", {}).get("content", {})
    found = content.get("application/json", {}).get("schema", {})
    if "$ref" in found:
        found = DESCRIBED_NOW["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return list(found.get("properties", {}))


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda part: part if part != {} else ""
)
def test_every_answer_is_described(world: World, method: str, path: str, operation: dict):
    known = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
    fields = names(operation)
    caller = world.browsers["writer"]()

    @_HOLD
    @given(
        things=st.booleans(),
        odd=TEXT,
        query=st.dictionaries(st.sampled_from([*known, "odd"]), TEXT, max_size=3),
        body=st.dictionaries(st.sampled_from([*fields, "odd"]), JSON, max_size=4) | JSON,
        match=st.sampled_from(["*", '"x"', ""]),
    )
    def ask(things: bool, odd: str, query: dict, body: Any, match: str) -> None:
        def fill(found: re.Match[str]) -> str:
            return world.names[found[1]] if things else quote(odd or "x", safe="")

        filled = re.sub(r"{(\w+)}", fill, path)
        answer = caller.generic(
            method,
            f"{filled}?{urlencode(query)}",
            json.dumps(body),
            content_type="application/json",
            headers={"If-Match": match} if match else {},
        )
        told = {*operation["responses"], "404"}  # an odd name may make another path
        assert str(answer.status_code) in told, answer.content

    ask()
