"""Pages of repositories: the list and its filters, why one is missing, branches and tags."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from bindings.models import Binding
from bindings.models.hooks import Hook
from bindings.services.browse import repositories
from portal.ground import rls
from tests.bindings import fleet
from tests.bindings.sources import GitHub, GitLab, stored
from tests.bindings.web.conftest import kept
from tests.bindings.web.reading import Page, asked_of_database, read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}


@pytest.fixture
def bound(gitlab: GitLab, alice: Somebody) -> Binding:
    """build-bot, bound at the sandbox's GitLab."""
    facts = {"account_login": "build-bot", "repositories_seen": 12}
    (row,) = fleet.many(alice.tenant, fleet.host(gitlab), 1, token=gitlab.token(), **facts)
    return stored(row)


@pytest.fixture
def here(bound: Binding) -> str:
    return f"/t/acme/bindings/{bound.public_id}/"


@pytest.fixture
def listed(bound: Binding, here: str) -> str:
    """The address of the list, which was read a moment ago."""
    repositories.repositories(binding=bound)
    return f"{here}repositories/"


def see(somebody: Somebody, path: str, **headers: str) -> Page:
    return read(somebody.client.get(path, headers=headers))


def test_the_first_visit_asks_nobody_and_lets_the_page_ask(
    alice: Somebody, gitlab: GitLab, here: str
):
    page = see(alice, f"{here}repositories/")
    assert "The list has not been read from GitLab yet." in page.text
    assert 'hx-trigger="load"' in page.source
    assert gitlab.sandbox.requests("gitlab") == []
    asked = alice.client.get(f"{here}repositories/refresh/", headers={"HX-Request": "true"})
    assert "platform/images/base/alpine" in read(asked).text
    assert 'hx-trigger="load"' not in read(asked).source
    led = alice.client.post(f"{here}repositories/refresh/", {"q": "alpine"})
    assert led.headers["Location"] == f"{here}repositories/?q=alpine"


def test_each_row_says_what_can_be_done_there(alice: Somebody, bound: Binding, listed: str):
    page = see(alice, listed)
    rows = {text.split()[0]: text for text in page.rows.values()}
    assert rows["platform/api"].startswith("platform/api private main Maintainer Off")
    assert "Turn on automatic builds of platform/api" in rows["platform/api"]
    assert "Needs Maintainer" in rows["ann/toolbox"]
    assert "Turn on" not in rows["ann/toolbox"]
    assert "private, archived" in rows["platform/old-site"]
    assert "has no commit yet" in rows["build-bot/scratch"]
    assert "1 to 12 of 12 repositories" in page.text
    assert "List refreshed just now" in page.text
    assert page.links["Branches and tags platform/api"].startswith(f"{listed}rep_")
    assert "现有" not in page.text


def test_under_seed_a_subgroup_is_built_by_hand(alice: Somebody, listed: str, settings: Any):
    settings.MOORING_PROFILE = "seed"
    rows = {text.split()[0]: text for text in see(alice, listed).rows.values()}
    assert "Manual: in a subgroup" in rows["platform/images/base/debian"]
    assert "Turn on" not in rows["platform/images/base/debian"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=DEBIAN", {"platform/images/base/debian"}),
        ("group=platform/images", {"alpine", "debian", "runner"}),
        ("group=ann&hooks=1", set()),
        ("q=toolbox&group=ann", {"ann/toolbox"}),
    ],
)
def test_the_list_is_filtered_by_the_server(
    alice: Somebody, listed: str, query: str, found: set[str]
):
    page = see(alice, f"{listed}?{query}")
    shown = {text.split()[0] for text in page.rows.values()}
    assert {name.rpartition("/")[2] for name in shown} == {n.rpartition("/")[2] for n in found}
    assert "platform/images (3)" in page.text


