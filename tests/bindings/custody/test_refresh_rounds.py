"""A few rounds of what `tests/faults` does a thousand times: races and kills of refreshes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from portal.tenants.models import Tenant
from tests.bindings import renewals, rounds
from tests.hosts import Sandbox


def test_of_four_who_refresh_at_once_one_asks(near: Sandbox, acme: Tenant) -> None:
    with renewals.workers(near, rounds.TOGETHER) as crew:
        found = rounds.race(near, acme, crew, count=20)
    assert found.answers == Counter(stored=20, moved=60)
    assert (found.requests, found.condemned, found.stale) == (20, 0, 0)


def test_a_killed_refresh_loses_nothing_silently(
    near: Sandbox, acme: Tenant, settings: Any
) -> None:
    # So many losses of a few bindings are a mass episode, in which nobody is told anything.
    settings.MOORING_MASS_GUARD = (100, 1000)
    found = rounds.kill(near, acme, count=4)
    assert found.kills == 4
    assert (found.silent, found.avoidable) == (0, 0)
    assert found.named == found.lost
