"""How the operators' lists say a state, an end and a moment: in the words of the portal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from bindings import expiry, problems
from bindings.models import Binding, facts
from bindings.services.browse.specs import spec_of
from bindings.state import State
from portal.templatetags import words

NOTHING = "–"


def pill(state: State, *, days: int | None = None) -> SafeString:
    """A state in one word, coloured; with `days`, how soon it ends."""
    known = words.pill(state.value, days=days)
    label = problems.STATES[state] if days is None else known.label
    return format_html('<span class="pill {}">{}</span>', known.tone, label)


def state_of(binding: Binding, now: datetime) -> SafeString:
    """The word of a binding; one that ends soon says in how many days."""
    if binding.unbound_at is not None:
        return pill(State.UNBOUND)
    shown = pill(binding.state, days=expiry.days_left(facts.of(binding).end, now))
    return format_html("{} <small>drill</small>", shown) if binding.drill else shown


def end_of(binding: Binding, now: datetime) -> SafeString:
    """When its credential ends."""
    spec = spec_of(binding.provider)
    end = words.end(
        "renews" if binding.renews else binding.quality,
        at=binding.expires_at,
        now=now,
        entered_by=binding.stated_by,
        at_midnight=bool(spec and spec.ends_at_midnight),
    )
    return format_html('<span class="line">{}</span><small>{}</small>', end.main, end.sub)


def moment(at: datetime | None) -> SafeString | str:
    """A moment as seen from now, with the full time behind it."""
    if at is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        words.full(at),
        words.relative(at, timezone.now()),
    )


def link(url: str, text: object) -> SafeString:
    """A link inside the admin."""
    return format_html('<a href="{}">{}</a>', url, text)


def lines(*links: tuple[str, str]) -> SafeString:
    """Links below each other: address and text."""
    return format_html_join("", '<a class="line" href="{}">{}</a>', links)


def rows(lines: Iterable[tuple[object, object, object]]) -> SafeString:
    """A small table of three columns, without a head."""
    body = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", lines)
    return format_html('<table class="small">{}</table>', body)
