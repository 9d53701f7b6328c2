"""The event log as a table: filters, clones folded into one line a day, pages, and the CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.http import QueryDict
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bindings.web import feed
from portal.ground import ids
from portal.templatetags import words
from portal.templatetags.words import Words
from portal.tenants.middleware import Request
from portal.tenants.models import Event

CLONE = "lease.created"
_LINES = 50  # of one page
_READ = 500  # events that may become these lines
KINDS: Mapping[str, tuple[Words, tuple[str, ...]]] = {
    "bindings": (gettext_lazy("Bindings"), ("binding.", "authorization.")),
    "builds": (gettext_lazy("Builds"), ("build.", "trigger.")),
    "webhooks": (gettext_lazy("Webhooks"), ("webhook.", "delivery.")),
    "clones": (gettext_lazy("Clones"), ("lease.",)),
    "endpoints": (gettext_lazy("Endpoints"), ("endpoint.",)),
    "people": (gettext_lazy("People and tokens"), ("member.", "invitation.", "token.")),
    "instances": (gettext_lazy("Instances"), ("instance.", "tenant.")),
    "refused": (gettext_lazy("Refused"), ("access.",)),
}
"""What can be chosen to be shown: word → label, and how the types begin."""
Fold = tuple[str, date]  # who, on which day


@dataclass(slots=True)
class Wanted:
    """The filters of the page, as they stand in its address."""

    kind: str = ""
    who: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, asked: QueryDict) -> Wanted:
        kind = asked.get("kind", "")
        return cls(
            kind if kind in KINDS else "",
            asked.get("who", "").strip()[:100],
            _day(asked.get("since", "")),
            _day(asked.get("until", "")),
        )

    @property
    def query(self) -> dict[str, str]:
        """What has to stand in the address for the same choice."""
        known = {"kind": self.kind, "who": self.who, "since": self.since, "until": self.until}
        return {name: str(value) for name, value in known.items() if value}

    def narrow(self, rows: QuerySet[Event], now: datetime) -> QuerySet[Event]:
        """Those that were chosen, none older than the log is kept."""
        chosen = Q(at__gte=now - timedelta(days=settings.MOORING_ACTIVITY_DAYS))
        if self.kind:
            begins = Q()
            for head in KINDS[self.kind][1]:
                begins |= Q(type__startswith=head)
            chosen &= begins
        if self.who:
            chosen &= Q(actor__name__icontains=self.who)
        if self.since:
            chosen &= Q(at__gte=_midnight(self.since))
        if self.until:
            chosen &= Q(at__lt=_midnight(self.until + timedelta(days=1)))
        return rows.filter(chosen)


@dataclass(slots=True)
class _Clones:
    """Clones of one name on one day: how many there were, and whether a newer page shows them."""

    count: int
    newer: int = 0


@dataclass(slots=True)
class _Reading:
    """Events becoming lines."""

    folds: dict[Fold, _Clones]
    now: datetime
    seen: set[Fold] = field(default_factory=set)

    def lines(self, event: Event) -> Iterator[dict[str, Any]]:
        fold = _fold_of(event)
        if fold is None or self.folds[fold].count < 2:
            yield from feed.lines([event])
        elif fold not in self.seen:
            self.seen.add(fold)
            clones = self.folds[fold]
            if not clones.newer:
                line = next(feed.lines([event]))
                yield {**line, "text": _clones(clones.count, *fold, self.now)}


def table(
    request: Request,
    rows: QuerySet[Event],
    now: datetime,
    also: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The context of a log: its lines, filters and pages, by two questions at most. `also` stays
    in the addresses of its pages, `about` only in that of the file. Needs the tenant's scope."""
    wanted = Wanted.of(request.GET)
    before = ids.key(Event.PREFIX, request.GET.get("before", ""))
    narrowed = wanted.narrow(rows, now)
    older = narrowed if before is None else narrowed.filter(pk__lt=before)
    found = list(older.defer("mac", "previous").order_by("-id")[: _READ + 1])
    reading = _Reading(_folds(narrowed, found[:_READ], before), now)
    lines: list[dict[str, Any]] = []
    last: Event | None = None
    for event in found[:_READ]:
        if len(lines) == _LINES:
            break
        lines += reading.lines(event)
        last = event
    more = last is not None and last is not found[-1]
    query = {**(also or {}), **wanted.query}
    file = urlencode({**query, **(about or {})})
    return {
        "lines": lines,
        "wanted": wanted,
        "also": also or {},
        "filtered": bool(wanted.query),
        "kinds": [(word, label) for word, (label, _heads) in KINDS.items()],
        "csv_url": f"{reverse('activity_csv', args=[request.tenant.slug])}?{file}".rstrip("?"),
        "log_days": settings.MOORING_ACTIVITY_DAYS,
        "older_url": f"?{urlencode({**query, 'before': last.public_id})}" if more and last else "",
        "newer_url": f"?{urlencode(query)}" if before is not None else "",
        "now": now,
    }


def columns(event: Event) -> list[str]:
    """One event as a row of the CSV."""
    (line,) = feed.lines([event])
    return [
        event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        event.type,
        str(line["text"]),
        str(event.actor.get("kind", "")),
        line["who"],
        line["note"],
        line["code"],
        event.public_id,
    ]


HEADINGS = ("at", "type", "what", "actor_kind", "actor", "from", "refused", "id")


def _fold_of(event: Event) -> Fold | None:
    if event.type != CLONE:
        return None
    return str(event.actor.get("name", "")), event.at.astimezone(UTC).date()


def _folds(rows: QuerySet[Event], found: list[Event], before: UUID | None) -> dict[Fold, _Clones]:
    """How many clones there were on the days of these events, whole days."""
    days = {fold[1] for fold in map(_fold_of, found) if fold is not None}
    if not days:
        return {}
    whole = rows.filter(
        type=CLONE,
        at__gte=_midnight(min(days)),
        at__lt=_midnight(max(days) + timedelta(days=1)),
    )
    newer = Count("pk", filter=Q(pk__gte=before)) if before else Count("pk", filter=Q(pk=None))
    counted = (
        whole.annotate(day=TruncDate("at", tzinfo=UTC))
        .values_list("actor__name", "day")
        .annotate(n=Count("pk"), newer=newer)
        .order_by()
    )
    return {(name or "", day): _Clones(n, newer) for name, day, n, newer in counted}


def _clones(n: int, who: str, on: date, now: datetime) -> str:
    """42 clones by jenkins-eu today (ux/spec.md 5.15)."""
    said = {"n": n, "who": who or _("Somebody"), "date": words.day(on, year=on.year != now.year)}
    if on == now.astimezone(UTC).date():
        told = ngettext("%(n)d clone by %(who)s today", "%(n)d clones by %(who)s today", n)
    else:
        told = ngettext(
            "%(n)d clone by %(who)s on %(date)s", "%(n)d clones by %(who)s on %(date)s", n
        )
    return told % said


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _midnight(on: date) -> datetime:
    return datetime.combine(on, time(), UTC)
