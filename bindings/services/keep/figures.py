"""The figures of the operators' health page: counted over all tenants, kept for when counting
fails, and never told without their age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from bindings.models import (
    Binding,
    CodeHost,
    Dispatch,
    Ending,
    Endpoint,
    Hook,
    PlatformAccount,
    Schedule,
)
from bindings.models.hooks import TROUBLED
from bindings.state import Reach, State, Status, Why, one_word
from portal.ground import rls

log = structlog.get_logger(__name__)

LATE = timedelta(minutes=10)
"""A check this long overdue is late: it is the lease after which a lost one is due again."""
SOON = timedelta(days=30)
TOLD_FOR = timedelta(days=30)
PATIENCE_MS = 5000
_KEPT, _KEPT_FOR = "operators-figures-2", 86_400
_WELL = frozenset({State.HEALTHY, State.EXPIRING, State.PENDING})


@dataclass(frozen=True, slots=True)
class Figures:
    """`platforms`: provider → state → live bindings. `oldest`: since when the oldest due check has
    waited. `left`: endings that gave something up to a person. `refused`: cloud accounts
    that the platform does not accept. `hooks`: webhooks that are unhealthy. `outgoing`: events on
    their way to builders, the oldest since `outgoing_oldest`; `dead`: those given up; `off`:
    endpoints that are off because they failed. `at`: when all this was counted."""

    at: datetime
    platforms: Mapping[str, Mapping[State, int]]
    soon: int = 0
    due: int = 0
    late: int = 0
    oldest: datetime | None = None
    endings: int = 0
    left: int = 0
    held: int = 0
    down: int = 0
    refused: int = 0
    hooks: int = 0
    outgoing: int = 0
    outgoing_oldest: datetime | None = None
    dead: int = 0
    off: int = 0
    fresh: bool = field(default=True, compare=False)

    @property
    def states(self) -> dict[State, int]:
        """State → live bindings of all platforms, in the order of the states."""
        total: Counter[State] = Counter()
        for counts in self.platforms.values():
            total.update(counts)
        return {word: total[word] for word in State if total[word]}

    @property
    def live(self) -> int:
        return sum(self.states.values())

    def failing(self, provider: str) -> int:
        """Live bindings of a platform that are neither well, nor ending, nor unconfirmed."""
        return sum(n for word, n in self.platforms[provider].items() if word not in _WELL)


def now_or_last(now: datetime) -> Figures | None:
    """The figures of this moment; the last ones, not `fresh`, when they cannot be counted in five
    seconds; None when there are no last ones either."""
    try:
        counted = _count(now)
    except DatabaseError as trouble:
        log.warning("the figures could not be counted", reason=type(trouble).__name__)
        kept: Figures | None = cache.get(_KEPT)
        return None if kept is None else replace(kept, fresh=False)
    cache.set(_KEPT, counted, _KEPT_FOR)
    return counted


def _count(now: datetime) -> Figures:
    with rls.fleet("figures for operators"), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(PATIENCE_MS)])
        live = Binding.objects.filter(unbound_at=None)
        waiting = Schedule.objects.filter(next_check_at__lte=now)
        return Figures(
            at=now,
            platforms=_platforms(),
            soon=live.filter(expires_at__lt=now + SOON).count(),
            late=waiting.filter(next_check_at__lt=now - LATE).count(),
            **waiting.aggregate(due=Count("pk"), oldest=Min("next_check_at")),
            endings=Ending.objects.filter(finished_at=None).count(),
            left=left_to_people(now).count(),
            held=CodeHost.objects.filter(held_since__isnull=False).count(),
            down=CodeHost.objects.filter(weather="down").count(),
            refused=refused_accounts().count(),
            hooks=unhealthy(Hook.objects.all()).count(),
            outgoing=Dispatch.objects.filter(state="waiting").count(),
            outgoing_oldest=oldest_outgoing(),
            dead=Dispatch.objects.filter(state="abandoned").count(),
            off=Endpoint.objects.filter(enabled=False, why__in=("failures", "gone")).count(),
        )


def unhealthy(rows: QuerySet[Hook]) -> QuerySet[Hook]:
    """Of these webhooks, those that may not deliver what is pushed. Needs a scope."""
    return rows.filter(status__in=TROUBLED)


def oldest_outgoing() -> datetime | None:
    """Since when the oldest event waits for an endpoint that is on. Needs a scope."""
    waiting = Dispatch.objects.filter(state="waiting", endpoint__enabled=True)
    found: datetime | None = waiting.aggregate(at=Min("created_at"))["at"]
    return found


def refused_accounts() -> QuerySet[PlatformAccount]:
    """The cloud accounts whose bindings are paused because the platform refuses them. Needs a
    scope."""
    paused = Binding.objects.filter(
        platform_account=OuterRef("pk"),
        unbound_at=None,
        status=Status.SUSPENDED,
        why=Why.PLATFORM_REFUSED,
    )
    return PlatformAccount.objects.filter(Exists(paused))


def left_to_people(now: datetime) -> QuerySet[Ending]:
    """Endings of the last 30 days that gave something up to a person. Needs a scope."""
    given_up = Ending.objects.filter(steps__contains=[{"status": "manual"}])
    return given_up.filter(Q(finished_at=None) | Q(finished_at__gt=now - TOLD_FOR))


def _platforms() -> dict[str, dict[State, int]]:
    live = Binding.objects.filter(unbound_at=None).annotate(doubted=Q(suspicion__gt=0))
    rows = live.values_list("provider", "status", "reach", "doubted")
    found: dict[str, Counter[State]] = {}
    for provider, status, reach, doubted, n in rows.annotate(n=Count("pk")).order_by():
        word = one_word(Status(status), Reach(reach), suspicion=int(doubted))
        found.setdefault(provider, Counter())[word] += n
    return {provider: dict(counts) for provider, counts in found.items()}
