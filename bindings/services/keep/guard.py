"""The mass guard: while one host refuses many at once, nobody's turn for the worse is believed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection

from bindings.models import Binding, CodeHost, Schedule
from bindings.state import Status
from portal.ground import rls

log = structlog.get_logger(__name__)

EPISODE = timedelta(hours=1)
"""Turns this far apart count as one episode; a released host is believed for as long."""
_BELIEVED = timedelta(seconds=2)
_DEAD = (Status.REVOKED.value, Status.EXPIRED.value)

# Doubted or turned for the worse within the episode. An end that has come is nobody's fault.
_COUNT = """
SELECT count(*) FILTER (
         WHERE (suspicion > 0 AND status NOT IN ('revoked', 'expired'))
            OR (status IN ('revoked', 'expired', 'suspended', 'insufficient')
                AND status_since > %(since)s)),
       (SELECT count(*) FROM bindings_binding WHERE host_id = %(host)s AND unbound_at IS NULL)
FROM bindings_binding
WHERE host_id = %(host)s AND unbound_at IS NULL AND drill = ''
  AND (NOT status IN ('active', 'expiring') OR suspicion > 0)
  AND NOT (quality = 'exact' AND expires_at <= %(now)s)
"""


@dataclass(frozen=True, slots=True)
class _Count:
    """What the database said, and when."""

    at: datetime
    held: bool
    unwell: int = 0
    live: int = 0

    def many(self, here: int) -> bool:
        """More than 20 % and at least 5 of the live bindings, `here` of them in this sweep."""
        share, enough = settings.MOORING_MASS_GUARD
        # Those of this sweep may be stored already and so be counted: the larger figure counts.
        found = max(self.unwell, here)
        return bool(found >= enough and found * 100 > share * self.live)


@dataclass
class Guard:
    """The mass guard of one sweep (G13). It counts in PostgreSQL, over all tenants and workers,
    and believes what it read there for two seconds."""

    _read: dict[UUID, _Count] = field(default_factory=dict)
    _here: Counter[UUID] = field(default_factory=Counter)

    def holds(self, host_id: UUID, *, now: datetime) -> bool:
        """Is this one turn for the worse too many of this host? Opens the fleet's scope."""
        self._here[host_id] += 1
        known = self._read.get(host_id)
        if known is None or (not known.held and now - known.at >= _BELIEVED):
            known = self._read[host_id] = _counted(host_id, now)
        if not known.held and known.live and known.many(self._here[host_id]):
            known = self._read[host_id] = _Count(now, held=True)
            _hold(host_id, now)
        return known.held


def _counted(host_id: UUID, now: datetime) -> _Count:
    with rls.fleet("mass guard"):
        host = CodeHost.objects.get(pk=host_id)
        if host.released_at is not None and now - host.released_at < EPISODE:
            return _Count(now, held=False)
        if host.held_since is not None:
            return _Count(now, held=True)
        return _count(host_id, now)


def _count(host_id: UUID, now: datetime) -> _Count:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"host": host_id, "since": now - EPISODE, "now": now})
        unwell, live = cursor.fetchone()
    return _Count(now, False, unwell, live)


def _hold(host_id: UUID, now: datetime) -> None:
    with rls.fleet("mass guard"):
        CodeHost.objects.filter(pk=host_id, held_since=None).update(held_since=now)
    log.error("the mass guard holds the verdicts of a host", host=str(host_id))


def release(host: CodeHost, *, now: datetime) -> None:
    """An operator believes the host: its verdicts count again, and those that were held are asked
    for at once. Opens the fleet's scope."""
    with rls.fleet("release the mass guard"):
        CodeHost.objects.filter(pk=host.pk).update(held_since=None, released_at=now)
        doubted = Binding.objects.filter(host=host, unbound_at=None, suspicion__gt=0)
        Schedule.objects.filter(
            binding__in=doubted.exclude(status__in=_DEAD), next_check_at__gt=now
        ).update(next_check_at=now)


def end_episodes(now: datetime) -> int:
    """Believe the hosts again that no longer refuse many; how many there were."""
    with rls.fleet("end mass episodes"):
        held = CodeHost.objects.filter(held_since__isnull=False)
        over = [host.pk for host in held if not _count(host.pk, now).many(0)]
        return CodeHost.objects.filter(pk__in=over).update(held_since=None)
