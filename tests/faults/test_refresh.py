"""Refreshes under fire, in full (`make faults`): a thousand races and fifty kills, with figures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portal.tenants.models import Tenant
from tests.bindings import renewals, rounds
from tests.bindings.conftest import near
from tests.hosts import Sandbox

__all__ = ["near"]  # the sandbox, which may be dialled: a fixture


def test_a_thousand_races_make_one_request_each(
    near: Sandbox, acme: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    with renewals.workers(near, rounds.TOGETHER) as crew:
        found = rounds.race(near, acme, crew, count=1000)
    with capsys.disabled():
        print(f"\nrefresh races: {json.dumps(found.figures)}")
    assert (found.rounds, found.requests) == (1000, 1000)
    assert (found.condemned, found.stale) == (0, 0)


def test_fifty_kills_lose_nothing_silently(
    near: Sandbox, acme: Tenant, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    # So many losses of a few bindings are a mass episode, in which nobody is told anything.
    settings.MOORING_MASS_GUARD = (100, 1000)
    found = rounds.kill(near, acme, count=50)
    with capsys.disabled():
        print(f"\nrefresh kills: {json.dumps(found.figures)}")
    assert found.kills == 50
    assert (found.silent, found.avoidable) == (0, 0)
    assert found.named == found.lost
