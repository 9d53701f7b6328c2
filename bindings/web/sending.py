"""What goes out to endpoints, in words: how an endpoint is, and how one event fared there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bindings.models import Dispatch, Endpoint
from bindings.models.outbox import DispatchState
from portal.templatetags import words
from portal.templatetags.words import Pill, Words

STATUSES: Mapping[str, Pill] = {
    "active": Pill(gettext_lazy("Active"), "ok", "ok"),
    "failing": Pill(gettext_lazy("Failing"), "warn", "warn"),
    "disabled": Pill(gettext_lazy("Switched off"), "bad", "off"),
}
FATES: Mapping[str, Pill] = {
    "pending": Pill(gettext_lazy("Waiting"), "info", "clock"),
    "delivered": Pill(gettext_lazy("Delivered"), "ok", "ok"),
    "failed": Pill(gettext_lazy("Tried again"), "warn", "loop"),
    "abandoned": Pill(gettext_lazy("Given up"), "bad", "bad"),
}
"""The states of an outgoing delivery (api.md 3.8), for pills and for the filter."""
TYPES: tuple[tuple[str, Words], ...] = (
    ("build.*", gettext_lazy("Builds to start")),
    ("binding.*", gettext_lazy("Changes of bindings")),
    ("webhook.*", gettext_lazy("Trouble with webhooks")),
)
"""What an endpoint can ask for, in whole families."""


def status_of(endpoint: Endpoint) -> str:
    """active, failing or disabled, as the API has it."""
    if not endpoint.enabled:
        return "disabled"
    return "failing" if endpoint.failing_since is not None else "active"


def why_off(endpoint: Endpoint, kept: int, until: datetime | None) -> str:
    """Why an endpoint is off, and what is kept for it (ux/spec.md 5.16)."""
    said = {"date": _on(endpoint.disabled_at), "n": kept, "until": _on(until)}
    if endpoint.why == "gone":
        return _("It answered 410 Gone on %(date)s, so we stopped sending.") % said
    if endpoint.why != "failures":
        return _("Switched off by hand on %(date)s.") % said
    if not kept:
        return _("Disabled on %(date)s after 5 days of failures.") % said
    told = ngettext(
        "Disabled on %(date)s after 5 days of failures. %(n)d event is kept until %(until)s.",
        "Disabled on %(date)s after 5 days of failures. %(n)d events are kept until %(until)s.",
        kept,
    )
    return told % said


def fate_of(dispatch: Dispatch) -> str:
    """pending, delivered, failed (will be tried again) or abandoned."""
    if dispatch.state == DispatchState.WAITING:
        return "failed" if dispatch.tries else "pending"
    return str(dispatch.state)


def row(dispatch: Dispatch) -> dict[str, Any]:
    """One event on its way to one endpoint, as tables show it."""
    last = dispatch.attempts[-1] if dispatch.attempts else {}
    return {
        "dispatch": dispatch,
        "endpoint": dispatch.endpoint,
        "type": dispatch.event.type,
        "pill": FATES[fate_of(dispatch)],
        "answer": _answer(last),
        "tries": _tries(dispatch),
        "attempts": [_attempt(one) for one in reversed(dispatch.attempts)],
    }


def _tries(dispatch: Dispatch) -> str:
    if not dispatch.tries:
        return ""
    return ngettext("%(n)d try", "%(n)d tries", dispatch.tries) % {"n": dispatch.tries}


def _attempt(tried: Mapping[str, Any]) -> dict[str, Any]:
    at = tried.get("at")
    return {
        "at": datetime.fromisoformat(at) if isinstance(at, str) else None,
        "ms": tried.get("ms"),
        "answer": _answer(tried),
    }


def _answer(tried: Mapping[str, Any]) -> str:
    """What an attempt brought: the status, or why there was none."""
    return str(tried.get("http_status") or tried.get("error") or "")


def _on(moment: datetime | None) -> str:
    return words.day(moment.date()) if moment else "—"
