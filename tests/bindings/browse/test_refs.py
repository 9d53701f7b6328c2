"""Branches, tags, and the commit that a name means."""

from __future__ import annotations

import pytest

from bindings.models import Binding
from bindings.services.browse import refs
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance
from tests.bindings import sources
from tests.bindings.sources import GitHub, GitLab
from tests.hosts import Sandbox
from tests.people import Somebody

MANY = {"gitlab": "platform/images/base/alpine", "github": "octavia/busy"}
TWINS = {"gitlab": "build-bot/twins", "github": "octavia/twins"}
EMPTY = {"gitlab": "build-bot/scratch", "github": "octavia/blank"}


@pytest.fixture(params=["gitlab", "github"])
def bound(request: pytest.FixtureRequest, alice: Somebody, instance: Instance) -> Binding:
    """A live binding of each platform."""
    platform: GitLab | GitHub = request.getfixturevalue(request.param)
    return sources.stored(platform.bind(alice.actor, instance))


def test_branches_come_whole_with_the_default_first(bound: Binding):
    rows, kept = refs.branches(binding=bound, repository=MANY[bound.provider])
    names = [row.name for row in rows]
    assert names[0] == "main"
    assert names[1:] == sorted(names[1:])
    assert len(names) == len(set(names)) > 100
    assert [row.default for row in rows].count(True) == 1
    assert kept.source == "platform"


def test_tags_come_whole_newest_name_first(bound: Binding):
    rows, _ = refs.tags(binding=bound, repository=MANY[bound.provider])
    names = [row.name for row in rows]
    assert names == sorted(names, reverse=True)
    assert len(names) == len(set(names)) > 100


def test_names_are_searched_without_another_call(bound: Binding, near: Sandbox):
    repository = MANY[bound.provider]
    whole, _ = refs.branches(binding=bound, repository=repository)
    before = len(near.requests(bound.provider))
    some, kept = refs.branches(binding=bound, repository=repository, q=whole[-1].name.upper())
    assert whole[-1] in some
    assert len(some) < len(whole)
    assert kept.source == "cache"
    assert len(near.requests(bound.provider)) == before


def test_an_empty_repository_has_neither(bound: Binding):
    repository = EMPTY[bound.provider]
    assert refs.branches(binding=bound, repository=repository)[0] == []
    assert refs.tags(binding=bound, repository=repository)[0] == []


# -- resolve ---------------------------------------------------------------------------------------


def test_every_spelling_of_a_branch_means_its_commit(bound: Binding):
    repository = MANY[bound.provider]
    head = refs.branches(binding=bound, repository=repository)[0][0]
    for spelled in ("main", "refs/heads/main", head.commit, head.commit[:9]):
        assert refs.resolve(binding=bound, repository=repository, ref=spelled).commit == head.commit


def test_a_branch_goes_before_a_tag_of_the_same_name(bound: Binding):
    repository = TWINS[bound.provider]
    branches = {row.name: row for row in refs.branches(binding=bound, repository=repository)[0]}
    tags = {row.name: row for row in refs.tags(binding=bound, repository=repository)[0]}
    name = next(iter(branches.keys() & tags.keys()))
    assert branches[name].commit != tags[name].commit

    def meant(ref: str) -> str:
        return refs.resolve(binding=bound, repository=repository, ref=ref).commit

    assert meant(name) == meant(f"refs/heads/{name}") == branches[name].commit
    assert meant(f"refs/tags/{name}") == tags[name].commit


def test_a_name_is_asked_for_each_time_because_it_moves(bound: Binding, near: Sandbox):
    repository = MANY[bound.provider]
    before = refs.resolve(binding=bound, repository=repository, ref="main").commit
    pushed = near.push(bound.provider, repository)
    after = refs.resolve(binding=bound, repository=repository, ref="main").commit
    assert (before, after) == (pushed["before"], pushed["after"])


@pytest.mark.parametrize(
    ("which", "ref", "code"),
    [
        (MANY, "no-such-branch", "REF-01"),
        (MANY, "refs/tags/main", "REF-01"),
        (MANY, "0" * 40, "REF-01"),
        (EMPTY, "main", "REPO-04"),
        ({"gitlab": "ann/diary", "github": "otto/vault"}, "main", "REPO-02"),
    ],
)
def test_what_means_nothing_is_refused(bound: Binding, which: dict[str, str], ref: str, code: str):
    with pytest.raises(Refusal) as refused:
        refs.resolve(binding=bound, repository=which[bound.provider], ref=ref)
    assert refused.value.code.partition("-")[2] == code


def test_branches_of_what_is_not_visible_are_refused(bound: Binding):
    hidden = {"gitlab": "ann/diary", "github": "otto/vault"}[bound.provider]
    with pytest.raises(Refusal) as refused:
        refs.branches(binding=bound, repository=hidden)
    assert refused.value.code.endswith("REPO-02")
