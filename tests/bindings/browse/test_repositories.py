"""Lists of repositories: whole or refused, limited where the profile says so, remembered."""

from __future__ import annotations

from typing import Any

import pytest

from bindings.models import Binding, Repository
from bindings.services.browse import repositories
from bindings.services.browse.repositories import Listing, select
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance
from tests.bindings import sources
from tests.bindings.sources import GitHub, GitLab
from tests.people import Somebody

LIST = "/api/v4/projects"


def read(binding: Binding, **how: Any) -> Listing:
    return repositories.repositories(binding=sources.stored(binding), **how)


def paths(listing: Listing) -> set[str]:
    return {row.path for row in listing.rows}


def modes(listing: Listing) -> dict[str, tuple[str, str | None]]:
    return {row.path: (row.trigger_mode, row.trigger_mode_reason) for row in listing.rows}


def remembered(binding: Binding) -> set[str]:
    with rls.tenant(binding.tenant_id):
        rows = Repository.objects.of(binding.tenant_id).filter(host_id=binding.host_id)
        return set(rows.values_list("path", flat=True))


@pytest.fixture
def octavia(github: GitHub, alice: Somebody, instance: Instance) -> Binding:
    return github.bind(alice.actor, instance)


# -- all of them -----------------------------------------------------------------------------------


def test_a_list_of_three_pages_is_whole_and_in_order(gitlab: GitLab, binding: Binding):
    made = gitlab.sandbox.add_repositories("gitlab", "build-bot", count=250)
    listing = read(binding)
    assert {row["path"] for row in made} <= paths(listing)
    assert len(listing.rows) > 250
    found = [row.path.lower() for row in listing.rows]
    assert found == sorted(found)
    assert len(found) == len(set(found))
    assert gitlab.asked(LIST) >= 3


def test_everything_listed_is_remembered(gitlab: GitLab, binding: Binding):
    gitlab.sandbox.add_repositories("gitlab", "build-bot", count=250)
    assert paths(read(binding)) == remembered(binding)


@pytest.mark.parametrize("fault", ["status:500", "bad_json", "endless_next", "foreign_next"])
def test_a_page_that_fails_fails_the_list_and_forgets_nothing(
    gitlab: GitLab, binding: Binding, fault: str
):
    before = paths(read(binding))
    gitlab.sandbox.add_repositories("gitlab", "build-bot", count=250)
    value = "https://elsewhere.example/api/v4/projects?id_after=1" if fault[0] == "f" else None
    gitlab.fault(fault, LIST, value=value, after=0 if "next" in fault else 1)
    sources_before = remembered(binding)
    stale = read(binding, fresh=True)
    assert (stale.stale, paths(stale)) == (True, before)
    assert remembered(binding) == sources_before == before


def test_without_a_last_good_list_a_broken_page_is_a_refusal(gitlab: GitLab, binding: Binding):
    gitlab.sandbox.add_repositories("gitlab", "build-bot", count=250)
    gitlab.fault("status:500", LIST, after=1)
    with pytest.raises(Refusal) as refused:
        read(binding)
    assert refused.value.code == "GL-API-03"
    assert remembered(binding) == set()


def test_a_refused_token_is_a_refusal_even_with_a_last_good_list(gitlab: GitLab, binding: Binding):
    read(binding)
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    with pytest.raises(Refusal) as refused:
        read(binding, fresh=True)
    assert refused.value.code.startswith("GL-TOK-")


def test_a_renamed_repository_keeps_its_row(gitlab: GitLab, binding: Binding):
    before = {row.external_id: row.id for row in read(binding).rows}
    gitlab.sandbox.change_repository("gitlab", "platform/web", path="platform/site")
    after = {row.external_id: row for row in read(binding, fresh=True).rows}
    assert after["1078"].path == "platform/site"
    assert after["1078"].id == before["1078"]
    assert "platform/site" in remembered(binding)
    assert "platform/web" not in remembered(binding)


def test_an_organization_that_hides_its_repositories_is_named(github: GitHub, octavia: Binding):
    github.sandbox.fault("github", "sso_required", value="acme-inc")
    listing = read(octavia)
    assert [row["organization"] for row in listing.hidden] == ["2001"]  # GitHub says its number
    assert listing.hidden[0]["code"].startswith("GH-ORG-")


