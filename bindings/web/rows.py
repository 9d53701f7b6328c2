"""The Code sources page as values: seven rows, four numbers, the plot and the one banner."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bindings import problems, state
from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.browse.specs import LABELS, ORDER, PLACES, people_bind
from bindings.state import State
from bindings.web import shown
from bindings.web.board import Board
from portal.templatetags import words
from portal.templatetags.charts import Lane
from portal.tenants.access import Actor, tenant_of

PLOT_DAYS = 90
_PAGES = (
    ("repositories", gettext_lazy("Repositories"), "repositories:read"),
    ("hooks", gettext_lazy("Webhooks"), "webhooks:read"),
)
"""Pages of a binding that its row leads to: name, label, what a reader needs."""
_TODO = {
    State.EXPIRING: gettext_lazy("%(n)d expiring"),
    State.EXPIRED: gettext_lazy("%(n)d ended"),
    State.REVOKED: gettext_lazy("%(n)d to reconnect"),
    State.UNDECRYPTABLE: gettext_lazy("%(n)d cannot be opened"),
    State.INSUFFICIENT: gettext_lazy("%(n)d without a permission"),
    State.UNREACHABLE: gettext_lazy("%(n)d unreachable"),
    State.DEGRADED: gettext_lazy("%(n)d unstable"),
    State.PENDING: gettext_lazy("%(n)d to confirm"),
    State.SUSPENDED: gettext_lazy("%(n)d paused"),
}
"""The states somebody should look at, and how many are in each."""
_URGENT = (
    State.REVOKED,
    State.EXPIRED,
    State.UNDECRYPTABLE,
    State.UNREACHABLE,
    State.INSUFFICIENT,
    State.EXPIRING,
)


def rows(actor: Actor, board: Board, now: datetime) -> list[dict[str, Any]]:
    """One row per platform, in the fixed order."""
    bound = {binding.provider: binding for binding in board.live}
    offered = board.offered
    return [
        _bound_row(actor, bound[slug], now, checking=bound[slug].pk in board.checking)
        if slug in bound
        else _free_row(actor, board.instance.name, slug, offered=slug in offered)
        for slug in ORDER
    ]


def numbers(board: Board, now: datetime) -> dict[str, Any]:
    """Bound, healthy, in need of attention (how many of which kind), and the next check."""
    counts = Counter(binding.state for binding in board.live)
    todo = {word: counts[word] for word in _TODO if counts[word]}
    planned = [b.schedule.next_check_at for b in board.live if b.schedule.next_check_at]
    return {
        "bound": len(board.live),
        "offered": len(board.offered | {binding.provider for binding in board.live}),
        "healthy": counts[State.HEALTHY],
        "attention": sum(todo.values()),
        "kinds": ", ".join(str(_TODO[word]) % {"n": n} for word, n in todo.items()),
        "next_check": max(min(planned), now + timedelta(seconds=1)) if planned else None,
    }


def lanes(live: list[Binding], now: datetime) -> list[Lane]:
    """The lines of the plot: what has ended, what ends soon, and what renews itself."""
    found = [(lane(binding, LABELS[binding.provider], now), binding) for binding in live]
    near = [one for one, _of in found if one and (one.days is None or one.days <= PLOT_DAYS)]
    return sorted(near, key=by_end)


def lane(binding: Binding, name: str, now: datetime, note: str = "") -> Lane | None:
    """The line of one binding; None where there is nothing to draw."""
    end = shown.end_of(binding, now)
    tone = shown.end_tone(binding, now)
    if binding.state in (State.REVOKED, State.EXPIRED):
        return Lane(name, min(end.days or 0, 0), "bad", end.main, note)
    if binding.renews or end.days is not None:
        return Lane(name, end.days, tone, end.main, note)
    return None


def by_end(one: Lane) -> tuple[bool, int]:
    """Sorts lanes: what ends first comes first, what has no end comes last."""
    return one.days is None, one.days or 0


def banner(actor: Actor, board: Board, now: datetime, quiet: set[str]) -> dict[str, Any] | None:
    """The most urgent thing, with its button; `quiet` are ids to be left alone until tomorrow."""
    held = next((b.host for b in board.live if b.host.held_since is not None), None)
    if held is not None:
        text = _("%(host)s refuses many accounts at once. We wait before we believe it.")
        return {"tone": "warn", "title": "", "text": text % {"host": held.label}}
    urgent = [b for b in board.live if b.state in _URGENT]
    loud = [b for b in urgent if not (b.public_id in quiet and may_wait(b, now))]
    if not loud:
        return None
    worst = min(loud, key=lambda b: (_URGENT.index(b.state), b.expires_at or now))
    return {
        "tone": shown.tone_of(worst),
        **_said(worst, now),
        "action": shown.button(actor, worst),
        "secondary": _later(actor, worst, now),
    }


def may_wait(binding: Binding, now: datetime) -> bool:
    """May its banner be hidden for a day? Not in the last 24 hours, and not what is broken."""
    left = shown.days_left(binding, now)
    return binding.state is State.EXPIRING and left is not None and left > 1


def _said(binding: Binding, now: datetime) -> dict[str, str]:
    platform = LABELS[binding.provider]
    if binding.drill:
        said = _("This is a drill. Nothing real is touched; the page of the binding tells more.")
        return {"title": f"{platform}: {words.STATES[binding.state.value].label}", "text": said}
    if binding.state is State.EXPIRING:
        end = shown.end_of(binding, now)
        title = _("The %(platform)s token ends %(when)s.")
        text = _and_stops(f"{end.sub}.", binding)
        return {"title": title % {"platform": platform, "when": end.main}, "text": text}
    why = shown.reasons(binding, now)
    title = f"{platform}: {words.STATES[binding.state.value].label}"
    return {"title": title, "text": _and_stops(why[0].detail if why else "", binding)}


def _and_stops(said: str, binding: Binding) -> str:
    """A sentence, and how many triggers the binding serves."""
    n = vars(binding).get("triggers", 0)
    told = ngettext("%(n)d trigger uses it.", "%(n)d triggers use it.", n) % {"n": n}
    return f"{said} {told}" if n else said


def _later(actor: Actor, binding: Binding, now: datetime) -> dict[str, str] | None:
    if not may_wait(binding, now):
        return None
    url = reverse("later", args=[tenant_of(actor).slug, binding.public_id])
    return {"url": url, "label": _("Remind me tomorrow")}


def _bound_row(actor: Actor, binding: Binding, now: datetime, *, checking: bool) -> dict[str, Any]:
    end = shown.end_of(binding, now)
    here = [tenant_of(actor).slug, binding.public_id]
    states = binding.quality == "unknown" and not binding.renews and actor.may(shown.WRITE)
    return {
        **_names(binding.provider, binding.host.label),
        "account": binding.account_login,
        "account_sub": _account_sub(binding),
        "method": shown.method_of(binding),
        "state": "checking" if checking else binding.state.value,
        "days": shown.days_left(binding, now),
        "severe": shown.severe(binding),
        "drill": bool(binding.drill),
        "end": end,
        "end_url": reverse("end_date", args=here) if states else "",
        "share": shown.share_of(binding, now) if end.days is not None else None,
        "tone": shown.end_tone(binding, now),
        "checked_at": binding.schedule.checked_at,
        "checked_sub": _("Refused once. Confirming…") if binding.suspicion == 1 else "",
        "note": _("Bound") if binding.status != state.Status.PENDING else "",
        "action": shown.button(actor, binding),
        "menu": _menu(actor, binding),
    }


def _account_sub(binding: Binding) -> str:
    if binding.kind == Kind.PLATFORM:
        return _("bound by the platform")
    if binding.bound_by_id is not None and not vars(binding).get("stays", True):
        return _("Bound by someone who left")
    if binding.repositories_seen is None:
        return ""
    return _("%(n)s repositories") % {"n": binding.repositories_seen}


def _free_row(actor: Actor, instance: str, slug: str, *, offered: bool) -> dict[str, Any]:
    row = {
        **_names(slug, str(PLACES[slug]) if offered else _("not switched on here")),
        "off": not offered,
        "state": "unbound" if offered else "not_offered",
    }
    if offered and actor.may(shown.WRITE):
        row["action"] = {
            "label": words.ACTIONS["bind"],
            "url": reverse("bind", args=[tenant_of(actor).slug, instance, slug]),
            "symbol": "link",
            "dialog": True,
        }
        if people_bind(slug):
            send = reverse("handoff", args=[tenant_of(actor).slug, instance, slug])
            row["menu"] = [(_("Send this step to a colleague"), send, "dialog", "")]
    return row


def _names(slug: str, sub: str) -> dict[str, Any]:
    return {"slug": slug, "mono": problems.prefix_of(slug), "name": LABELS[slug], "sub": sub}


def _menu(actor: Actor, binding: Binding) -> list[tuple[object, str, str, str]]:
    here = [tenant_of(actor).slug, binding.public_id]
    items: list[tuple[object, str, str, str]] = [(_("Open"), reverse("binding", args=here), "", "")]
    if actor.may(shown.CHECK) and binding.status != state.Status.PENDING:
        items.append((words.ACTIONS["check"], reverse("check", args=here), "post", ""))
    for name, label, scope in _PAGES:
        if actor.may(scope):
            items.append((label, reverse(name, args=here), "", ""))
    if binding.kind == Kind.TOKEN and actor.may(shown.WRITE):
        items.append((words.ACTIONS["replace"], reverse("replace", args=here), "dialog", ""))
    if shown.may_switch(actor, binding):
        items.append((_("Switch account"), reverse("switch", args=here), "dialog", ""))
    items.append((_("Copy API id"), binding.public_id, "copy", ""))
    if shown.may_unbind(actor, binding):
        items.append((_("Unbind"), reverse("unbind", args=here), "dialog", "danger"))
    return items
