"""Outages condemn nobody (security.md 2, row 8; cases fault-021, 022, 023, 029): a thousand
bindings of one host, in simulated time."""

from __future__ import annotations

import pytest

from portal.tenants.models import Tenant
from tests import outages
from tests.bindings.sources import GitLab
from tests.faults.conftest import Figure

COUNT = 1000


def test_down_for_an_hour(gitlab: GitLab, acme: Tenant, figure: Figure) -> None:
    found = outages.down_for_an_hour(outages.fleet(gitlab, acme, COUNT))
    figure(bindings=COUNT, **found)
    assert (found["condemned"], found["condemned_after"]) == (0, 0)
    assert (found["unreachable"], found["ok_after"]) == (COUNT, COUNT)
    assert found["tries_in_the_hour"] < 100


def test_401_for_everybody(gitlab: GitLab, acme: Tenant, figure: Figure) -> None:
    found = outages.refuses_everybody(outages.fleet(gitlab, acme, COUNT))
    figure(bindings=COUNT, **found)
    assert found["refusals"] >= COUNT
    assert (found["condemned"], found["held"]) == (0, 1)
    assert (found["condemned_after"], found["held_after"]) == (0, 0)


def test_429_storm(gitlab: GitLab, acme: Tenant, figure: Figure) -> None:
    found = outages.asks_to_wait(outages.fleet(gitlab, acme, COUNT))
    figure(bindings=COUNT, requests_before_retry_after=found["early"], **found)
    assert found == {"early": 0, "condemned": 0, "ok_after": COUNT}


@pytest.mark.parametrize("ahead", [600, -600])
def test_clocks_differ(gitlab: GitLab, acme: Tenant, figure: Figure, ahead: int) -> None:
    found = outages.clocks_differ(gitlab, acme, COUNT, ahead=ahead)
    figure(bindings=COUNT, seconds_ahead=ahead, **found)
    assert found == {"condemned": 0, "outcomes": {"ok": 3 * COUNT}}
