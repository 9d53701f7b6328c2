"""Attempts: sign, post through the door, and say what came of it. Runs in threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from bindings.services.custody.door import door
from bindings.services.tell import signing
from bindings.services.tell.waiting import MARGIN, Answered, Leased
from providers.errors import ProviderError
from providers.types import Rules

WITHIN = 15.0
"""Seconds from the name to the last byte."""
_CAP = 64 * 1024
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a thread has to know of a few attempts at one endpoint. `enough`: send no more."""

    rows: tuple[Leased, ...]
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    rules: Rules
    clock: Callable[[], datetime]
    enough: Event


def send(parcel: Parcel) -> list[Answered]:
    """Post one event after the other, and say what came of each; those that are missing in the
    answer were not begun. Ends with the first that fails: so a builder that hangs costs one
    attempt at a time. Never raises what an endpoint did: that is an answer too."""
    answers: list[Answered] = []
    for row in parcel.rows:
        if parcel.enough.is_set() or row.lease - parcel.clock() < MARGIN:
            break
        answers.append(_post(parcel, row))
        if not answers[-1].taken:
            break
    return answers


def _post(parcel: Parcel, row: Leased) -> Answered:
    at, begun = parcel.clock(), time.monotonic()
    body = row.body.encode()
    signed = signing.headers(parcel.secrets, event=row.event, at=int(at.timestamp()), body=body)
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
