"""One attempt: sign, post through the door, and say what came of it. Runs in threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bindings.services.custody.door import door
from bindings.services.tell import signing
from bindings.services.tell.waiting import Answered, Leased
from providers.errors import ProviderError
from providers.types import Rules

WITHIN = 15.0
"""Seconds from the name to the last byte."""
_CAP = 64 * 1024
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a thread has to know of one attempt."""

    row: Leased
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    rules: Rules
    clock: Callable[[], datetime]


def send(parcel: Parcel) -> Answered:
    """Post one event. Never raises what an endpoint did: that is an answer too."""
    at, begun = parcel.clock(), time.monotonic()
    body = parcel.row.body.encode()
    signed = signing.headers(
        parcel.secrets, event=parcel.row.event, at=int(at.timestamp()), body=body
    )
    try:
        answer = door().ask(
            "POST",
            parcel.url,
            rules=parcel.rules,
            headers={"Content-Type": "application/json", **signed},
            body=body,
            seconds=WITHIN,
            cap=_CAP,
        )
        status, headers, text, error = answer.status, answer.headers, answer.body, ""
    except ProviderError as failure:
        # An answer that is too long to be read has a status all the same.
        status = int(failure.facts.get("status", "0"))
        headers, text, error = _NOTHING, b"", failure.reason
    ms = int((time.monotonic() - begun) * 1000)
    return Answered(at, ms, status, error, text, headers.get("retry-after", ""))
