"""Lists of repositories at their limits: several processes at once, and more than a host gives."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from bindings.models import Binding
from bindings.services.browse import repositories
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance
from tests.bindings import fleet
from tests.bindings.browse.test_many import OWNERS, remembered
from tests.bindings.renewals import workers
from tests.bindings.seven import Seven
from tests.bindings.sources import GitLab, stored
from tests.faults.conftest import Figure
from tests.hosts import Sandbox
from tests.people import Somebody

LIST = "/api/v4/projects"


@pytest.fixture
def bound(gitlab: GitLab, alice: Somebody) -> Binding:
    """build-bot, bound at the sandbox's GitLab."""
    (row,) = fleet.many(alice.tenant, fleet.host(gitlab), 1, token=gitlab.token())
    return stored(row)


def test_fifty_misses_in_four_processes_are_one_call(
    bound: Binding, near: Sandbox, gitlab: GitLab, figure: Figure
) -> None:
    with workers(near, 4) as crew:
        for worker in crew:  # all modules are loaded before it counts
            worker.call("list", bound.tenant_id, bound.pk, 1)
        before = gitlab.asked(LIST)
        cache.clear()
        gitlab.fault("slow", LIST, value=2.0)
        for worker in crew:
            worker.begin("list", bound.tenant_id, bound.pk, 13)
        found = [one for worker in crew for one in worker.answer()]
    calls = gitlab.asked(LIST) - before
    figure(misses=len(found), calls=calls)
    assert {rows for _source, rows in found} == {12}
    assert calls == 1


def test_what_lies_behind_the_last_page_a_host_gives_is_searched_for(
    all_seven: Seven, instance: Instance
) -> None:
    """Codeup ends its lists after 15,000 rows."""
    bound, (owner, below) = all_seven.bound(instance, "codeup"), OWNERS["codeup"]
    all_seven.sandbox.add_repositories("codeup", owner, below=below, count=15_100, prefix="svc")
    with pytest.raises(Refusal) as refused:
        repositories.repositories(binding=bound)
    assert refused.value.code == "CU-API-04"
    assert remembered(bound) == 0
    found = repositories.lookup(binding=bound, q="svc-15099")
    assert (found.searched, len(found.rows)) == (True, 1)