# -- one -------------------------------------------------------------------------------------------


def test_one_is_found_by_its_key_and_by_its_path(binding: Binding):
    listed = next(row for row in read(binding).rows if row.path == "platform/api")
    for key in (listed.id, listed.path):
        found = repositories.repository(binding=sources.stored(binding), key=key)
        assert (found.id, found.external_id) == (listed.id, "1077")


def test_one_is_found_by_a_path_nobody_listed_yet(binding: Binding):
    found = repositories.repository(binding=sources.stored(binding), key="ann/toolbox")
    assert found.external_id == "1087"
    assert remembered(binding) == {"ann/toolbox"}


def test_a_key_is_asked_for_by_the_hosts_number(gitlab: GitLab, binding: Binding):
    listed = next(row for row in read(binding).rows if row.path == "platform/web")
    gitlab.sandbox.change_repository("gitlab", "platform/web", path="platform/site")
    found = repositories.repository(binding=sources.stored(binding), key=listed.id)
    assert found.path == "platform/site"
    assert gitlab.asked(f"{LIST}/1078") == 1


@pytest.mark.parametrize("key", ["ann/diary", "no/such", "rep_0000000000000000000000001"])
def test_what_the_account_cannot_see_is_one_refusal(binding: Binding, key: str):
    with pytest.raises(Refusal) as refused:
        repositories.repository(binding=sources.stored(binding), key=key)
    assert refused.value.code == "GL-REPO-02"


def test_a_key_of_another_tenant_is_unknown(
    gitlab: GitLab, binding: Binding, mallory: Somebody, foreign_instance: Instance
):
    theirs = gitlab.bind(mallory.actor, foreign_instance)
    key = read(theirs).rows[0].id
    with pytest.raises(Refusal) as refused:
        repositories.repository(binding=sources.stored(binding), key=key)
    assert refused.value.code == "GL-REPO-02"


# -- what may be done with each --------------------------------------------------------------------


def test_each_says_whether_pushes_can_start_builds(binding: Binding):
    found = modes(read(binding))
    assert found["platform/api"] == ("automatic", None)
    assert found["platform/images/runner"] == ("automatic", None)
    assert found["platform/old-site"] == ("manual", "GL-REPO-03")
    assert found["ann/toolbox"] == ("manual", "GL-HOOK-02")


def test_a_binding_that_may_not_set_hooks_starts_no_builds(
    gitlab: GitLab, alice: Somebody, instance: Instance
):
    reduced = gitlab.bind(alice.actor, instance, "reduced", mode="manual")
    assert modes(read(reduced))["platform/api"] == ("manual", "GL-SCOPE-02")


def test_under_seed_a_subgroup_is_manual(gitlab: GitLab, binding: Binding, settings: Any):
    settings.MOORING_PROFILE = "seed"
    listing = read(binding)
    found = modes(listing)
    assert found["platform/images/runner"] == ("manual", "GL-HOOK-07")
    assert found["platform/images/base/debian"] == ("manual", "GL-HOOK-07")
    assert found["platform/api"] == ("automatic", None)
    assert listing.left_out == 0


def test_under_seed_repositories_of_organizations_are_left_out_and_counted(
    octavia: Binding, settings: Any
):
    whole = read(octavia)
    assert "acme-inc/web" in paths(whole)
    settings.MOORING_PROFILE = "seed"
    limited = read(octavia)
    assert {path.partition("/")[0] for path in paths(limited)} == {"octavia", "otto"}
    assert limited.left_out == len(whole.rows) - len(limited.rows) > 0


# -- search ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "IMAGES"}, {"runner", "debian", "alpine"}),
        ({"q": "no such"}, set()),
        ({"archived": "true"}, {"old-site"}),
        ({"visibility": "public"}, {"toolbox"}),
        ({"visibility": "internal"}, {"handbook"}),
        ({"q": "model", "hooks": True}, set()),
    ],
)
def test_rows_are_chosen(binding: Binding, asked: dict[str, Any], found: set[str]):
    assert {row.name for row in select(read(binding).rows, **asked)} == found


def test_archived_ones_are_asked_for(binding: Binding):
    rows = read(binding).rows
    assert "old-site" not in {row.name for row in select(rows)}
    assert len(list(select(rows, archived="all"))) == len(rows)
