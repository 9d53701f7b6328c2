"""The registry of notices: what people are told, who by default, through which channel, and when.

Ids are stable: they stand in rows, preferences and mails. Pure data; nothing here asks a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

MANY: Final = 5
"""More bindings of one server than this are told in one notice and one mail (product.md G39)."""
WINDOW: Final = timedelta(minutes=10)
"""Within this time they count as one story."""
PATIENCE: Final = timedelta(minutes=30)
"""A server that is back within this time was never worth a mail."""
DIGEST_HOUR: Final = 9


class Channel(StrEnum):
    """How somebody wants to be told. Mail and digest come beside the portal, not in its place."""

    MAIL = "mail"
    DIGEST = "digest"
    PORTAL = "portal"
    NONE = "none"


class Whom(StrEnum):
    """Whom a notice is for."""

    BINDER = "binder"
    ADMINS = "admins"
    OWNERS = "owners"
    MAKER = "maker"  # of a webhook or an endpoint
    SAME = "same"  # those who were told of the trouble that has ended


class Topic(StrEnum):
    """The lines of the matrix in which people choose (ux/spec.md 8)."""

    BROKEN = "broken"
    ENDS_LATER = "ends_later"
    ENDS_SOON = "ends_soon"
    PERMISSION = "permission"
    UNREACHABLE = "unreachable"
    RECOVERED = "recovered"
    PLUMBING = "plumbing"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class Line:
    """The default of one topic: channel, people, and how long a mail waits whether it mends."""

    channel: Channel
    whom: tuple[Whom, ...]
    patience: timedelta = timedelta()


LINES: Final[Mapping[Topic, Line]] = MappingProxyType(
    {
        Topic.BROKEN: Line(Channel.MAIL, (Whom.BINDER, Whom.ADMINS, Whom.OWNERS)),
        Topic.ENDS_LATER: Line(Channel.DIGEST, (Whom.BINDER,)),
        Topic.ENDS_SOON: Line(Channel.MAIL, (Whom.BINDER, Whom.ADMINS)),
        Topic.PERMISSION: Line(Channel.MAIL, (Whom.BINDER,)),
        Topic.UNREACHABLE: Line(Channel.MAIL, (Whom.BINDER,), PATIENCE),
        Topic.RECOVERED: Line(Channel.MAIL, (Whom.SAME,)),
        Topic.PLUMBING: Line(Channel.DIGEST, (Whom.MAKER, Whom.ADMINS)),
        Topic.CHANGES: Line(Channel.PORTAL, (Whom.ADMINS,)),
    }
)
"""In the order in which people see them."""


class Kind(StrEnum):
    """What a notice is about. `expiring` has a step: the days of its rung."""

    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNDECRYPTABLE = "undecryptable"
    INSUFFICIENT = "insufficient"
    UNREACHABLE = "unreachable"
    RECOVERED = "recovered"
    WEBHOOK = "webhook"
    ENDPOINT = "endpoint"
    BOUND = "bound"
    UNBOUND = "unbound"
    SWITCHED = "switched"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    CONFIRM = "confirm"
    ORPHANED = "orphaned"


OF_EVENT: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "binding.expired": Kind.EXPIRED,
        "binding.revoked": Kind.REVOKED,
        "binding.undecryptable": Kind.UNDECRYPTABLE,
        "binding.insufficient": Kind.INSUFFICIENT,
        "binding.unreachable": Kind.UNREACHABLE,
        "binding.bound": Kind.BOUND,
        "binding.unbound": Kind.UNBOUND,
        "binding.switched": Kind.SWITCHED,
        "binding.suspended": Kind.SUSPENDED,
        "binding.resumed": Kind.RESUMED,
        "binding.pending": Kind.CONFIRM,
        "binding.orphaned": Kind.ORPHANED,
        "webhook.failing": Kind.WEBHOOK,
        "endpoint.disabled": Kind.ENDPOINT,
    }
)
"""The events that are a notice by themselves. `binding.expiring` is told by rung, and a recovery
only when there was something to recover from."""
RECOVERIES: Final = frozenset(
    {"binding.recovered", "binding.replaced", "binding.rotated", "webhook.repaired"}
)
CREDENTIAL: Final = frozenset({Kind.EXPIRED, Kind.REVOKED, Kind.UNDECRYPTABLE, Kind.INSUFFICIENT})
"""Troubles of a credential; each is named like the status it comes from."""
TROUBLES: Final = CREDENTIAL | {Kind.UNREACHABLE, Kind.WEBHOOK}
OPEN_ENDED: Final = TROUBLES | {Kind.EXPIRING}
"""Kinds that stay open until something closes them; the others only say what happened."""

_USED = frozenset({"active", "expiring", "insufficient"})
_LATER = 14  # days: from this rung upwards there is time for a digest
_TOPICS = {
    Kind.EXPIRED: Topic.BROKEN,
    Kind.REVOKED: Topic.BROKEN,
    Kind.UNDECRYPTABLE: Topic.BROKEN,
    Kind.INSUFFICIENT: Topic.PERMISSION,
    Kind.UNREACHABLE: Topic.UNREACHABLE,
    Kind.RECOVERED: Topic.RECOVERED,
    Kind.WEBHOOK: Topic.PLUMBING,
    Kind.ENDPOINT: Topic.PLUMBING,
}


def topic_of(kind: str, step: int) -> Topic:
    """The line of the matrix a notice belongs to."""
    if kind == Kind.EXPIRING:
        return Topic.ENDS_LATER if step >= _LATER else Topic.ENDS_SOON
    return _TOPICS.get(Kind(kind), Topic.CHANGES)


def closed_by(event: str, picture: Mapping[str, Any]) -> frozenset[Kind]:
    """The kinds that are over once `event` was told of a binding that now looks like `picture`
    (api.md 3.3). What is paused may still be broken, so a pause closes nothing."""
    if event == "binding.unbound":
        return OPEN_ENDED
    status, over = picture.get("credential_status"), set[Kind]()
    if status in _USED:
        over |= {kind for kind in CREDENTIAL if kind.value != status}
    if picture.get("reachability") not in (None, "unreachable"):
        over.add(Kind.UNREACHABLE)
    if event == "webhook.repaired":
        over.add(Kind.WEBHOOK)
    return frozenset(over)
