"""Query parameters: declared one by one, read strictly, described in the schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.http import QueryDict

from portal.ground.refusals import Refusal
from portal.ground.rest.problems import Objection, brief

_DAYS = re.compile(r"P([1-9][0-9]{0,2})D")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class BadValue(ValueError):
    """A value that its parameter cannot have."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`read` turns the text into a value or raises BadValue. A parameter of `many` values may be
    repeated, which means "or"; its value is a tuple."""

    name: str
    about: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    many: bool = False
    default: Any = None
    required: bool = False


def text(
    name: str, about: str, *, most: int = 100, many: bool = True, required: bool = False
) -> Parameter:
    """1 to `most` printable characters."""

    def read(value: str) -> str:
        if not 1 <= len(value) <= most or _NOT_TEXT.search(value):
            raise BadValue
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": most}
    return Parameter(name, about, read, schema, many, required=required)


def choice(
    name: str, about: str, values: Iterable[str], *, default: str | None = None
) -> Parameter:
    """One of `values`; without a default it may be repeated."""
    known = tuple(values)

    def read(value: str) -> str:
        if value not in known:
            raise BadValue
        return value

    schema: dict[str, Any] = {"type": "string", "enum": list(known)}
    if default is not None:
        schema["default"] = default
    return Parameter(name, about, read, schema, many=default is None, default=default)


def flag(name: str, about: str, *, default: bool | None = False) -> Parameter:
    """`true` or `false`."""

    def read(value: str) -> bool:
        if value not in {"true", "false"}:
            raise BadValue
        return value == "true"

    schema: dict[str, Any] = {"type": "boolean"}
    if default is not None:
        schema["default"] = default
    return Parameter(name, about, read, schema, default=default)


def number(name: str, about: str, *, least: int, most: int, default: int) -> Parameter:
    """A whole number in plain digits."""

    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(most))):
            raise BadValue
        if not least <= int(value) <= most:
            raise BadValue
        return int(value)

    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return Parameter(name, about, read, schema, default=default)


def days(name: str, about: str, *, default: str) -> Parameter:
    """A duration of `P1D` to `P365D`, as a timedelta."""

    def read(value: str) -> timedelta:
        found = _DAYS.fullmatch(value)
        if found is None or not 1 <= int(found[1]) <= 365:
            raise BadValue
        return timedelta(days=int(found[1]))

    schema = {"type": "string", "pattern": f"^{_DAYS.pattern}$", "default": default}
    return Parameter(name, about, read, schema, default=read(default))


def moment(name: str, about: str) -> Parameter:
    """An RFC 3339 time with its zone, or a date, which is its midnight in UTC."""

    def read(value: str) -> datetime:
        try:
            if _DATE.fullmatch(value):
                return datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
            if _MOMENT.fullmatch(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise BadValue from None
        raise BadValue

    return Parameter(name, about, read, {"type": "string", "format": "date-time"})


def read(declared: Collection[Parameter], query: QueryDict) -> dict[str, Any]:
    """The value of every declared parameter. Raises Refusal X-PARAM-01, X-PARAM-02, X-FORM-01."""
    names = {parameter.name for parameter in declared}
    unknown = [name for name in query if name not in names]
    if unknown:
        raise _all(Objection("X-PARAM-01", parameter=brief(n), name=brief(n)) for n in unknown)
    values: dict[str, Any] = {}
    bad: list[Refusal] = []
    for parameter in declared:
        try:
            values[parameter.name] = _value(parameter, query.getlist(parameter.name))
        except BadValue as error:
            name, value = parameter.name, brief(str(error))
            bad.append(Objection("X-PARAM-02", parameter=name, name=name, value=value))
    if bad:
        raise _all(bad)
    return values


def _value(parameter: Parameter, given: list[str]) -> Any:
    if not given and parameter.required:
        raise BadValue("")
    if not given:
        return () if parameter.many else parameter.default
    if len(given) > 1 and not parameter.many:
        raise BadValue(", ".join(given))
    read = [_read(parameter, value) for value in given]
    return tuple(read) if parameter.many else read[0]


def _read(parameter: Parameter, value: str) -> Any:
    try:
        return parameter.read(value)
    except BadValue:
        raise BadValue(value) from None


def _all(refusals: Iterable[Refusal]) -> Refusal:
    every = tuple(refusals)
    first = every[0]
    return Refusal(first.code, errors=every, **first.facts)
