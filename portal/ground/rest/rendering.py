"""JSON out: orjson, with times in UTC, whole seconds and `Z`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


def dumps(value: Any) -> bytes:
    """`value` as JSON. Sentences that wait for a language get the active one."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


class Ready:
    """A body that has been rendered already: it was needed for the ETag."""

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body

    @classmethod
    def of(cls, value: Any) -> Ready:
        return cls(dumps(value))


class Json(BaseRenderer):
    """The one renderer of the API."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        return data.body if isinstance(data, Ready) else dumps(data)
