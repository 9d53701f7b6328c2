"""The fixed words of the pages: states, buttons, ends, steps, roles, and how a moment is said.

Pure: no template, no clock, no database. The tables are those of `ux/spec.md` 3.1, 3.3 and 5.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

from django.utils import dateformat
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Pill:
    """What a page shows for a state: a word, a tone ("", ok, warn, bad, info) and an icon."""

    label: Words
    tone: str
    icon: str


STATES: Final[Mapping[str, Pill]] = {
    "not_offered": Pill(gettext_lazy("Not offered"), "", "off"),
    "unbound": Pill(gettext_lazy("Not bound"), "", "off"),
    "suspended": Pill(gettext_lazy("Paused"), "", "lock"),
    "undecryptable": Pill(gettext_lazy("Cannot be opened"), "bad", "lock"),
    "pending": Pill(gettext_lazy("Waiting for confirmation"), "info", "info"),
    "revoked": Pill(pgettext_lazy("state", "Reconnect"), "bad", "bad"),
    "expired": Pill(gettext_lazy("Ended"), "bad", "bad"),
    "unreachable": Pill(gettext_lazy("Server unreachable"), "bad", "bad"),
    "insufficient": Pill(gettext_lazy("A permission is missing"), "warn", "warn"),
    "expiring": Pill(gettext_lazy("Ends today"), "warn", "clock"),
    "degraded": Pill(gettext_lazy("Unstable"), "warn", "warn"),
    "rate_limited": Pill(gettext_lazy("Waiting for the platform"), "warn", "clock"),
    "healthy": Pill(gettext_lazy("Healthy"), "ok", "ok"),
    # Not a state: what the cell says while a check runs.
    "checking": Pill(gettext_lazy("Checking…"), "info", "loop"),
}

ACTIONS: Final[Mapping[str, Words]] = {
    "bind": gettext_lazy("Bind account"),
    "open": pgettext_lazy("button", "Open"),
    "replace": gettext_lazy("Replace token"),
    "reconnect": pgettext_lazy("button", "Reconnect"),
    "fix": gettext_lazy("Fix"),
    "check": gettext_lazy("Check now"),
    "continue": gettext_lazy("Continue"),
    "why": gettext_lazy("Why?"),
    "ask": gettext_lazy("Ask for it"),
}

STEPS: Final[Mapping[str, Words]] = {
    "server": gettext_lazy("Server found"),
    "tls": gettext_lazy("Secure connection"),
    "token": gettext_lazy("Token accepted"),
    "permissions": gettext_lazy("Permissions"),
    "repositories": gettext_lazy("Repositories visible"),
    "webhook": gettext_lazy("Webhooks can reach us"),
}

OUTCOMES: Final[Mapping[str, Pill]] = {
    "ok": Pill(gettext_lazy("passed"), "ok", "check"),
    "warn": Pill(gettext_lazy("warning"), "warn", "warn"),
    "failed": Pill(gettext_lazy("failed"), "bad", "x"),
    "running": Pill(gettext_lazy("running"), "info", "loop"),
    "not_run": Pill(gettext_lazy("not run"), "wait", "more"),
    "skipped": Pill(gettext_lazy("skipped"), "wait", "more"),
}

CREDENTIALS: Final[Mapping[str, Words]] = {
    "pending": gettext_lazy("Waiting for confirmation"),
    "active": gettext_lazy("Accepted"),
    "expiring": gettext_lazy("Accepted, ends soon"),
    "expired": gettext_lazy("Ended"),
    "revoked": gettext_lazy("Refused"),
    "insufficient": gettext_lazy("A permission is missing"),
    "suspended": gettext_lazy("Paused"),
    "undecryptable": gettext_lazy("Cannot be opened"),
}
"""The first axis of a binding: its credential."""

REACHES: Final[Mapping[str, Words]] = {
    "ok": gettext_lazy("Reachable"),
    "degraded": gettext_lazy("Unstable"),
    "unreachable": gettext_lazy("Server unreachable"),
    "rate_limited": gettext_lazy("Waiting for the platform"),
}
"""The second axis: its server."""

ROLES: Final[Mapping[str, Words]] = {
    "owner": gettext_lazy("Owner"),
    "admin": gettext_lazy("Admin"),
    "developer": gettext_lazy("Developer"),
    "viewer": gettext_lazy("Viewer"),
    "operator": gettext_lazy("Operator"),
}


def pill(state: str, *, days: int | None = None, severe: bool = False) -> Pill:
    """The pill of a state; `days` (whole days left) words `expiring`, `severe` turns
    `insufficient` red because even listing fails. Raises KeyError for an unknown state."""
    known = STATES[state]
    if state == "expiring" and days is not None and days > 0:
        ends = ngettext("Ends in %(n)d day", "Ends in %(n)d days", days) % {"n": days}
        return Pill(ends, known.tone, known.icon)
    if state == "insufficient" and severe:
        return Pill(known.label, "bad", known.icon)
    return known


class Quality(StrEnum):
    """How much an end date is worth, with the one value the platform does not report."""

    EXACT = "exact"
    STATED = "stated"
    RENEWS = "renews"
    IDLE = "idle"
    UNKNOWN = "unknown"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class End:
    """An end in words: `main` stands out, `sub` is the small line, `days` is None without date."""

    main: str
    sub: str = ""
    days: int | None = None

    def __str__(self) -> str:
        return f"{self.main} · {self.sub}" if self.sub else self.main


def end(
    quality: str,
    *,
    at: datetime | None,
    now: datetime,
    entered_by: str = "",
    every: str = "",
    at_midnight: bool = False,
) -> End:
    """Say when a credential ends, in the words of `ux/spec.md` 3.3.

    `quality` is one of Quality; `at` counts for exact and stated only. `entered_by` is the person
    who stated the date, `every` the period of a renewal in words, `at_midnight` adds the hour for
    platforms whose dates mean 00:00 UTC. Raises ValueError for an unknown quality, and for exact
    and stated without a date.
    """
    match Quality(quality):
        case Quality.RENEWS:
            sub = _("about every %(period)s") % {"period": every} if every else ""
            return End(_("Renews itself"), sub)
        case Quality.IDLE:
            return End(_("No end date"), _("ends if unused for 1 year"))
        case Quality.UNKNOWN:
            return End(_("End date unknown"))
        case Quality.NEVER:
            return End(_("No end date"))
        case _ if at is None:
            raise ValueError(f"an end of quality {quality} needs its date")
        case Quality.STATED:
            when = _("%(date)s, entered by %(person)s") if entered_by else "%(date)s"
            sub = when % {"date": day(at.astimezone(UTC).date()), "person": entered_by}
        case Quality.EXACT:
            when = _("%(date)s at 00:00 UTC") if at_midnight else "%(date)s"
            sub = when % {"date": day(at.astimezone(UTC).date())}
    left = days_left(at, now)
    return End(countdown(left), sub, left)


def days_left(at: datetime, now: datetime) -> int:
    """Whole days between two calendar days in UTC; negative when the day has passed."""
    return (at.astimezone(UTC).date() - now.astimezone(UTC).date()).days


def countdown(days: int) -> str:
    """Days from today in words: "in 6 days", "today", "3 days ago"."""
    if days == 0:
        return _("today")
    if days < 0:
        return ngettext("%(n)d day ago", "%(n)d days ago", -days) % {"n": -days}
    return ngettext("in %(n)d day", "in %(n)d days", days) % {"n": days}


def day(on: date, *, year: bool = True) -> str:
    """A calendar day in the reader's language: "27 Nov 2026", or "27 Nov" without the year."""
    shape = pgettext("date format", "j M Y") if year else pgettext("date format", "j M")
    return dateformat.format(on, shape)


