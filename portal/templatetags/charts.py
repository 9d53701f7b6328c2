"""Charts as SVG text, made on the server: no script, no inline style; colours come from the CSS.

They print, follow the dark theme, can be translated, and can be tested as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.templatetags import words

register = template.Library()

_TOP: Final = 30  # room for the dates above the lanes
_RIGHT: Final = 20


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the plot. `days` left, 0 or less = ended, None = no date or renews itself."""

    name: str
    days: int | None
    tone: str  # ok, warn, bad
    words: str  # what stands beside the mark
    note: str = ""  # small line under the name


@dataclass(frozen=True, slots=True)
class HealthDay:
    """One day of the strip. `level`: ok, slow, down, none (no check that day)."""

    on: date
    level: str
    words: str = ""


class _Frame(NamedTuple):
    """Where things are: all in units of the viewBox."""

    width: int
    label: int
    row: int
    days: int
    lanes: int

    def x(self, days: float) -> float:
        return round(self.label + (self.width - self.label - _RIGHT) * days / self.days, 1)

    @property
    def bottom(self) -> int:
        return _TOP + self.row * self.lanes


@register.simple_tag
def expiry_plot(
    lanes: Sequence[Lane], today: date | None = None, days: int = 90, compact: bool = False
) -> SafeString:
    """When each credential ends within the next `days` days, one lane each.

    Bands mark the last 7 and 30 days, a diamond has ended, a dashed line has no end or renews
    itself. `compact` is the small form for half a page.
    """
    frame = (
        _Frame(640, 150, 32, days, len(lanes))
        if compact
        else _Frame(1140, 230, 38, days, len(lanes))
    )
    first = today or timezone.now().date()
    label = ngettext(
        "When each credential ends, next %(n)d day",
        "When each credential ends, next %(n)d days",
        days,
    ) % {"n": days}
    return format_html(
        '<svg class="plot {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        "short" if compact else "long",
        frame.width,
        frame.bottom + 8,
        label,
        _bands(frame),
        _calendar(frame, first, 3 if compact else 6),
        _join(_lane(frame, number, lane) for number, lane in enumerate(lanes)),
    )


def _join(pieces: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def _text(x: float, y: float, words_: str, css: str, anchor: str = "start") -> SafeString:
    return format_html(
        '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>',
        css,
        x,
        round(y, 1),
        anchor,
        words_,
    )


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> SafeString:
    return format_html('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', css, x1, y1, x2, y2)


def _bands(frame: _Frame) -> SafeString:
    """The last 7 and the last 30 days before an end, as seen from today."""
    limits = ((0, 7, "band-7"), (7, 30, "band-30"))
    return format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
        (
            (
                css,
                frame.x(a),
                _TOP,
                round(frame.x(min(b, frame.days)) - frame.x(a), 1),
                frame.bottom - _TOP,
            )
            for a, b, css in limits
            if a < frame.days
        ),
    )


def _calendar(frame: _Frame, first: date, parts: int) -> SafeString:
    """Vertical lines with their dates; the first is today."""
    pieces = []
    for number in range(parts + 1):
        away = frame.days * number // parts
        x = frame.x(away)
        said = (
            _("Today")
            if not number
            else words.day(first + timedelta(days=away), year=frame.days > 200)
        )
        anchor = "start" if not number else "end" if number == parts else "middle"
        pieces.append(_line(x, _TOP - 6, x, frame.bottom, "rule-line" if number else "today"))
        pieces.append(_text(x, _TOP - 12, said, "faint-t", anchor))
    return _join(pieces)


def _lane(frame: _Frame, number: int, lane: Lane) -> SafeString:
    top = _TOP + frame.row * number
    middle = top + frame.row / 2
    bottom = top + frame.row
    room = frame.label - 12
    return _join(
        (
            _line(0, bottom, frame.width - _RIGHT, bottom, "rule-line"),
            _text(0, middle - 2 if lane.note else middle + 4, _cut(lane.name, room), "strong"),
            _text(0, middle + 12, _cut(lane.note, room + 20), "faint-t tiny")
            if lane.note
            else mark_safe(""),
            _mark(frame, lane, middle),
        )
    )


