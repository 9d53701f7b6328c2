"""The words of a binding's state, its buttons and its end, as people read them (`ux/spec.md` 3)."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from bindings.problems.words import Text
from bindings.state import Action, State
from providers.types import Method

STATES: Mapping[State, Text] = {
    State.NOT_OFFERED: _("Not offered"),
    State.UNBOUND: _("Not bound"),
    State.SUSPENDED: _("Paused"),
    State.UNDECRYPTABLE: _("Cannot be opened"),
    State.PENDING: _("Waiting for confirmation"),
    State.REVOKED: pgettext_lazy("state", "Reconnect"),
    State.EXPIRED: _("Ended"),
    State.UNREACHABLE: _("Server unreachable"),
    State.INSUFFICIENT: _("A permission is missing"),
    State.EXPIRING: _("Ends soon"),
    State.DEGRADED: _("Unstable"),
    State.RATE_LIMITED: _("Waiting for the platform"),
    State.HEALTHY: _("Healthy"),
}

BUTTONS: Mapping[Action, Text] = {
    Action.BIND: _("Bind account"),
    Action.OPEN: pgettext_lazy("button", "Open"),
    Action.REPLACE: _("Replace token"),
    Action.RECONNECT: pgettext_lazy("button", "Reconnect"),
    Action.FIX: _("Fix"),
    Action.CHECK: _("Check now"),
    Action.CONTINUE: _("Continue"),
    Action.WHY: _("Why?"),
    Action.ASK: _("Ask for it"),
    Action.NONE: "",
}

METHODS: Mapping[Method, Text] = {
    Method.OAUTH: _("OAuth"),
    Method.TOKEN: _("Access token"),
    Method.PLATFORM: _("Cloud account"),
}

BOUND: Text = _("Bound")
CHECKING: Text = _("Checking…")
REFUSED_ONCE: Text = _("Refused once. Confirming…")
MASS_EPISODE: Text = _("{host} refuses many accounts at once. We wait before we believe it.")


def state_words(state: State, *, days: int | None = None) -> str:
    """The state in the active language. `days`: left until the end, for `expiring`."""
    if state is not State.EXPIRING or days is None:
        return str(STATES[state])
    if days <= 0:
        return str(_("Ends today"))
    return ngettext("Ends in {n} day", "Ends in {n} days", days).format(n=days)
