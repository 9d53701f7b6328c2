"""Figures that stand in the product's tables, for monitoring and for the tenant chooser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client.core import Metric

from bindings.models import Binding, CodeHost, RefreshIntent, Schedule
from bindings.services.custody import keyring
from bindings.services.keep import drills, figures
from bindings.state import FACE, Reach, State, Status, Tone, one_word
from portal.ground import metrics, rls

_DAYS: Final = (0, 1, 3, 7, 14, 30, 90, 365)
_COLUMNS: Final = ("provider", "status", "reach", "suspicion")


def read() -> Iterator[Metric]:
    """Bindings by state, their ends, the lag of the sweep, mass guards, open intents, rows under
    each key; read whenever Prometheus asks, in one short fleet transaction."""
    now = timezone.now()
    with rls.fleet("figures for monitoring"):
        found = [_bindings(), _ends(now), _lag(now), _guards(), _intents(), _drills(), _outbox(now)]
    yield from found
    rows = keyring.rows_by_key()
    yield metrics.gauge("key_rows", {(key_id,): n for key_id, n in rows.items()})


def need_attention(tenant_id: UUID) -> int:
    """How many live bindings of a tenant somebody has to do something about. Needs its scope."""
    live = Binding.objects.of(tenant_id).filter(unbound_at=None)
    grouped = live.values_list(*_COLUMNS).annotate(n=Count("pk")).order_by()
    return sum(
        n
        for _provider, status, reach, suspicion, n in grouped
        if _to_do(one_word(Status(status), Reach(reach), suspicion=suspicion))
    )


def _to_do(state: State) -> bool:
    return FACE[state].tone is Tone.RED or state in (State.INSUFFICIENT, State.EXPIRING)


def _bindings() -> Metric:
    counts: Counter[tuple[str, ...]] = Counter()
    grouped = Binding.objects.filter(unbound_at=None).values_list(*_COLUMNS)
    for provider, status, reach, suspicion, n in grouped.annotate(n=Count("pk")).order_by():
        state = one_word(Status(status), Reach(reach), suspicion=suspicion)
        counts[provider, state.value] += n
    return metrics.gauge("bindings", counts)


def _ends(now: datetime) -> Metric:
    below = {
        f"below_{days}": Count("pk", filter=Q(expires_at__lt=now + timedelta(days=days)))
        for days in _DAYS
    }
    dated = Binding.objects.filter(unbound_at=None, expires_at__isnull=False)
    rows = dated.values_list("provider").annotate(every=Count("pk"), **below).order_by()
    return metrics.expiry_days(
        {
            provider: (dict(zip(_DAYS, counts, strict=True)), every)
            for provider, every, *counts in rows
        }
    )


def _outbox(now: datetime) -> Metric:
    oldest = figures.oldest_outgoing()
    waited = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    return metrics.gauge("outbox_oldest_seconds", {(): waited})


def _lag(now: datetime) -> Metric:
    oldest = Schedule.objects.filter(next_check_at__lte=now).aggregate(at=Min("next_check_at"))
    late = (now - oldest["at"]).total_seconds() if oldest["at"] else 0.0
    return metrics.gauge("check_due_lag_seconds", {(): late})


def _intents() -> Metric:
    return metrics.gauge("open_refresh_intents", {(): float(RefreshIntent.objects.count())})


def _drills() -> Metric:
    """So that an alert can tell a rehearsal from the real thing."""
    return metrics.gauge("drills_running", drills.running())


def _guards() -> Metric:
    """Operators' hosts only: the name of a tenant's own server says who the tenant is."""
    held = CodeHost.objects.filter(owner=None, held_since__isnull=False)
    slugs = held.values_list("slug", flat=True)
    return metrics.gauge("mass_guard_active", {(slug,): 1.0 for slug in slugs})
