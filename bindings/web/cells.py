"""Cells of the files people open in a spreadsheet."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(value: str) -> str:
    """A cell that no spreadsheet takes for a formula (security.md 13)."""
    return f"'{value}" if value.startswith(_FORMULA) else value
