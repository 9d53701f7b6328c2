"""Bodies of requests: strict fields, no field ignored, every mistake named by its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from portal.ground.refusals import Refusal
from portal.ground.rest.problems import brief

_MISSING = frozenset({"required", "blank", "empty"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONE = re.compile("[\ud800-\udfff]")


class Body(serializers.Serializer[Any]):
    """The body of one operation."""

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of `given`. Raises Refusal X-FORM-04 for unknown fields, X-FORM-01 for missing
        or empty ones, X-FORM-03 for wrong ones; all of them at once."""
        body = cls(data=given)
        mistakes = [
            Refusal("X-FORM-04", field=_escaped(brief(name)), name=brief(name))
            for name in given
            if name not in body.fields
        ]
        if not body.is_valid():
            for name, errors in body.errors.items():
                mistakes += _mistakes(errors, (name,), required=body.fields[name].required)
        if mistakes:
            first = mistakes[0]
            raise Refusal(first.code, errors=mistakes, **first.facts)
        return dict(body.validated_data)


class Nothing(Body):
    """The body of an operation that takes none; an empty object is fine."""


class Text(serializers.CharField):
    """A JSON string. White space around it is dropped."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators.append(ProhibitNullCharactersValidator())

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or _LONE.search(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """`true` or `false`, nothing that looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=type(data).__name__)
        return data


class Number(serializers.IntegerField):
    """A whole JSON number; `true` and `"15"` are none."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Day(serializers.DateField):
    """A date as `2026-11-27`; Python alone would also take `20261127` and week dates."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class Choice(serializers.ChoiceField):
    """One of some words."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        if data not in self.choices:
            self.fail("invalid_choice", input=brief(data))
        return data


class Texts(serializers.ListField):
    """A JSON list of strings, at most `max_length` of them."""

    def __init__(self, *, most_letters: int = 200, **options: Any) -> None:
        super().__init__(child=Text(max_length=most_letters), **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return super().to_internal_value(data)


class Labels(serializers.DictField):
    """Up to 20 labels; key 1 to 40 letters, value up to 100 (product.md G40)."""

    MOST: ClassVar[int] = 20
    LONGEST_KEY: ClassVar[int] = 40

    def __init__(self, **options: Any) -> None:
        child = Text(max_length=100, allow_blank=True, trim_whitespace=False)
        super().__init__(child=child, **options)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if len(data) > self.MOST:
            raise serializers.ValidationError(f"≤ {self.MOST}", code="max_length")
        for key in data:
            if not 1 <= len(key) <= self.LONGEST_KEY or "\x00" in key or _LONE.search(key):
                wrong = {brief(key): [ErrorDetail(f"1–{self.LONGEST_KEY}", code="invalid")]}
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


def _mistakes(errors: Any, place: tuple[str, ...], *, required: bool = False) -> Iterator[Refusal]:
    """DRF's nested errors as refusals, each with its JSON pointer. `required`: null means that the
    field is missing."""
    if isinstance(errors, ErrorDetail):
        pointer = "/".join(map(_escaped, place))
        missing = errors.code in _MISSING or (required and errors.code == "null")
        yield _missing(pointer) if missing else _wrong(pointer, str(errors))
        return
    pairs = errors.items() if isinstance(errors, Mapping) else ((None, one) for one in errors)
    for name, one in pairs:
        below = place if name is None else (*place, str(name))
        yield from _mistakes(one, below, required=required and name is None)


def _missing(pointer: str) -> Refusal:
    return Refusal("X-FORM-01", field=pointer)


def _wrong(pointer: str, why: str) -> Refusal:
    return Refusal("X-FORM-03", field=pointer, why=why.rstrip(".。"))


def _escaped(part: str) -> str:
    """As RFC 6901 writes a name into a pointer."""
    return part.replace("~", "~0").replace("/", "~1")