def test_what_the_list_lacks_the_platform_itself_is_asked_for(
    alice: Somebody, gitlab: GitLab, here: str, listed: str
):
    gitlab.sandbox.add_repositories("gitlab", "platform/images", prefix="brand-new")
    with time_machine.travel(timezone.now() + timedelta(minutes=4), tick=True):
        page = see(alice, f"{listed}?q=brand")
        said = "Nothing matches “brand”. Searched 12 repositories, 4 min old. Ask GitLab itself."
        assert said in page.text
        chinese = see(alice, f"{listed}?q=brand", **CHINESE).text
        assert "没有匹配“brand”的仓库（已搜索 4 分钟前缓存的 12 个）。" in chinese
        assert "直接在 GitLab 搜索" in chinese
        led = alice.client.post(f"{here}repositories/refresh/", {"q": "brand", "itself": "1"})
        found = see(alice, led.headers["Location"])
    assert "platform/images/brand-new" in found.text
    assert found.links["Show the whole list"] == listed


def test_a_pasted_link_is_found_by_searching(alice: Somebody, gitlab: GitLab, here: str):
    asked = {"q": f"{gitlab.base_url}/research/model", "itself": "1"}
    led = alice.client.post(f"{here}repositories/refresh/", asked)
    assert "research/model" in see(alice, led.headers["Location"]).text
    asked = {"q": "no/such", "itself": "1"}
    led = alice.client.post(f"{here}repositories/refresh/", asked)
    assert "GitLab itself finds nothing for “no/such”." in see(alice, led.headers["Location"]).text


def test_the_last_list_is_shown_with_its_age_when_the_platform_is_away(
    alice: Somebody, gitlab: GitLab, here: str, listed: str
):
    gitlab.fault("status:503")
    with time_machine.travel(timezone.now() + timedelta(hours=2), tick=True):
        asked = alice.client.get(f"{here}repositories/refresh/", headers={"HX-Request": "true"})
        said = "GitLab does not answer. Showing the list of 2 h ago."
        assert said in read(asked).text
        assert "platform/api" in read(asked).text
        again = see(alice, listed)
    assert said in again.text
    assert 'hx-trigger="load"' not in again.source


def test_without_a_list_the_failure_is_named(alice: Somebody, gitlab: GitLab, here: str):
    gitlab.fault("status:503")
    asked = alice.client.post(f"{here}repositories/refresh/", headers={"HX-Request": "true"})
    assert "GitLab has a problem of its own" in read(asked).text
    assert "can reach no repository" not in read(asked).text
    led = alice.client.post(f"{here}repositories/refresh/", follow=True)
    assert "GitLab has a problem of its own" in read(led).text


def test_an_account_without_any(alice: Somebody, bound: Binding, gitlab: GitLab, here: str):
    gitlab.fault("body", "/api/v4/projects", value={"status": 200, "body": []})
    repositories.repositories(binding=bound)
    page = see(alice, f"{here}repositories/")
    assert "build-bot can reach no repository yet." in page.text
    assert "build-bot 还没有可访问的仓库。" in see(alice, f"{here}repositories/", **CHINESE).text


def test_hidden_and_left_out_repositories_are_counted(
    alice: Somebody, github: GitHub, settings: Any
):
    facts = {"kind": "oauth", "account_login": "octavia"}
    token = github.sandbox.token("github", "octavia")
    (row,) = fleet.many(alice.tenant, github.host, 1, token=token, **facts)
    github.sandbox.fault("github", "sso_required", value="acme-inc")
    repositories.repositories(binding=stored(row))
    where = f"/t/acme/bindings/{row.public_id}/repositories/"
    said = "1 organization hides its repositories from this app: 2001."
    assert said in see(alice, where).text
    github.sandbox.clear_faults()
    repositories.repositories(binding=stored(row), fresh=True)
    settings.MOORING_PROFILE = "seed"
    assert "repositories of organizations are left out" in see(alice, where).text


def test_the_list_asks_the_database_little(alice: Somebody, listed: str):
    assert asked_of_database(alice.client, listed) <= 10


def test_a_cache_that_is_away_costs_a_question(alice: Somebody, listed: str):
    cache.clear()
    assert "has not been read" in see(alice, listed).text


# -- automatic builds ------------------------------------------------------------------------------