def full(moment: datetime) -> str:
    """A moment to the second, in UTC: "21 Nov 2026, 06:40:00 UTC"."""
    utc = moment.astimezone(UTC)
    return f"{day(utc.date())}, {utc:%H:%M:%S} UTC"


def age(moment: datetime, now: datetime) -> str:
    """How long ago that was, as a length of time: "4 min", "2 h", "3 days"."""
    away = max(60, round((now - moment).total_seconds()))
    if away < 3600:
        return _("%(n)d min") % {"n": away // 60}
    if away < 86_400:
        return _("%(n)d h") % {"n": away // 3600}
    return ngettext("%(n)d day", "%(n)d days", away // 86_400) % {"n": away // 86_400}


VISIBILITIES = {
    "private": gettext_lazy("private"),
    "internal": gettext_lazy("internal"),
    "public": gettext_lazy("public"),
}
"""Who may see a repository, in words."""


def relative(moment: datetime, now: datetime) -> str:
    """A moment as seen from `now`: "12 min ago", "in 2 h", and a date beyond two weeks."""
    seconds = round((moment - now).total_seconds())
    past, away = seconds < 0, abs(seconds)
    if away < 45:
        return _("just now") if past or not seconds else _("in a moment")
    if away < 3600:
        n = max(1, away // 60)
        return (_("%(n)d min ago") if past else _("in %(n)d min")) % {"n": n}
    if away < 86_400:
        return (_("%(n)d h ago") if past else _("in %(n)d h")) % {"n": away // 3600}
    if away < 14 * 86_400:
        return countdown(days_left(moment, now))
    on = moment.astimezone(UTC).date()
    return day(on, year=on.year != now.astimezone(UTC).year)
