"""End dates as iCalendar (RFC 5545): one event each, with what stops and alarms before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from bindings.models import Binding
from bindings.services.tell.impact import Stops
from bindings.services.tell.wording import address
from portal.ground import ids
from portal.tenants.models import Tenant
from providers.catalogue import REGISTRY

MEDIA = "text/calendar"
ALARMS = (14, 7, 1)  # days before
MOST = 2000
_OCTETS = 75  # of a line, before it is folded
_COLUMNS = (
    "id",
    "instance__name",
    "provider",
    "account_login",
    "expires_at",
    "repositories_seen",
    "credential__generation",
    "credential__issued_at",
    "credential__replaced_at",
)


def render(tenant: Tenant, rows: QuerySet[Binding]) -> bytes:
    """The calendar of these bindings, in the active language. Needs the tenant's scope."""
    dated = rows.exclude(expires_at=None).order_by("expires_at", "id").values(*_COLUMNS)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Mooring//Expiry//EN",
        "CALSCALE:GREGORIAN",
        _text("X-WR-CALNAME", _("Mooring: ends in %(tenant)s") % {"tenant": tenant.name}),
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
        "X-PUBLISHED-TTL:PT6H",
    ]
    for row in dated[:MOST]:
        lines += _event(tenant, row)
    lines.append("END:VCALENDAR")
    return b"".join(fold(line) for line in lines)


def fold(line: str) -> bytes:
    """A line as it is sent: no longer than 75 octets, letters kept whole, CRLF at its end."""
    pieces: list[bytes] = []
    piece = b""
    for letter in line:
        octets = letter.encode()
        if len(piece) + len(octets) > _OCTETS - bool(pieces):
            pieces.append(piece)
            piece = b""
        piece += octets
    return b"\r\n ".join([*pieces, piece]) + b"\r\n"


def escape(text: str) -> str:
    """A text value: what would end it or begin another is written out, control signs go."""
    for sign, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,")):
        text = text.replace(sign, written)
    lines = text.replace("\r\n", "\n").split("\n")
    return "\\n".join("".join(one for one in line if one.isprintable()) for line in lines)


def _event(tenant: Tenant, row: dict[str, Any]) -> Iterator[str]:
    binding = ids.public(Binding.PREFIX, row["id"])
    names = {
        "platform": REGISTRY[row["provider"]].spec.label,
        "instance": row["instance__name"],
        "login": row["account_login"],
    }
    title = _("%(platform)s token for %(instance)s ends") % names
    yield "BEGIN:VEVENT"
    yield f"UID:{binding}-{row['credential__generation']}@{_our_name()}"
    stamp = row["credential__replaced_at"] or row["credential__issued_at"]
    yield f"DTSTAMP:{_moment(stamp)}"
    yield from _days(row["expires_at"])
    yield _text("SUMMARY", title)
    yield _text("DESCRIPTION", "\n".join(_said(tenant, binding, row, names)))
    yield f"URL:{address('binding', tenant.slug, binding)}"
    yield "TRANSP:TRANSPARENT"
    for days in ALARMS:
        yield from ("BEGIN:VALARM", "ACTION:DISPLAY", _text("DESCRIPTION", title))
        yield from (f"TRIGGER:-P{days}D", "END:VALARM")
    yield "END:VEVENT"


def _days(end: datetime) -> Iterable[str]:
    """A date is the whole day it names, 00:00 UTC of which is the end; else the very moment."""
    at = end.astimezone(UTC)
    if (at.hour, at.minute, at.second) != (0, 0, 0):
        return [f"DTSTART:{_moment(at)}"]
    after = at + timedelta(days=1)
    return [f"DTSTART;VALUE=DATE:{at:%Y%m%d}", f"DTEND;VALUE=DATE:{after:%Y%m%d}"]


def _said(
    tenant: Tenant, binding: str, row: dict[str, Any], names: dict[str, str]
) -> Iterator[str]:
    end = row["expires_at"].astimezone(UTC)
    yield _("%(login)s on %(platform)s, bound to %(instance)s.") % names
    yield _("It ends at %(time)s UTC.") % {"time": f"{end:%Y-%m-%d %H:%M}"}
    if stops := str(Stops(row["repositories_seen"])):
        yield _("What stops: %(stops)s") % {"stops": stops}
    yield address("binding", tenant.slug, binding)


def _text(name: str, value: str) -> str:
    return f"{name}:{escape(value)}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _our_name() -> str:
    return urlsplit(settings.MOORING_URL).hostname or "mooring"
