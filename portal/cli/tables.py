"""What people see: tables, steps, colours of states. Nothing a host says can steer the terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TONES: Mapping[str, str] = {
    "undecryptable": "red",
    "revoked": "red",
    "expired": "red",
    "unreachable": "red",
    "insufficient": "amber",
    "expiring": "amber",
    "degraded": "amber",
    "rate_limited": "amber",
}
"""State → tone; the others need nothing. `insufficient` is red when not even listing works."""

EXIT: Mapping[str, int] = {"red": 3, "amber": 2, "": 0}
"""Tone → exit status."""

_MARKS = {"ok": "+", "warn": "!", "failed": "x", "not_run": "-", "skipped": "-"}


def show(as_json: bool, document: Any, lines: Iterable[str]) -> None:
    """One document, or the lines for people."""
    if as_json:
        print(json.dumps(document, indent=2))
        return
    for line in lines:
        print(line)


def note(text: str) -> None:
    """A sentence beside the answer, on standard error."""
    print(f"mooring: {clean(text)}", file=sys.stderr)


def clean(value: object) -> str:
    """As one line of text: what is not printable (control and direction marks) becomes "?"."""
    text = "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines in columns, the last one ragged; one sentence when there are no rows."""
    cells = [[clean(value) for value in row] for row in rows]
    if not cells:
        return ["Nothing."]
    grid = [list(headings), *cells]
    widths = [max(_width(row[n]) for row in grid) for n in range(len(headings))]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in grid]


def facts(pairs: Iterable[tuple[str, object]]) -> list[str]:
    """One line each: name and value, those with a value."""
    known = [(name, clean(value)) for name, value in pairs if value not in (None, "", [], {})]
    width = max((len(name) for name, _value in known), default=0)
    return [f"{name.ljust(width)}  {value}" for name, value in known]


def ladder(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """The six steps of a connection test, with what went wrong."""
    lines = []
    for step in steps:
        took = "" if step["ms"] is None else f"{step['ms']} ms"
        said = " ".join(filter(None, [clean(step["detail"]), clean(step["code"])]))
        mark = _MARKS.get(step["status"], "?")
        lines.append(f"{mark} {step['key']:<13}{took:>8}  {said}".rstrip())
    return lines


def tone(state: str, capabilities: Mapping[str, Any] | None = None) -> str:
    """red, amber, or "" when nothing needs doing."""
    listing = (capabilities or {}).get("list") or {"ok": True}
    return "red" if state == "insufficient" and not listing["ok"] else TONES.get(state, "")


def worst(tones: Iterable[str]) -> str:
    """The tone that decides: red, then amber."""
    return max(tones, key=EXIT.__getitem__, default="")


def day(moment: str | None) -> str:
    """The date of a time of the API."""
    return (moment or "")[:10]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