def test_automatic_builds_are_turned_on_and_off(
    alice: Somebody, bob: Somebody, bound: Binding, gitlab: GitLab, here: str, listed: str
):
    row = next(r for r in repositories.repositories(binding=bound).rows if r.path == "platform/api")
    asked = {"repository": row.id, "to": "on", "next": f"{listed}?q=api"}
    client = bob.client
    led = client.post(f"{here}repositories/automatic/", asked)
    assert led.headers["Location"] == f"{listed}?q=api"
    page = read(client.get(led.headers["Location"]))
    assert "The webhook of platform/api is in place." in page.text
    assert "Turn off automatic builds of platform/api" in page.text
    assert [hook["repository"] for hook in gitlab.sandbox.hooks("gitlab")] == ["platform/api"]
    with rls.tenant(bound.tenant_id):
        assert Hook.objects.of(bound.tenant_id).get().binding_id == bound.pk
    off = alice.client.post(f"{here}repositories/automatic/", asked | {"to": "off"}, follow=True)
    assert "Pushes to platform/api start no builds any more." in read(off).text
    assert gitlab.sandbox.hooks("gitlab") == []


def test_what_speaks_against_it_is_said(alice: Somebody, bound: Binding, here: str, listed: str):
    row = next(r for r in repositories.repositories(binding=bound).rows if r.path == "ann/toolbox")
    asked = {"repository": row.id, "to": "on"}
    led = alice.client.post(f"{here}repositories/automatic/", asked, follow=True)
    assert "Adding a webhook needs Maintainer." in read(led).text


# -- one repository, and one that is missing -------------------------------------------------------


def test_branches_and_tags_are_shown_searched_and_resolved(
    alice: Somebody, bound: Binding, listed: str
):
    page = see(alice, f"{listed}platform/images/base/alpine/")
    assert "main default" in page.text
    assert "The first 100 of" in page.text
    found = see(alice, f"{listed}platform/images/base/alpine/?q=no-such")
    assert "Branches 0 Nothing matches." in found.text
    resolved = see(alice, f"{listed}platform/images/base/alpine/?ref=main")
    assert "refs/heads/main" in resolved.text
    absent = see(alice, f"{listed}platform/images/base/alpine/?ref=nope")
    assert "There is no branch, tag or commit nope" in absent.text
    assert alice.client.get(f"{listed}no/such/").status_code == 404


def test_a_missing_repository_is_explained_with_what_mends_it(
    alice: Somebody, gitlab: GitLab, here: str
):
    page = read(alice.client.post(f"{here}missing/", {"link": "ann/diary"}))
    assert "GitLab says there is no ann/diary for build-bot" in page.text
    assert "Who can help an owner of the group ann" in page.text
    assert "Please add build-bot to ann/diary on GitLab." in page.text
    assert page.fields["link"]
    assert any(url.endswith("/ann/diary/-/project_members") for url in page.links.values())
    gitlab.sandbox.set_role("gitlab", "build-bot", "maintain", repository="ann/diary")
    again = read(alice.client.post(f"{here}missing/", {"link": "ann/diary"}))
    assert "ann/diary is visible. Open it." in again.text
    assert read(alice.client.get(again.links["Open it"])).text.count("ann/diary")


@pytest.mark.parametrize(
    ("link", "said"),
    [("", "Fill in this field."), ("nothing", "it is no link to a repository")],
)
def test_what_is_no_link_is_said_at_the_field(alice: Somebody, here: str, link: str, said: str):
    answer = alice.client.post(f"{here}missing/", {"link": link})
    assert answer.status_code == 422
    assert said in read(answer).text


def test_a_binding_that_has_ended_has_no_pages(alice: Somebody, bound: Binding, here: str):
    kept(bound, unbound_at=timezone.now())
    for page in ("repositories/", "missing/", "repositories/a/b/"):
        assert alice.client.get(f"{here}{page}").status_code == 404


def test_a_paused_one_shows_what_was_known(alice: Somebody, bound: Binding, listed: str):
    kept(bound, status="suspended")
    page = see(alice, listed)
    assert "This account cannot be asked now." in page.text
    assert "platform/api" in page.text
    assert "Refresh list" not in page.text
