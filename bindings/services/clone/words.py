"""What git's users read when a clone is turned away: one sentence and a code, never an address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from bindings import problems
from bindings.state import State
from providers.catalogue import REGISTRY
from providers.errors import (
    NotFound,
    ProviderError,
    RateLimited,
    TokenRejected,
    Unreachable,
)

REALM = {"WWW-Authenticate": 'Basic realm="mooring-git"'}
LARGEST = 16 * 1024 * 1024
AT_ONCE = 8
"""Requests of one lease."""
_GATEWAY = frozenset({404, 502, 503, 504})


class TurnedAway(Exception):
    """A request of git that is not served. `sentence` holds no secret and no address."""

    def __init__(
        self, status: int, code: str, sentence: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.sentence = status, code, sentence
        self.headers = dict(headers or {})

    @property
    def text(self) -> str:
        """As git prints it."""
        return f"{self.sentence} ({self.code})\n"


def unreadable() -> TurnedAway:
    return TurnedAway(400, "X-PARAM-02", _("This is not a request of git."))


def no_lease() -> TurnedAway:
    said = _("Send a lease: its id as user name, its password as password.")
    return TurnedAway(401, "X-AUTH-01", said, REALM)


def wrong_lease() -> TurnedAway:
    return TurnedAway(401, "X-AUTH-02", _("There is no such lease."), REALM)


def ended_lease(at: datetime) -> TurnedAway:
    said = _("This lease ended at %(time)s UTC.") % {"time": f"{at.astimezone(UTC):%H:%M}"}
    return TurnedAway(401, "X-AUTH-02", said, REALM)


def read_only() -> TurnedAway:
    return TurnedAway(403, "X-SCOPE-01", _("This address is read-only."))


def nothing_here() -> TurnedAway:
    return TurnedAway(404, "X-FOUND-01", _("There is nothing here for git to read."))


def other_repository() -> TurnedAway:
    return TurnedAway(404, "X-FOUND-01", _("This lease is for another repository."))


def other_method(allowed: str) -> TurnedAway:
    said = _("This is not possible here.")
    return TurnedAway(405, "X-METHOD-01", said, {"Allow": allowed})


def too_slow() -> TurnedAway:
    return TurnedAway(408, "X-PARAM-02", _("This is not a request of git."))


def not_usable(state: State) -> TurnedAway:
    word = problems.state_words(state)
    said = _("This binding cannot be used now: %(state)s.") % {"state": word}
    return TurnedAway(409, "X-STATE-01", said)


def length_unknown() -> TurnedAway:
    return TurnedAway(411, "X-PARAM-02", _("This is not a request of git."))


def too_large() -> TurnedAway:
    said = _("This request is larger than %(n)d MiB.") % {"n": LARGEST >> 20}
    return TurnedAway(413, "X-SIZE-01", said)


def too_many() -> TurnedAway:
    said = _("%(n)d requests of this lease are running already.") % {"n": AT_ONCE}
    return TurnedAway(429, "X-RATE-01", said, {"Retry-After": "5"})


def too_many_of_tenant() -> TurnedAway:
    said = _("Too many clones are running. Try again in a moment.")
    return TurnedAway(429, "X-RATE-01", said, {"Retry-After": "10"})


def host_failed(error: ProviderError, provider: str) -> TurnedAway:
    """What the host did, in words that name neither its address nor what was sent to it."""
    code = problems.refusal(error, prefix=REGISTRY[provider].spec.prefix).code
    status = problems.status_of(code)
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(max(round(error.retry_after), 1))
    return TurnedAway(status if status in _GATEWAY else 502, code, _of(error), headers)


def _of(error: ProviderError) -> str:
    match error:
        case TokenRejected():
            return _("The code host did not accept the stored credential. It is being checked.")
        case NotFound():
            return _("The code host does not show this repository to the bound account.")
        case RateLimited():
            return _("The code host asks us to wait.")
        case Unreachable():
            return _("The code host did not answer.")
    return _("The code host did not give what git needs.")
