"""What all bindings of one host say together: is it down, and does it refuse everybody at once?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from bindings.models import CodeHost
from portal.ground import rls
from providers.errors import ProviderError, RateLimited, Unreachable

EPISODE = timedelta(hours=1)
"""Refusals this far apart count as one episode; a released host is believed for as long."""
BREAKS_AFTER = 5  # failures in a row (security.md 6)

_COUNT = """
SELECT count(*) FILTER (
         WHERE refused_at > %(since)s
            OR (status IN ('revoked', 'expired', 'suspended', 'insufficient')
                AND status_since > %(since)s)),
       (SELECT count(*) FROM bindings_binding WHERE host_id = %(host)s AND unbound_at IS NULL)
FROM bindings_binding
WHERE host_id = %(host)s AND unbound_at IS NULL
  AND (status NOT IN ('active', 'expiring') OR refused_at IS NOT NULL)
"""


@dataclass
class Guard:
    """The mass guard of one sweep (G13). It counts in PostgreSQL, over all tenants and workers,
    and believes its own count for a few seconds."""

    share: float = field(default_factory=lambda: settings.MOORING_MASS_GUARD[0] / 100)
    least: int = field(default_factory=lambda: settings.MOORING_MASS_GUARD[1])
    _seen: dict[UUID, tuple[datetime, bool]] = field(default_factory=dict)
    _here: Counter[UUID] = field(default_factory=Counter)

    def holds(self, host_id: UUID, *, now: datetime) -> bool:
        """Would too many bindings of this host turn for the worse? Opens the fleet's scope."""
        self._here[host_id] += 1
        known = self._seen.get(host_id)
        if known is not None and now - known[0] < timedelta(seconds=2):
            return known[1]
        held = self._count(host_id, now)
        self._seen[host_id] = (now, held)
        return held

    def _count(self, host_id: UUID, now: datetime) -> bool:
        with rls.fleet("mass guard"):
            host = CodeHost.objects.get(pk=host_id)
            if host.released_at is not None and now - host.released_at < EPISODE:
                return False
            with connection.cursor() as cursor:
                cursor.execute(_COUNT, {"host": host_id, "since": now - EPISODE})
                unwell, live = cursor.fetchone()
            # Those of this sweep that are not stored yet may be among the counted: no harm, the
            # guard is allowed to be careful.
            many = max(unwell, self._here[host_id])
            held = bool(many >= self.least and many > self.share * live)
            if held and host.held_since is None:
                CodeHost.objects.filter(pk=host_id).update(held_since=now)
        return held


@dataclass
class Breaker:
    """Stops asking a host that does not answer: one probe finds out whether it is back."""

    failures: Counter[UUID] = field(default_factory=Counter)

    def heard(self, host_id: UUID, answer: object) -> bool:
        """Count an answer. True when this one opens the breaker."""
        if isinstance(answer, RateLimited):
            return True
        if isinstance(answer, Unreachable):
            self.failures[host_id] += 1
            return self.failures[host_id] >= BREAKS_AFTER
        if not isinstance(answer, ProviderError):
            self.failures[host_id] = 0
        return False


def release(host: CodeHost, *, now: datetime) -> None:
    """An operator believes the host: verdicts count again. Opens the fleet's scope."""
    with rls.fleet("release the mass guard"):
        CodeHost.objects.filter(pk=host.pk).update(held_since=None, released_at=now)


def clear(now: datetime) -> int:
    """End the episodes of hosts that no longer refuse many; how many there were."""
    ended = 0
    with rls.fleet("end mass episodes"):
        for host in CodeHost.objects.filter(held_since__lt=now - EPISODE):
            with connection.cursor() as cursor:
                cursor.execute(_COUNT, {"host": host.pk, "since": now - EPISODE})
                unwell, live = cursor.fetchone()
            share, least = settings.MOORING_MASS_GUARD
            if not (unwell >= least and unwell > share / 100 * live):
                CodeHost.objects.filter(pk=host.pk).update(held_since=None)
                ended += 1
    return ended
