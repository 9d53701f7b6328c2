"""However many ask at once, the host is asked once, and what has not changed is not sent again."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from bindings.models import Binding
from bindings.services.browse import cache, flight, repositories
from bindings.services.browse.repositories import Listing
from portal.ground.refusals import Refusal
from tests.bindings import fleet
from tests.bindings.sources import GitHub, GitLab, stored
from tests.embedded import Services
from tests.people import Somebody

LIST, OURS = "/api/v4/projects", "/api/v3/user/repos"


@pytest.fixture
def bound(gitlab: GitLab, alice: Somebody) -> Binding:
    """build-bot, bound at the sandbox's GitLab."""
    (row,) = fleet.many(alice.tenant, fleet.host(gitlab), 1, token=gitlab.token())
    return stored(row)


@pytest.fixture
def octavia(github: GitHub, alice: Somebody) -> Binding:
    """octavia of GitHub, by OAuth."""
    facts = {"kind": "oauth", "account_login": "octavia"}
    token = github.sandbox.token("github", "octavia")
    (row,) = fleet.many(alice.tenant, github.host, 1, token=token, **facts)
    return stored(row)


@pytest.fixture
def no_redis(services: Services) -> Iterator[None]:
    """Redis stopped, and started again after the test."""
    assert services.redis
    services.redis.close()
    yield
    services.redis.open()


def together(binding: Binding, count: int, **how: Any) -> list[Listing | str]:
    """What so many threads get that all ask at once: a list, or the code of a refusal."""
    start = threading.Barrier(count)

    def one(_number: int) -> Listing | str:
        start.wait()
        try:
            return repositories.repositories(binding=binding, **how)
        except Refusal as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as crew:
        return list(crew.map(one, range(count)))


# -- once for all ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"fresh": True}], ids=["missed", "fresh"])
def test_fifty_misses_are_one_call(bound: Binding, gitlab: GitLab, how: dict[str, bool]):
    gitlab.fault("slow", LIST, value=0.5)
    found = together(bound, 50, **how)
    assert {len(one.rows) for one in found if isinstance(one, Listing)} == {12}
    assert len(found) == 50
    assert gitlab.asked(LIST) == 1


@pytest.mark.usefixtures("no_redis")
def test_without_redis_one_process_still_asks_once(bound: Binding, gitlab: GitLab):
    gitlab.fault("slow", LIST, value=0.5)
    found = together(bound, 20)
    assert all(isinstance(one, Listing) and len(one.rows) == 12 for one in found)
    assert gitlab.asked(LIST) == 1


def test_a_failure_is_everybodys(bound: Binding, gitlab: GitLab):
    gitlab.fault("slow", LIST, value=0.5, times=1)
    gitlab.fault("status:503", LIST)
    assert Counter(together(bound, 20)) == {"GL-API-03": 20}
    assert gitlab.asked(LIST) == 1
    assert flight._flights == {}


def test_a_host_that_just_failed_is_left_alone_for_a_moment(bound: Binding, gitlab: GitLab):
    repositories.repositories(binding=bound)
    gitlab.fault("status:503", LIST)
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        assert repositories.repositories(binding=bound).stale
        before = gitlab.asked(LIST)
        assert repositories.repositories(binding=bound).stale
        assert gitlab.asked(LIST) == before
        gitlab.sandbox.clear_faults()
        assert not repositories.repositories(binding=bound, fresh=True).stale


# -- what has not changed --------------------------------------------------------------------------


def test_github_is_asked_conditionally_page_by_page(octavia: Binding, github: GitHub):
    sandbox = github.sandbox
    roles = {"octavia": "read"}
    sandbox.add_repositories("github", "acme-inc", count=150, prefix="svc", roles=roles)
    first = repositories.repositories(binding=octavia)
    asked = len(sandbox.requests("github", OURS))
    again = repositories.repositories(binding=octavia, fresh=True)
    revalidated = sandbox.requests("github", OURS)[asked:]
    assert [one["status"] for one in revalidated] == [304, 304]
    assert (again.source, again.rows) == ("platform", first.rows)
    assert again.fetched_at > first.fetched_at
    sandbox.change_repository("github", "acme-inc/svc-149", path="acme-inc/zzz")
    changed = repositories.repositories(binding=octavia, fresh=True)
    last = sandbox.requests("github", OURS)[asked + 2 :]
    assert [one["status"] for one in last] == [304, 200]
    assert "acme-inc/zzz" in {row.path for row in changed.rows}
    assert "acme-inc/svc-149" not in {row.path for row in changed.rows}


def test_an_answer_that_is_too_big_is_shown_and_not_kept(bound: Binding):
    big = secrets.token_hex(cache.BIGGEST + 1000)  # half of it is left when it is packed
    assert cache.ask(bound, "big", lambda _provider, _before: big).value == big
    assert cache.known(bound, "big") is None
