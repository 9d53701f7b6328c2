"""The template tags of every page: icon, state pill, time, end, external link, form widget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from django import template
from django.forms import BoundField
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from portal.templatetags import words

register = template.Library()

_SPRITE: Final = Path(__file__).resolve().parent.parent / "static" / "mooring" / "icons.svg"
_SYMBOL: Final = re.compile(r'<symbol id="([a-z]+)" viewBox="0 0 24 24">(.*?)</symbol>')

ICONS: Final[Mapping[str, SafeString]] = {
    name: mark_safe(body)  # noqa: S308 - our own file, read once
    for name, body in _SYMBOL.findall(_SPRITE.read_text(encoding="utf-8"))
}
"""Name → drawing. Drawn into the page, not referenced: browsers differ on which rule of a
Content-Security-Policy covers a symbol of another file, and a page carries only what it shows."""

_TONES: Final = {"success": "ok", "error": "bad", "warning": "warn", "info": "info", "debug": ""}


class NotALink(ValueError):
    """The base address of an external link is not a plain http(s) origin or root."""


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Draw an icon; `extra` holds further CSS classes. Raises KeyError for an unknown name."""
    return format_html(
        '<svg class="{}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>',
        f"i {extra}".rstrip(),
        ICONS[name],
    )


@register.inclusion_tag("parts/pill.html")
def state_pill(state: str, days: int | None = None, severe: bool = False) -> dict[str, object]:
    """The word, tone and icon of a binding's state; see words.pill."""
    shown = words.pill(state, days=days, severe=severe)
    return {"label": shown.label, "tone": shown.tone, "symbol": shown.icon}


@register.simple_tag(takes_context=True)
def when(context: template.Context, moment: datetime, shown: str = "relative") -> SafeString:
    """A moment as `<time>`: relative words ("relative") or the day ("day"), full UTC in the title.

    `now` of the context is the reference, else the clock. Focusable, so that the title can be read
    by keyboard; portal.js adds the reader's local time to it.
    """
    if shown == "day":
        text = words.day(moment.astimezone(UTC).date())
    else:
        text = words.relative(moment, context.get("now") or timezone.now())
    return format_html(
        '<time datetime="{}" title="{}" tabindex="0">{}</time>',
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        words.full(moment),
        text,
    )


@register.simple_tag(takes_context=True)
def age(context: template.Context, moment: datetime) -> str:
    """How old something is, as a length of time."""
    return words.age(moment, context.get("now") or timezone.now())


@register.filter
def visibility(word: str) -> str:
    """Who may see a repository; a platform's own word stays as it is."""
    return str(words.VISIBILITIES.get(word, word))


@register.simple_tag(takes_context=True)
def end_words(
    context: template.Context, quality: str, at: datetime | None = None, **said: Any
) -> words.End:
    """The end of a credential in words, for `… as end`; keywords as in words.end."""
    return words.end(quality, at=at, now=context.get("now") or timezone.now(), **said)


@register.filter
def day(value: date | datetime) -> str:
    """A calendar day in UTC, in the reader's language."""
    on = value.astimezone(UTC).date() if isinstance(value, datetime) else value
    return words.day(on)


@register.filter
def action_label(action: str) -> words.Words:
    """The text of the button for an `action` of the API; KeyError for an unknown one."""
    return words.ACTIONS[action]


@register.filter
def role_label(role: str) -> words.Words:
    """The name of a role; a word that is no role stays as it is."""
    return words.ROLES.get(role, role)


@register.filter
def may(actor: Any, scope: str) -> bool:
    """May whoever looks at the page do this? For what is offered; the pages ask again."""
    return bool(actor and actor.may(scope))


@register.filter
def step_label(key: str) -> words.Words:
    """The name of one of the six steps of a connection test."""
    return words.STEPS[key]


@register.filter
def outcome(status: str) -> words.Pill:
    """Word, tone and icon of a step's status."""
    return words.OUTCOMES[status]


@register.filter
def first_word(text: str) -> str:
    """What stands before the first space: the id of "60de7a68 Platform"."""
    return text.partition(" ")[0]


@register.filter
def message_tone(tags: str) -> str:
    """Our tone for the level tag of a Django message."""
    return next((_TONES[tag] for tag in tags.split() if tag in _TONES), "")


@register.filter
def initials(name: str) -> str:
    """One or two letters for a person or tenant: first and last word, or the name's first sign."""
    parts: list[str] = re.findall(r"\w+", name.partition("@")[0])
    if not parts:
        return "?"
    if not parts[0].isascii():
        return parts[0][:1]
    return (parts[0][:1] + (parts[-1][:1] if len(parts) > 1 else parts[0][1:2])).upper()


def external_url(base: str, path: str = "", query: Mapping[str, str] | None = None) -> str:
    """Join a platform's base address and a path below it; a whole address may stand alone.

    `base` must be http or https with a host, without user or control signs, and without query or
    fragment when something is joined to it, else NotALink. `path` is quoted: it never leaves the
    host.
    """
    parts = urlsplit(base)
    plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    if not plain or not re.fullmatch(r"[!-~]+", base):
        raise NotALink(base)
    if not path and not query:
        return base
    if parts.query or parts.fragment:
        raise NotALink(base)
    below = "/" + quote(path.lstrip("/"), safe="/-._~@:+") if path else ""
    return base.rstrip("/") + below + (f"?{urlencode(query)}" if query else "")


@register.simple_tag
def external_link(base: str, label: str, path: str = "", css: str = "", **query: str) -> SafeString:
    """A link to a platform in a new tab, or only its label when `base` is not an address."""
    try:
        url = external_url(base, path, query)
    except NotALink:
        return format_html("{}", label)
    return format_html(
        '<a{} href="{}" target="_blank" rel="noreferrer">{} {}'
        '<span class="visually-hidden"> ({})</span></a>',
        format_html(' class="{}"', css) if css else "",
        url,
        label,
        icon("out"),
        _("opens %(host)s in a new tab") % {"host": urlsplit(base).hostname},
    )


@register.filter
def inline_svg(drawing: str) -> SafeString:
    """A drawing made by our own server (the QR code of allauth), without its XML prologue."""
    return mark_safe(drawing[drawing.index("<svg") :])  # noqa: S308 - squares only, no text of anyone


@register.simple_tag
def widget(field: BoundField, **attrs: str) -> SafeString:
    """The field's control; a placeholder that only repeats the label is dropped."""
    hint = str(field.field.widget.attrs.get("placeholder", ""))
    shown: dict[str, Any] = {name.replace("_", "-"): value for name, value in attrs.items()}
    if hint.casefold().startswith(str(field.label or hint).casefold()):
        shown.setdefault("placeholder", False)
    return field.as_widget(attrs=shown)
