"""A validator of requests against GitHub's published OpenAPI document.

It reads method, path, query and body of a request and says what the document does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

_METHODS = ("get", "post", "put", "patch", "delete")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
BY_NUMBER = re.compile(r"^/repositories/\d+")
"""GitHub redirects renamed repositories to such an address. Its answers are those of the same
address by name, and only those are described."""


@dataclass(frozen=True)
class Operation:
    """One thing the document describes."""

    name: str
    pattern: re.Pattern[str]
    parameters: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any] | None


class Document:
    """GitHub's description of its REST API."""

    def __init__(self, file: Path) -> None:
        self.whole: dict[str, Any] = json.loads(file.read_bytes())

    def complaints(self, method: str, target: str, body: bytes | None) -> list[str]:
        """What is wrong with a request to `target`, which begins below the API's address."""
        parts = urlsplit(target)
        path = BY_NUMBER.sub("/repos/somebody/something", parts.path)
        found = [
            (operation, values)
            for operation in self.operations[method.lower()]
            if (values := operation.pattern.fullmatch(path))
        ]
        if not found:
            return [f"{method} {path} is not described"]
        # The more words a path has, the better it fits: /repos/{owner}/{repo} and /repos/x/y.
        operation, values = min(found, key=lambda one: one[0].name.count("{"))
        return [
            f"{operation.name}: {complaint}"
            for complaint in (
                *self._path(operation, values.groupdict()),
                *self._query(operation, parse_qsl(parts.query, keep_blank_values=True)),
                *self._body(operation, body),
            )
        ]

    @cached_property
    def operations(self) -> dict[str, list[Operation]]:
        made: dict[str, list[Operation]] = {method: [] for method in _METHODS}
        for path, item in self.whole["paths"].items():
            for method in _METHODS:
                if method in item:
                    made[method].append(self._operation(method, path, item))
        return made

    def _operation(self, method: str, path: str, item: Mapping[str, Any]) -> Operation:
        told = item[method]
        given = (*item.get("parameters", ()), *told.get("parameters", ()))
        spelled = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path).replace("\\-", "-"))
        # A ref and a path may hold slashes; they are sent as they are.
        spelled = re.sub(r"\(\?P<(ref|path|basehead)>\[\^/\]\+\)", r"(?P<\1>.+)", spelled)
        body = self.meant(told.get("requestBody", {})).get("content", {})
        schema = body.get("application/json", {}).get("schema")
        return Operation(
            f"{method.upper()} {path}",
            re.compile(spelled),
            tuple(self.meant(one) for one in given),
            schema,
        )

    def meant(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a reference refers to."""
        while "$ref" in node:
            found: Any = self.whole
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def _path(self, operation: Operation, values: Mapping[str, str]) -> list[str]:
        known = {one["name"]: one for one in operation.parameters if one["in"] == "path"}
        return [
            f"{name}: {why}"
            for name, value in values.items()
            if name in known
            for why in self._text(unquote(value), known[name]["schema"])
        ]

    def _query(self, operation: Operation, sent: list[tuple[str, str]]) -> list[str]:
        known = {one["name"]: one for one in operation.parameters if one["in"] == "query"}
        found = [f"there is no parameter {name}" for name, _ in sent if name not in known]
        for name, value in sent:
            if name in known:
                found += [f"{name}: {why}" for why in self._text(value, known[name]["schema"])]
        there = {name for name, _ in sent}
        missing = [n for n, one in known.items() if one.get("required") and n not in there]
        return found + [f"{name} is missing" for name in missing]

    def _text(self, value: str, schema: Mapping[str, Any]) -> list[str]:
        """A value as an address spells it."""
        schema = self.meant(schema)
        if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
            return self.judge(int(value), schema)
        if schema.get("type") == "boolean" and value in ("true", "false"):
            return self.judge(value == "true", schema)
        return self.judge(value, schema)

    def _body(self, operation: Operation, body: bytes | None) -> list[str]:
        if operation.body is None:
            return [f"no body is described, {body!r} was sent"] if body not in (None, b"") else []
        if body in (None, b""):
            return []
        return self.judge(json.loads(body or b"null"), operation.body, "body")

    def judge(self, value: Any, schema: Mapping[str, Any], at: str = "") -> list[str]:
        """What of a value its schema does not allow."""
        schema = self.meant(schema)
        for choice in ("oneOf", "anyOf"):
            if choice in schema:
                tries = [self.judge(value, one, at) for one in schema[choice]]
                return [] if [] in tries else min(tries, key=len)
        found = [why for one in schema.get("allOf", ()) for why in self.judge(value, one, at)]
        if value is None and schema.get("nullable"):
            return found
        if not self._of_type(value, schema.get("type")):
            return [*found, f"{at} is no {schema['type']}: {value!r}"]
        if "enum" in schema and value not in schema["enum"]:
            return [*found, f"{at} is none of {schema['enum']}: {value!r}"]
        return found + self._inside(value, schema, at)

    def _inside(self, value: Any, schema: Mapping[str, Any], at: str) -> list[str]:
        if isinstance(value, list) and "items" in schema:
            return [why for one in value for why in self.judge(one, schema["items"], f"{at}[]")]
        if not isinstance(value, dict) or "properties" not in schema:
            return []
        known = schema["properties"]
        found = [
            f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value
        ]
        for name, one in value.items():
            if name in known:
                found += self.judge(one, known[name], f"{at}.{name}")
            elif not schema.get("additionalProperties"):
                found.append(f"{at} has no {name}")
        return found

    def _of_type(self, value: Any, type: Any) -> bool:
        if type is None:
            return True
        wanted = [type] if isinstance(type, str) else type
        if isinstance(value, bool):
            return "boolean" in wanted
        return any(isinstance(value, _TYPES[one]) for one in wanted)
