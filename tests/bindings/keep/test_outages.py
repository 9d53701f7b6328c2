"""Outages condemn nobody, whatever the host does (security.md 2, row 8). With a thousand bindings:
`make faults`."""

from __future__ import annotations

import pytest

from portal.tenants.models import Tenant
from tests import outages
from tests.bindings.sources import GitLab

COUNT = 30


def test_a_host_that_is_down_for_an_hour_condemns_nobody(gitlab: GitLab, acme: Tenant) -> None:
    found = outages.down_for_an_hour(outages.fleet(gitlab, acme, COUNT))
    assert found["tries_in_the_hour"] < 40 + COUNT  # one probe for all, not one for each
    assert found | {"tries_in_the_hour": 0} == {
        "condemned": 0,
        "unreachable": COUNT,
        "tries_in_the_hour": 0,
        "condemned_after": 0,
        "ok_after": COUNT,
    }


def test_401_for_everybody_condemns_nobody(gitlab: GitLab, acme: Tenant) -> None:
    found = outages.refuses_everybody(outages.fleet(gitlab, acme, COUNT))
    assert found["refusals"] >= COUNT
    assert (found["condemned"], found["held"]) == (0, 1)
    assert (found["condemned_after"], found["held_after"]) == (0, 0)


def test_nothing_is_asked_before_the_time_that_a_host_names(gitlab: GitLab, acme: Tenant) -> None:
    found = outages.asks_to_wait(outages.fleet(gitlab, acme, COUNT), storms=2)
    assert found == {"early": 0, "condemned": 0, "ok_after": COUNT}


@pytest.mark.parametrize("ahead", [600, -600])
def test_clocks_that_differ_by_ten_minutes_condemn_nobody(
    gitlab: GitLab, acme: Tenant, ahead: int
) -> None:
    found = outages.clocks_differ(gitlab, acme, COUNT, ahead=ahead)
    assert found == {"condemned": 0, "outcomes": {"ok": 3 * COUNT}}
