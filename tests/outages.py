"""What code hosts do on bad days, played for a whole fleet in simulated time.

The ordinary suite plays each with a few bindings, `make faults` with a thousand. Each function
plays one fault from beginning to end and returns what was counted; the tests say what must hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.utils import timezone

from bindings import tasks
from bindings.models import Binding, CodeHost
from bindings.services.keep import guard, sweep
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.fleet import Clock, host, many, reload
from tests.bindings.sources import GitLab, make_due

SELF = "/api/v4/personal_access_tokens/self"
CONDEMNED = ("revoked", "expired", "suspended", "insufficient", "undecryptable")
SLICE = tasks.SLICE_SECONDS


@dataclass
class Fleet:
    """So many bindings of one host, and a clock that only the test moves."""

    gitlab: GitLab
    rows: list[Binding]
    clock: Clock
    at: CodeHost
    outcomes: Counter[str] = field(default_factory=Counter)

    def sweep(self) -> int:
        """One tick of beat; how many were asked."""
        guard.end_episodes(self.clock())
        result = sweep.run(budget_s=SLICE, clock=self.clock)
        self.outcomes.update(result.outcomes)
        return result.asked

    def minutes(self, count: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """A tick a minute."""
        for _ in range(count):
            self.sweep()
            meanwhile()
            self.clock.move(minutes=1)

    def words(self) -> Counter[str]:
        """How many bindings read how."""
        with rls.fleet("a test looks"):
            kept = Binding.objects.filter(pk__in=[row.pk for row in self.rows])
            return Counter(kept.values_list("status", flat=True))

    def reaches(self) -> Counter[str]:
        with rls.fleet("a test looks"):
            kept = Binding.objects.filter(pk__in=[row.pk for row in self.rows])
            return Counter(kept.values_list("reach", flat=True))

    def condemned(self) -> int:
        """Bindings whose working token is no longer believed."""
        words = self.words()
        return sum(words[word] for word in CONDEMNED)

    def asked(self) -> int:
        """Requests that reached the host since the test began."""
        return self.gitlab.asked()

    def make_due(self) -> None:
        make_due(*self.rows, at=self.clock())


def fleet(gitlab: GitLab, tenant: Tenant, count: int, **more: Any) -> Fleet:
    """`count` bindings of a working token, due now."""
    there = host(gitlab)
    clock = Clock(more.pop("now", None) or timezone.now())
    facts = {"token": gitlab.token(), **gitlab.ends(), "due": clock(), **more}
    rows = many(tenant, there, count, **facts)
    return Fleet(gitlab, rows, clock, there)


def down_for_an_hour(played: Fleet) -> dict[str, Any]:
    """Connections are refused for an hour, then the host is back."""
    played.gitlab.sandbox.stop()
    played.minutes(60)
    away = {"condemned": played.condemned(), "unreachable": played.reaches()["unreachable"]}
    asked = sum(played.outcomes.values())
    played.gitlab.sandbox.start()
    played.minutes(30)
    return {
        **away,
        "tries_in_the_hour": asked,
        "condemned_after": played.condemned(),
        "ok_after": played.reaches()["ok"],
    }


def refuses_everybody(played: Fleet) -> dict[str, Any]:
    """The host says 401 to everybody for an hour, then believes us again."""
    played.gitlab.fault("unauthorized")
    played.minutes(60)
    found = {
        "condemned": played.condemned(),
        "refusals": played.outcomes["refused"],
        "held": int(reload(played.at).held_since is not None),
    }
    played.gitlab.sandbox.clear_faults()
    played.minutes(150)
    return {
        **found,
        "condemned_after": played.condemned(),
        "held_after": int(reload(played.at).held_since is not None),
    }


def asks_to_wait(played: Fleet, *, storms: int = 3, seconds: int = 600) -> dict[str, Any]:
    """429 with Retry-After, again and again. Counts the requests that came too early."""
    early = 0
    for _ in range(storms):
        played.gitlab.fault("rate_limit", value=seconds)
        played.make_due()
        played.sweep()
        told = played.asked()
        played.clock.move(seconds=30)
        # Everything is due all the time, and nothing may be asked before the time is over.
        for _ in range(seconds // 60 - 1):
            played.make_due()
            played.sweep()
            played.clock.move(minutes=1)
        early += played.asked() - told
        played.gitlab.sandbox.clear_faults()
        played.clock.move(seconds=61)
    played.make_due()
    played.minutes(15)
    return {"early": early, "condemned": played.condemned(), "ok_after": played.reaches()["ok"]}


def clocks_differ(gitlab: GitLab, tenant: Tenant, count: int, *, ahead: int) -> dict[str, Any]:
    """Our clock is `ahead` seconds ahead of the host's, and all tokens end tonight. Ahead: we think
    that they have ended, and the host still takes them. Behind: the host is nearer to the end."""
    end = datetime.combine(timezone.now().date() + timedelta(days=20), time(), UTC)
    day = end.date().isoformat()
    token = gitlab.sandbox.new_token("gitlab", "build-bot", "ends-tonight", ["api"], day)
    now = end + timedelta(seconds=ahead / 2 if ahead > 0 else ahead - 60)
    ends = {"expires_at": end, "quality": "exact", "status": "expiring", "why": "ends_soon"}
    played = fleet(gitlab, tenant, count, now=now, token=token, **ends)
    theirs = now - timedelta(seconds=ahead)
    gitlab.sandbox.skew((theirs - timezone.now()).total_seconds())
    for _ in range(3):
        played.sweep()
        played.make_due()
    return {"condemned": played.condemned(), "outcomes": dict(played.outcomes)}
