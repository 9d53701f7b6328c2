"""The words of a binding's state: two axes, the one word people see, and how it looks.

Words and order are fixed by `api.md` 2 and `ux/spec.md` 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from providers.types import Method


class Status(StrEnum):
    """What the platform thinks of the credential."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    INSUFFICIENT = "insufficient"
    SUSPENDED = "suspended"
    UNDECRYPTABLE = "undecryptable"


class Reach(StrEnum):
    """Whether the server answers. Never touches the status, and is never touched by it."""

    OK = "ok"
    DEGRADED = "degraded"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"


class State(StrEnum):
    """The one word for people and filters, gravest first."""

    NOT_OFFERED = "not_offered"
    UNBOUND = "unbound"
    SUSPENDED = "suspended"
    UNDECRYPTABLE = "undecryptable"
    PENDING = "pending"
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNREACHABLE = "unreachable"
    INSUFFICIENT = "insufficient"
    EXPIRING = "expiring"
    DEGRADED = "degraded"
    RATE_LIMITED = "rate_limited"
    HEALTHY = "healthy"


class Why(StrEnum):
    """Why the credential is what it is. `bindings.problems` turns it into a code."""

    NONE = ""
    ENDS_SOON = "ends_soon"
    REFUSED = "refused"
    ENDED = "ended"
    REFRESH_LOST = "refresh_lost"
    SCOPE = "scope"
    CLONE_USERNAME = "clone_username"
    ACCOUNT_BLOCKED = "account_blocked"
    PLATFORM_REFUSED = "platform_refused"
    IDENTITY_CHANGED = "identity_changed"
    HOST_DISABLED = "host_disabled"
    TENANT_SUSPENDED = "tenant_suspended"
    OPERATOR = "operator"
    KEY_MISSING = "key_missing"
    WRONG_TAG = "wrong_tag"


class Note(StrEnum):
    """What a verdict wants its caller to do or to remember besides storing it."""

    OPERATOR_ALERT = "operator_alert"
    HELD = "held"
    TOO_EARLY = "too_early"
    CLOCK_DIFFERENCE = "clock_difference"
    ROLE = "role"
    SSO = "sso"
    ORG_POLICY = "org_policy"
    SUPERSEDED = "superseded"


class Tone(StrEnum):
    RED = "red"
    AMBER = "amber"
    GREY = "grey"
    BLUE = "blue"
    GREEN = "green"


class Action(StrEnum):
    """The button an admin sees, and `action` of the API."""

    BIND = "bind"
    OPEN = "open"
    REPLACE = "replace"
    RECONNECT = "reconnect"
    FIX = "fix"
    CHECK = "check"
    CONTINUE = "continue"
    WHY = "why"
    ASK = "ask"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Face:
    """How a state looks: colour, icon symbol, button."""

    tone: Tone
    icon: str
    action: Action


FACE = MappingProxyType(
    {
        State.NOT_OFFERED: Face(Tone.GREY, "off", Action.ASK),
        State.UNBOUND: Face(Tone.GREY, "off", Action.BIND),
        State.SUSPENDED: Face(Tone.GREY, "lock", Action.WHY),
        State.UNDECRYPTABLE: Face(Tone.RED, "lock", Action.REPLACE),
        State.PENDING: Face(Tone.BLUE, "info", Action.CONTINUE),
        State.REVOKED: Face(Tone.RED, "bad", Action.RECONNECT),
        State.EXPIRED: Face(Tone.RED, "bad", Action.REPLACE),
        State.UNREACHABLE: Face(Tone.RED, "bad", Action.CHECK),
        State.INSUFFICIENT: Face(Tone.AMBER, "warn", Action.FIX),
        State.EXPIRING: Face(Tone.AMBER, "clock", Action.REPLACE),
        State.DEGRADED: Face(Tone.AMBER, "warn", Action.CHECK),
        State.RATE_LIMITED: Face(Tone.AMBER, "clock", Action.NONE),
        State.HEALTHY: Face(Tone.GREEN, "ok", Action.OPEN),
    }
)

USABLE = frozenset({Status.ACTIVE, Status.EXPIRING, Status.INSUFFICIENT})
"""Statuses whose credential may be used; `insufficient` as far as its abilities go."""

_BY_STATUS = (
    (Status.SUSPENDED, State.SUSPENDED),
    (Status.UNDECRYPTABLE, State.UNDECRYPTABLE),
    (Status.PENDING, State.PENDING),
    (Status.REVOKED, State.REVOKED),
    (Status.EXPIRED, State.EXPIRED),
)
_OF_A_PERSON = frozenset({Action.REPLACE, Action.RECONNECT, Action.FIX})


def one_word(status: Status, reach: Reach, *, suspicion: int = 0) -> State:
    """The first word of `api.md` 2 that applies.

    `suspicion`: refusals not yet confirmed. While there is one the row reads `degraded`, because
    something is wrong and we do not know yet what (`ux/spec.md` 3.2); the axes stay as they are.
    """
    for one, state in _BY_STATUS:
        if status is one:
            return state
    if reach is Reach.UNREACHABLE:
        return State.UNREACHABLE
    if status is Status.INSUFFICIENT:
        return State.INSUFFICIENT
    if status is Status.EXPIRING:
        return State.EXPIRING
    if reach is Reach.DEGRADED or suspicion:
        return State.DEGRADED
    return State.RATE_LIMITED if reach is Reach.RATE_LIMITED else State.HEALTHY


def face(state: State, *, kind: Method = Method.TOKEN, lists: bool = True) -> Face:
    """How `state` looks on a binding of `kind`. `lists`: listing repositories still works.

    OAuth has no token to replace, so its button asks for consent again; of a cloud account only
    the operator can mend anything, so its button explains.
    """
    plain = FACE[state]
    tone = Tone.RED if state is State.INSUFFICIENT and not lists else plain.tone
    action = plain.action
    if kind is Method.PLATFORM and action in _OF_A_PERSON:
        action = Action.WHY
    elif kind is Method.OAUTH and action is Action.REPLACE:
        action = Action.RECONNECT
    return Face(tone, plain.icon, action)
