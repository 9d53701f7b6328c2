"""The trace id of a request: one value in the header, in problems and in the log."""

from __future__ import annotations

from typing import Any

from portal.ground import ids


def trace_id(request: Any) -> str:
    """The id the middleware gave this request, or one made now and kept on it."""
    inner = getattr(request, "_request", request)
    found: str | None = getattr(inner, "trace_id", None)
    if found is None:
        found = inner.trace_id = ids.public("req", ids.uuid7())
    return found
