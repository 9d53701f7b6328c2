"""What one entry of the message catalogue is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise

Text = str | Promise
"""A sentence in English that turns into the active language when it is read."""


class Level(StrEnum):
    """`level` of `GET /problems`. Only errors make a request fail."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tables in `ux/spec.md` 7. `suffix`: the code without the platform's prefix.
    `field`: the form field it is about, "" for none."""

    suffix: str
    level: Level
    text: Text
    field: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One code. `status`: the HTTP status it always has, None where it never fails a request.
    `prefix`: of the platform, "X" for the portal's own. `area`: the middle part of the code."""

    code: str
    level: Level
    status: int | None
    field: str
    title: Text
    text: Text

    @property
    def prefix(self) -> str:
        return self.code.partition("-")[0]

    @property
    def area(self) -> str:
        return self.code.split("-")[1]

    @property
    def suffix(self) -> str:
        return self.code.partition("-")[2]


def error(suffix: str, text: Text, field: str = "") -> Row:
    return Row(suffix, Level.ERROR, text, field)


def warning(suffix: str, text: Text, field: str = "") -> Row:
    return Row(suffix, Level.WARN, text, field)


def info(suffix: str, text: Text, field: str = "") -> Row:
    return Row(suffix, Level.INFO, text, field)
