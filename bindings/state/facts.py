"""What is known about a binding before an answer, and what is decided after it: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from bindings.state.words import Note, Reach, Status, Why
from providers.types import Expiry, Method, Purpose, Quality

CONFIRM_SECONDS = 60
"""A refusal counts once it is repeated this much later (G12)."""
SKEW = timedelta(minutes=10)
"""Clocks may differ by this much without anything changing (`security.md` 5)."""
EXPIRING = timedelta(days=30)
"""`active` becomes `expiring` this long before the end (`api.md` 2)."""
DATED = frozenset({Quality.EXACT, Quality.STATED})
NO_END = Expiry()
BY_THE_PLATFORM = frozenset({Why.ACCOUNT_BLOCKED, Why.PLATFORM_REFUSED})
"""Pauses that the platform caused, and so may lift."""
_DEAD = frozenset({Status.REVOKED, Status.EXPIRED})


@dataclass(frozen=True, slots=True)
class Facts:
    """One binding as it is stored. Times are UTC and aware.

    `since`: when `status` last changed. `before`, `before_why`: kept while suspended or
    undecryptable. `suspicion`: refusals in a row; `refused_at`: the first of them that counts,
    None when none does. `failures`: unusable answers in a row. `end`: of the binding as people see
    it; `access_until`: of the access token that a renewing (`renews`) credential holds now.
    `next_check_at` None: not again by itself.
    """

    status: Status
    reach: Reach = Reach.OK
    kind: Method = Method.TOKEN
    manual_only: bool = False
    account_id: str = ""
    version: int = 1
    generation: int = 1
    since: datetime | None = None
    why: Why = Why.NONE
    before: Status | None = None
    before_why: Why = Why.NONE
    reach_since: datetime | None = None
    reach_why: str = ""
    reach_until: datetime | None = None
    suspicion: int = 0
    refused_at: datetime | None = None
    failures: int = 0
    first_failure_at: datetime | None = None
    end: Expiry = NO_END
    renews: bool = False
    access_until: datetime | None = None
    used_at: datetime | None = None
    next_check_at: datetime | None = None

    def but(self, **changes: Any) -> Facts:
        """These facts with `changes`; themselves where that changes nothing, which is what most
        answers do, and a copy of so many fields is what a verdict would spend its time on."""
        for name, value in changes.items():
            if getattr(self, name) != value:
                return replace(self, **changes)
        return self

    @property
    def needs(self) -> frozenset[Purpose]:
        """The abilities without which this binding is `insufficient`."""
        return frozenset(Purpose) - ({Purpose.HOOKS} if self.manual_only else set())

    @property
    def called(self) -> bool:
        """Whether checks call the platform at all. A blocked account and a cloud account that is
        refused are asked once a day; every other pause, an unconfirmed account and a credential
        that does not open make no calls."""
        if self.status is Status.SUSPENDED:
            return self.why in BY_THE_PLATFORM
        return self.status not in (Status.PENDING, Status.UNDECRYPTABLE)

    @property
    def condemned(self) -> bool:
        """Has the platform refused this credential for good? One more refusal is no news."""
        return self.status in _DEAD or self.why is Why.PLATFORM_REFUSED

    def by_date(self, now: datetime) -> tuple[Status, Why]:
        """What a credential that works is called today: only exact and stated ends count, and only
        where nothing renews it."""
        lost = self.why is Why.REFRESH_LOST
        if self.end.at is None or self.end.quality not in DATED or (self.renews and not lost):
            return Status.ACTIVE, Why.NONE
        if self.end.at - now > EXPIRING:
            return Status.ACTIVE, Why.NONE
        return Status.EXPIRING, Why.REFRESH_LOST if lost else Why.ENDS_SOON


_OF_SCHEDULE = frozenset({"failures", "next_check_at"})
_beyond_schedule = attrgetter(*(f.name for f in fields(Facts) if f.name not in _OF_SCHEDULE))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look, act or passing of time made of a binding.

    `facts` are the new ones, `was` the ones it began with; the caller stores the difference only
    if `was.version` still stands. `checked_at` None: no call was made. `missing`: ability → what
    it lacks. `events`: types of `api.md` 6.2 to tell.
    """

    facts: Facts
    was: Facts
    checked_at: datetime | None = None
    missing: Mapping[Purpose, tuple[str, ...]] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    notes: frozenset[Note] = frozenset()

    @property
    def status(self) -> Status:
        return self.facts.status

    @property
    def reach(self) -> Reach:
        return self.facts.reach

    @property
    def why(self) -> Why:
        return self.facts.why

    @property
    def next_check_at(self) -> datetime | None:
        return self.facts.next_check_at

    @property
    def changed(self) -> bool:
        """Whether anything moved that is not in the narrow schedule table."""
        return _beyond_schedule(self.facts) != _beyond_schedule(self.was)

    @property
    def status_changed(self) -> bool:
        return self.status is not self.was.status

    @property
    def reach_changed(self) -> bool:
        return self.reach is not self.was.reach

    @property
    def flips(self) -> bool:
        """Whether this is one of the turns for the worse that the mass guard counts (G13)."""
        worse = {Status.REVOKED, Status.EXPIRED, Status.SUSPENDED, Status.INSUFFICIENT}
        return self.status_changed and self.status in worse
