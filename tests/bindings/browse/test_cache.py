"""How long answers are kept, for whom, and what is shown while the host is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from bindings.models import Binding
from bindings.services.bind import replace
from bindings.services.browse import repositories
from bindings.services.browse.repositories import Listing
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance
from tests.bindings import sources
from tests.bindings.sources import GitLab
from tests.people import Somebody

LIST = "/api/v4/projects"


@pytest.fixture
def listed(binding: Binding, gitlab: GitLab) -> Iterator[Binding]:
    """Listed a moment ago; the doctor listed too, before."""
    read(binding)
    return binding


def read(binding: Binding, **how: Any) -> Listing:
    return repositories.repositories(binding=sources.stored(binding), **how)


def test_within_ten_minutes_the_host_is_not_asked_again(listed: Binding, gitlab: GitLab):
    before = len(gitlab.sandbox.requests("gitlab"))
    again = read(listed)
    assert (again.source, again.stale) == ("cache", False)
    assert len(gitlab.sandbox.requests("gitlab")) == before


def test_after_ten_minutes_it_is(listed: Binding, gitlab: GitLab):
    gitlab.sandbox.add_repositories("gitlab", "build-bot", prefix="fresh")
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        later = read(listed)
    assert later.source == "platform"
    assert "build-bot/fresh" in {row.path for row in later.rows}


def test_whoever_asks_for_it_gets_it_fresh(listed: Binding, gitlab: GitLab):
    before = gitlab.asked(LIST)
    assert read(listed, fresh=True).source == "platform"
    assert gitlab.asked(LIST) > before


def test_another_credential_asks_again(listed: Binding, gitlab: GitLab, alice: Somebody):
    gitlab.sandbox.new_token("gitlab", "build-bot", "next", ["api"])
    replace.replace_token(
        actor=alice.actor, binding=sources.stored(listed), token=gitlab.token("next")
    )
    assert read(listed).source == "platform"


def test_two_tenants_share_no_answer(
    listed: Binding, gitlab: GitLab, mallory: Somebody, foreign_instance: Instance
):
    theirs = gitlab.bind(mallory.actor, foreign_instance)
    assert read(theirs).source == "platform"
    assert read(listed).source == "cache"


def test_a_cache_that_forgot_only_costs_a_call(listed: Binding):
    cache.clear()
    assert read(listed).source == "platform"


# -- the host is away ------------------------------------------------------------------------------


def test_the_last_good_list_is_shown_with_its_age(listed: Binding, gitlab: GitLab):
    first = read(listed)
    gitlab.sandbox.stop()
    with time_machine.travel(timezone.now() + timedelta(hours=3)):
        stale = read(listed)
        age = timezone.now() - stale.fetched_at
    assert (stale.source, stale.stale) == ("cache", True)
    assert stale.rows == first.rows
    assert age > timedelta(hours=3)


@pytest.mark.parametrize("fault", ["status:503", "rate_limit", "html"])
def test_a_host_that_cannot_answer_costs_nobody_the_list(
    listed: Binding, gitlab: GitLab, fault: str
):
    gitlab.fault(fault)
    assert read(listed, fresh=True).stale


def test_without_one_the_failure_is_named(binding: Binding, gitlab: GitLab):
    gitlab.sandbox.stop()
    with pytest.raises(Refusal) as refused:
        read(binding)
    assert refused.value.code == "GL-NET-02"


def test_the_answer_of_the_host_after_the_outage_is_new_again(listed: Binding, gitlab: GitLab):
    gitlab.fault("status:503")
    assert read(listed, fresh=True).stale
    gitlab.sandbox.clear_faults()
    assert not read(listed, fresh=True).stale
