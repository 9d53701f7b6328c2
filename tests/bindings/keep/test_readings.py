"""The figures move with what happens: one test for each family that a fault or a drill moves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bindings.models import Binding
from bindings.services.bind import token
from bindings.services.custody.pace import THEIRS
from bindings.services.keep import checks, drills, sweep
from bindings.services.keep.rehearsal import Scenario
from portal.ground import metrics
from portal.tenants.models import Instance, Tenant
from tests.bindings.fleet import Clock, host, many
from tests.bindings.sources import GitLab, make_due, stored
from tests.people import Somebody

_LINE = re.compile(r"^mooring_(\w+)\{(.*)\} ([\d.e+]+)$", re.MULTILINE)


def figures(family: str) -> Counter[str]:
    """Labels → value of one family, as Prometheus reads it."""
    found = _LINE.findall(metrics.text().decode())
    return Counter({labels: float(n) for name, labels, n in found if name == family})


@contextmanager
def moved(family: str) -> Iterator[dict[str, float]]:
    """What a block adds to the values of a family."""
    before, change = figures(family), dict[str, float]()
    yield change
    after = figures(family)
    change.update({key: after[key] - before[key] for key in after if after[key] != before[key]})


def labels(**named: str) -> str:
    return ",".join(f'{name}="{value}"' for name, value in sorted(named.items()))


def check(result: str) -> str:
    return labels(provider="gitlab", result=result)


def request(outcome: str, at: str = "our-gitlab") -> str:
    return labels(provider="gitlab", host=at, outcome=outcome)


@pytest.mark.parametrize(
    ("fault", "result", "outcome"),
    [
        ("", "ok", "ok"),
        ("unauthorized", "refused", "refused"),
        ("rate_limit", "rate_limited", "rate_limited"),
        ("status:503", "unreachable", "failed"),
        ("reset", "unreachable", "unreachable"),
    ],
)
def test_checks_and_requests_are_counted_by_what_came_of_them(
    gitlab: GitLab, acme: Tenant, fault: str, result: str, outcome: str
) -> None:
    many(acme, host(gitlab), 3, token=gitlab.token())
    if fault:
        gitlab.fault(fault)
    with moved("checks_total") as counted, moved("provider_requests_total") as asked:
        done = sweep.run()
    assert counted == {check(result): sum(done.outcomes.values())}
    assert set(asked) == {request(outcome)}
    assert asked[request(outcome)] >= counted[check(result)]


def test_a_credential_that_does_not_open_counts_and_asks_nobody(
    gitlab: GitLab, acme: Tenant, settings: Any
) -> None:
    many(acme, host(gitlab), 2, token=gitlab.token())
    settings.MOORING_KEYS = "other1:" + "A" * 43
    with moved("checks_total") as counted, moved("provider_requests_total") as asked:
        sweep.run()
    assert (counted, asked) == ({check("undecryptable"): 2.0}, {})


def test_a_check_by_hand_counts_too(gitlab: GitLab, binding: Binding, alice: Somebody) -> None:
    with moved("checks_total") as counted:
        checks.run_now(binding=binding)
    assert counted == {check("ok"): 1.0}


def test_a_server_that_a_tenant_typed_is_not_named(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    with moved("provider_requests_total") as asked:
        token.bind(actor=alice.actor, instance=instance, ask=gitlab.ask())
    assert asked[request("ok", THEIRS)] > 0
    assert all(f'host="{THEIRS}"' in one for one in asked)
    assert str(gitlab.sandbox.port) not in str(asked)


def test_the_time_of_calls_is_kept(gitlab: GitLab, acme: Tenant) -> None:
    many(acme, host(gitlab), 2, token=gitlab.token())
    with moved("provider_request_seconds_count") as timed:
        sweep.run()
    assert timed == {labels(provider="gitlab"): len(gitlab.sandbox.requests("gitlab"))}


def test_a_drill_moves_checks_and_bindings_and_says_so_but_asks_nobody(
    gitlab: GitLab, binding: Binding, alice: Somebody
) -> None:
    clock = Clock()
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED, now=clock())
    with moved("checks_total") as counted, moved("provider_requests_total") as asked:
        for _ in range(4):
            sweep.run(clock=clock)
            clock.move(minutes=1)
    assert (counted, asked) == ({check("refused"): 2.0}, {})
    assert figures("bindings") == {labels(provider="gitlab", state="revoked"): 1.0}
    assert figures("drills_running") == {labels(provider="gitlab", scenario="revoked"): 1.0}
    drills.end(actor=alice.actor, binding=binding)
    assert figures("bindings") == {labels(provider="gitlab", state="healthy"): 1.0}
    assert figures("drills_running") == {}


def test_the_mass_guard_shows_while_it_holds(gitlab: GitLab, acme: Tenant) -> None:
    there, clock = host(gitlab), Clock()
    rows = many(acme, there, 10, token=gitlab.token(), due=clock())
    assert figures("mass_guard_active") == {}
    gitlab.fault("unauthorized")
    for _ in range(3):
        sweep.run(clock=clock)
        clock.move(minutes=1)
    assert figures("mass_guard_active") == {labels(host="our-gitlab"): 1.0}
    assert figures("bindings") == {labels(provider="gitlab", state="degraded"): 10.0}
    gitlab.sandbox.clear_faults()
    make_due(*rows, at=clock())
    sweep.run(clock=clock)
    assert figures("bindings") == {labels(provider="gitlab", state="healthy"): 10.0}


def test_a_server_is_ready_whatever_code_hosts_do(
    gitlab: GitLab, acme: Tenant, nobody: Client
) -> None:
    """Their outage is not ours: nothing takes a server out of service for it."""
    (row, *_others) = many(acme, host(gitlab), 6, token=gitlab.token())
    gitlab.sandbox.stop()
    clock = Clock(timezone.now())
    for _ in range(30):
        sweep.run(clock=clock)
        clock.move(minutes=1)
    assert stored(row).reach == "unreachable"
    assert nobody.get("/healthz").status_code == 200
    assert nobody.get("/readyz").status_code == 200
