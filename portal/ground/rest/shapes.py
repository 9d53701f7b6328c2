"""Shapes of answers: typed dictionaries, checked by mypy and published as OpenAPI schemas.

A shape is a TypedDict. Its members are plain types; `Id["bnd"]` and the like say more. The same
class types the function that fills it and describes it in the schema, so the two cannot part.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Schema = dict[str, Any]
Name = Callable[[type], Schema]
"""Registers a shape as a component and returns the reference to it."""


@dataclass(frozen=True, slots=True)
class Says:
    """More about a member: keywords of JSON Schema."""

    keywords: tuple[tuple[str, Any], ...]


def says(**keywords: Any) -> Says:
    """`Annotated[str, says(format="uri")]`."""
    return Says(tuple(keywords.items()))


_CROCKFORD = "[0-9a-hjkmnp-tv-z]{26}"

Uri = Annotated[str, says(format="uri")]


def identity(prefix: str) -> Says:
    """`Annotated[str, identity("bnd")]`: the public id of a binding."""
    return says(pattern=f"^{prefix}_{_CROCKFORD}$")


def open_words(*words: str) -> Says:
    """`Annotated[str, open_words(…)]`: an enumeration that may grow."""
    return says(examples=words)


class ProblemStep(TypedDict):
    """One step of a connection test."""

    key: Literal["server", "tls", "token", "permissions", "repositories", "webhook"]
    status: Literal["ok", "warn", "failed", "not_run", "skipped"]
    ms: int | None
    code: str | None
    detail: str | None


class ProblemError(TypedDict):
    """What one field, parameter or header has to do with the problem."""

    pointer: NotRequired[str]
    parameter: NotRequired[str]
    header: NotRequired[str]
    code: str
    detail: str


class Problem(TypedDict):
    """RFC 9457. More members may follow, named with the code they belong to."""

    type: Uri
    title: str
    status: int
    code: str
    detail: str
    instance: str
    trace_id: Annotated[str, identity("req")]
    errors: NotRequired[list[ProblemError]]
    steps: NotRequired[list[ProblemStep]]
    fix_url: NotRequired[Uri]
    retry_after: NotRequired[int]


_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    Any: {},
    types.NoneType: {"type": "null"},
}


def schema_of(hint: Any, name: Name) -> Schema:
    """The JSON Schema of a type. Raises TypeError for what has no meaning in JSON."""
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if is_typeddict(hint):
        return name(hint)
    reader = _READERS.get(get_origin(hint))
    if reader is None:
        raise TypeError(f"{hint!r} cannot be described")
    return reader(hint, name)


def members_of(shape: type, name: Name) -> Schema:
    """The schema of a TypedDict itself: all members, and which are always there."""
    hints = get_type_hints(shape, include_extras=True)
    properties = {member: schema_of(hint, name) for member, hint in hints.items()}
    # Python's own __required_keys__ does not see through annotations that are strings.
    usual = Required if getattr(shape, "__total__", True) else NotRequired
    always = [m for m, hint in hints.items() if _presence(hint, usual) is Required]
    found: Schema = {"type": "object", "properties": properties}
    if always:
        found["required"] = always
    if shape.__doc__:
        found["description"] = " ".join(shape.__doc__.split())
    return found


def _presence(hint: Any, usual: Any) -> Any:
    said = get_origin(hint)
    return said if said in (Required, NotRequired) else usual


def _of_union(hint: Any, name: Name) -> Schema:
    arms = [schema_of(arm, name) for arm in get_args(hint)]
    plain = [arm for arm in arms if set(arm) - {"$ref"} and "type" in arm and "enum" not in arm]
    if len(arms) == 2 and arms[1] == {"type": "null"} and arms[0] in plain:
        return arms[0] | {"type": [arms[0]["type"], "null"]}
    return {"anyOf": arms}


def _of_annotated(hint: Any, name: Name) -> Schema:
    inner, *more = get_args(hint)
    found = schema_of(inner, name)
    for one in more:
        if isinstance(one, Says):
            found |= {k: list(v) if isinstance(v, tuple) else v for k, v in one.keywords}
    return found


def _of_literal(hint: Any, _name: Name) -> Schema:
    words = get_args(hint)
    return {"type": "boolean" if isinstance(words[0], bool) else "string", "enum": list(words)}


def _of_list(hint: Any, name: Name) -> Schema:
    return {"type": "array", "items": schema_of(get_args(hint)[0], name)}


def _of_mapping(hint: Any, name: Name) -> Schema:
    return {"type": "object", "additionalProperties": schema_of(get_args(hint)[1], name)}


def _of_inner(hint: Any, name: Name) -> Schema:
    return schema_of(get_args(hint)[0], name)


_READERS: Mapping[Any, Callable[[Any, Name], Schema]] = {
    Union: _of_union,
    types.UnionType: _of_union,
    Annotated: _of_annotated,
    Literal: _of_literal,
    list: _of_list,
    dict: _of_mapping,
    NotRequired: _of_inner,
    Required: _of_inner,
}
