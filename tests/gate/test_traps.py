"""Traps that made such systems slow (performance.md 5): each is counted here, none is timed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings import state
from bindings.models import CodeHost, Schedule
from bindings.services.keep import claim, sweep, write
from bindings.services.keep.verdict import Said
from bindings.services.keep.write import Finding
from bindings.state import Facts, Status
from portal.celery import NAMES
from portal.ground import redis, rls
from providers.errors import TokenRejected
from providers.types import Expiry, Identity, Inspection, Quality
from tests import factories
from tests.gate.addresses import filled
from tests.gate.many import Many, Superuser, make
from tests.gate.permissions import World
from tests.people import Somebody
from tests.providers.farend import Caller, FarEnd, reply

BINDINGS, HOSTS = 1200, 3
# They count on purpose, and say when they could not.
FIGURES = ("admin/health/", "admin/keys/", "metrics", "readyz")
SCOPES = {"X-OAuth-Scopes": "repo, admin:repo_hook, read:org"}
ANSWER = reply({"id": 1001, "login": "octavia", "name": "Octavia", "type": "User"}, headers=SCOPES)


class Reference(FarEnd):
    """A host that answers every account, and looks at PostgreSQL while it is asked."""

    def __init__(self, superuser: Superuser) -> None:
        super().__init__(self.answer)
        self.superuser = superuser
        self.connections: set[tuple[Any, ...]] = set()
        self.busy = self.most = 0
        self._count = threading.Lock()

    def answer(self, caller: Caller) -> None:
        while caller.request():
            with self._count:
                self.busy += 1
                self.most = max(self.most, self.busy)
            self.look()
            caller.say(ANSWER)
            with self._count:
                self.busy -= 1

    def look(self) -> None:
        """Whoever of us is connected to PostgreSQL at this moment."""
        rows = self.superuser.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE usename = 'mooring_login'"
        )
        self.connections.update(rows.fetchall())

    @property
    def url(self) -> str:
        return f"http://{self.place[0]}:{self.place[1]}"


@pytest.fixture
def reference(superuser: Superuser, settings: Any) -> Iterator[Reference]:
    with Reference(superuser) as host:
        settings.MOORING_SANDBOX_URL = host.url
        yield host


def waiting() -> int:
    """Messages in all queues."""
    return sum(int(redis.client().llen(name)) for name in NAMES)  # type: ignore[arg-type]  # half typed


def test_a_sweep_of_many_is_few_connections_few_statements_and_no_messages(
    reference: Reference, superuser: Superuser
) -> None:
    make(superuser, BINDINGS, due=BINDINGS, hosts=HOSTS, tenants=7, url=reference.url, at_once=60)
    with CaptureQueriesContext(connection) as captured:
        result = sweep.run()
    assert result.asked == BINDINGS
    assert result.outcomes == {"ok": BINDINGS}
    assert len(reference.requests) == BINDINGS

    # Trap 2: threads that touch the ORM open a connection each. Trap 4: a client for each call.
    assert len(reference.connections) <= 4
    assert reference.calls <= configured.MOORING_SWEEP_THREADS + HOSTS
    assert reference.most > HOSTS  # they were asked side by side
    # Trap 3: a message for each token.
    assert waiting() <= 10
    # Claims and writes are batches: far fewer statements than bindings.
    assert len(captured.captured_queries) < BINDINGS / 4


def test_results_are_stored_by_one_statement(superuser: Superuser) -> None:
    """Trap 6: a statement for each row, or one of thousands of WHENs."""
    many = make(superuser, 500, due=500)
    statements = stored(findings(many, 500))
    writes = [sql for sql in statements if sql.lstrip().startswith(("UPDATE", "INSERT"))]
    assert len(writes) == 1
    assert "unnest" in writes[0]


def test_results_that_change_something_cost_the_same_for_one_and_for_many(
    superuser: Superuser,
) -> None:
    many = make(superuser, 501, due=501)
    ending = Expiry(timezone.now() + timedelta(days=3), Quality.EXACT)
    one = stored(findings(many, 1, ending))
    most = stored(findings(many, 500, ending))
    assert len(most) <= len(one) + 2  # of rows, bulk inserts of 500 each


def findings(many: Many, count: int, end: Expiry = Expiry()) -> list[Finding]:  # noqa: B008 - frozen
    """What a sweep would have found for so many: the account is well, its token ends at `end`."""
    now = timezone.now()
    rows = claim.claim({many.hosts[0]: count}, now=now)
    assert len(rows) == count
    answer = Inspection(
        Identity("1001", "octavia", "Octavia"), frozenset({"repo", "admin:repo_hook"}), end
    )
    return [Finding(row, state.verdict(row.facts, answer, now), 12, Said()) for row in rows]


def stored(found: list[Finding]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        write.store(found, now=timezone.now())
    return [query["sql"] for query in captured.captured_queries]


def test_no_list_is_counted_whole(
    superuser: Superuser, alice: Somebody, bob: Somebody, carol: Somebody, mallory: Somebody
) -> None:
    """Trap 11: `count(*)` over a million rows takes a third of a second."""
    world = World(alice, bob, carol, mallory)
    staff = factories.person("operator", is_staff=True, is_superuser=True)
    operator = Somebody.signed_in(Somebody(staff, alice.tenant), ago=timedelta())
    counted: dict[str, list[str]] = {}
    asked = 0
    for path in filled(world.names):
        if path in FIGURES:
            continue
        client = operator if path.startswith("admin/") else alice.client
        callers = [client, alice.api()] if path.startswith("api/") else [client]
        for caller in callers:
            with CaptureQueriesContext(connection) as captured:
                asked += caller.get(f"/{path}").status_code == 200
            found = [query["sql"] for query in captured if "COUNT(" in query["sql"].upper()]
            if bad := [sql for sql in found if "LIMIT" not in sql]:
                counted[path] = bad
    assert asked > 40
    assert counted == {}


def test_one_slow_host_does_not_fill_the_batch(superuser: Superuser) -> None:
    """Trap 8: in one global order by time the host with the oldest backlog takes every place."""
    many = make(superuser, 600, due=600, hosts=2)
    slow, quick = many.hosts
    with rls.fleet("a test makes one host's backlog older"):
        Schedule.objects.filter(host_id=slow).update(
            next_check_at=timezone.now() - timedelta(days=2)
        )
    taken = claim.claim({slow: 50, quick: 50}, now=timezone.now())
    hosts = [row.host_id for row in taken]
    assert (hosts.count(slow), hosts.count(quick)) == (50, 50)


def test_what_is_checked_together_is_not_due_together_again(superuser: Superuser) -> None:
    """Trap 15: a million bindings seeded at once come back as a spike a day later."""
    many = make(superuser, 300, due=300)
    write.store(findings(many, 300), now=timezone.now())
    with rls.fleet("a test"):
        times = sorted(Schedule.objects.values_list("next_check_at", flat=True))
    spread = times[-1] - times[0]
    assert spread > (times[0] - timezone.now()) * 0.1


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("mass", [False, True])
def test_a_refused_token_is_not_shown_again_and_again(mass: bool, chance: float) -> None:
    """Trap 17: GitHub locks a *user* out who shows a bad token several times."""
    begun = now = timezone.now()
    facts = Facts(Status.ACTIVE, account_id="1001", since=begun)
    times = []
    while now - begun < timedelta(days=90):
        times.append(now - begun)
        refused = TokenRejected("unauthorized")
        verdict = state.verdict(facts, refused, now, mass=mass, rng=lambda: chance)
        facts = verdict.facts
        if verdict.next_check_at is None:
            break
        now = verdict.next_check_at
        mass = mass and now - begun < timedelta(days=1)
    first_hours = [at for at in times if at < timedelta(hours=2.5)]
    assert 2 <= len(first_hours) <= 4
    afterwards = [at for at in times if at > timedelta(days=2)]
    assert all(b - a > timedelta(hours=20) for a, b in pairwise(afterwards))
    assert times[-1] < timedelta(days=34)


def test_a_host_that_is_switched_off_is_not_asked(
    reference: Reference, superuser: Superuser
) -> None:
    many = make(superuser, 20, due=20, url=reference.url)
    with rls.fleet("a test"):
        CodeHost.objects.filter(pk__in=many.hosts).update(enabled=False)
    assert sweep.run().asked == 0
    assert reference.requests == []