def _mark(frame: _Frame, lane: Lane, middle: float) -> SafeString:
    """The bar, diamond or dashed line of one lane, with its words."""
    start, edge = frame.x(0), frame.x(frame.days)
    if lane.days is None:
        return _line(start, middle, edge, middle, "dashed") + _text(
            edge - 4, middle - 6, lane.words, "faint-t", "end"
        )
    if lane.days <= 0:
        diamond = format_html('<path class="end bad" d="M{} {}l7 7-7 7-7-7z"/>', start, middle - 7)
        return diamond + _text(start + 14, middle + 4, lane.words, "strong")
    stop = frame.x(min(lane.days, frame.days))
    bar = format_html(
        '<rect class="bar {}" x="{}" y="{}" width="{}" height="10" rx="5"/>',
        lane.tone,
        start,
        middle - 5,
        round(stop - start, 1),
    )
    if lane.days > frame.days:
        return bar + _text(edge - 8, middle - 9, lane.words, "faint-t", "end")
    dot = format_html('<circle class="end {}" cx="{}" cy="{}" r="6.5"/>', lane.tone, stop, middle)
    if stop > frame.label + (edge - frame.label) * 0.7:
        return bar + dot + _text(stop - 13, middle - 9, lane.words, "strong", "end")
    return bar + dot + _text(stop + 13, middle + 4, lane.words, "strong")


def _cut(text: str, room: float) -> str:
    """Shorten a name to `room` units at 12 px: a wide sign takes about 12.5, any other 7."""
    used = 0.0
    for number, sign in enumerate(text):
        used += 12.5 if ord(sign) > 0x2E80 else 7
        if used > room:
            return text[: max(1, number - 1)] + "…"
    return text


@register.simple_tag
def life_bar(share: float, tone: str = "ok", extra: str = "") -> SafeString:
    """How much of a credential's life is left; `share` from 0 to 1."""
    left = round(100 * min(1.0, max(0.0, share)))
    return format_html(
        '<svg class="life {}" viewBox="0 0 100 4" preserveAspectRatio="none" role="img"'
        ' aria-label="{}"><rect class="track" width="100" height="4"/>'
        '<rect width="{}" height="4"/></svg>',
        f"{tone} {extra}".rstrip(),
        _("%(n)d percent of its life left") % {"n": left},
        max(left, 1),
    )


_PIECES: Final = {
    # (y, height) of each piece: a slow day is cut in three, a failing day is short,
    # a day without check only a line; the shape tells without the colour.
    "ok": ((0, 34),),
    "slow": ((0, 9), (12.5, 9), (25, 9)),
    "down": ((13, 21),),
    "none": ((31, 3),),
}


@register.simple_tag
def health_strip(days: Sequence[HealthDay], extra: str = "") -> SafeString:
    """One bar per day, oldest first; each says its day and what happened on hover."""
    counts = {level: sum(day.level == level for day in days) for level in _PIECES}
    label = _(
        "Health of %(n)d days: %(ok)d good, %(slow)d slow, %(down)d failing, %(none)d unchecked."
    )
    return format_html(
        '<svg class="{}" viewBox="0 0 {} 34" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">{}</svg>',
        f"strip {extra}".rstrip(),
        max(1, 20 * len(days) - 3),
        label % {"n": len(days), **counts},
        _join(_day(20 * number, day) for number, day in enumerate(days)),
    )


def _day(x: int, day: HealthDay) -> SafeString:
    pieces = format_html_join(
        "",
        '<rect x="{}" y="{}" width="17" height="{}" rx="2"/>',
        ((x, y, height) for y, height in _PIECES[day.level]),
    )
    said = f"{words.day(day.on)}: {day.words}" if day.words else words.day(day.on)
    return format_html('<g class="{}"><title>{}</title>{}</g>', day.level, said, pieces)
