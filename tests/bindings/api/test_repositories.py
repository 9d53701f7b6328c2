"""Repositories, branches, tags and refs over the API (api.md 3.5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import RequestFactory
from django.utils import timezone

from bindings.api.repositories import at_repository
from bindings.models import Binding
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.api.conftest import GitLab
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send


def path_of(bound: dict, below: str = "") -> str:
    return f"/api/v1/bindings/{bound['id']}/repositories{below}"


def paths(answer) -> list[str]:
    return [row["path"] for row in body_of(answer)["data"]]


def test_repositories_are_listed_by_path(alice: Somebody, bound: dict):
    answer = send(alice.api(), "GET", path_of(bound))
    found = body_of(answer)
    assert paths(answer) == sorted(paths(answer))
    one = next(row for row in found["data"] if row["path"] == "platform/api")
    assert list(one) == [
        "id",
        "external_id",
        "path",
        "name",
        "web_url",
        "clone_url",
        "visibility",
        "default_branch",
        "archived",
        "empty",
        "access",
        "access_name",
        "can",
        "trigger_mode",
        "trigger_mode_reason",
        "webhook",
        "triggers",
        "pushed_at",
    ]
    assert (one["external_id"], one["name"], one["default_branch"]) == ("1077", "api", "main")
    assert one["can"] == {"clone": True, "hooks": True}
    assert "@" not in one["clone_url"]
    assert found["meta"] | {"fetched_at": ""} == {
        "fetched_at": "",
        "source": "platform",
        "stale": False,
        "hidden": [],
    }


@pytest.mark.parametrize(
    ("query", "some", "none"),
    [
        ("", "platform/api", "platform/old-site"),
        ("archived=true", "platform/old-site", "platform/api"),
        ("q=API", "platform/api", "platform/web"),
        ("visibility=public", "ann/toolbox", "platform/api"),
        ("hooks=true", "platform/api", "ann/toolbox"),
    ],
)
def test_repositories_are_chosen(alice: Somebody, bound: dict, query: str, some: str, none: str):
    found = paths(send(alice.api(), "GET", f"{path_of(bound)}?{query}&limit=100"))
    assert some in found
    assert none not in found


def test_all_includes_archived_ones(alice: Somebody, bound: dict):
    found = paths(send(alice.api(), "GET", f"{path_of(bound)}?archived=all"))
    assert {"platform/api", "platform/old-site"} <= set(found)


def test_pages_join_into_the_whole_list(alice: Somebody, bound: dict):
    caller = alice.api()
    whole = paths(send(caller, "GET", path_of(bound)))
    found, cursor = [], ""
    while cursor is not None:
        answer = send(caller, "GET", f"{path_of(bound)}?limit=3" + cursor)
        found += paths(answer)
        following = body_of(answer)["next_cursor"]
        cursor = f"&cursor={following}" if following else None
    assert found == whole


def test_the_list_comes_from_the_cache_until_asked_for_fresh(
    alice: Somebody, bound: dict, gitlab: GitLab
):
    caller = alice.api()
    send(caller, "GET", path_of(bound))
    before = len(gitlab.sandbox.requests("gitlab"))
    again = body_of(send(caller, "GET", path_of(bound)))
    assert again["meta"]["source"] == "cache"
    assert len(gitlab.sandbox.requests("gitlab")) == before
    fresh = body_of(send(caller, "GET", f"{path_of(bound)}?fresh=true"))
    assert fresh["meta"]["source"] == "platform"
    assert len(gitlab.sandbox.requests("gitlab")) > before


def test_the_last_good_list_is_shown_when_the_platform_is_away(
    alice: Somebody, bound: dict, gitlab: GitLab
):
    caller = alice.api()
    first = send(caller, "GET", path_of(bound))
    gitlab.sandbox.fault("gitlab", "status:503")
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        stale = send(caller, "GET", path_of(bound))
    assert paths(stale) == paths(first)
    meta = body_of(stale)["meta"]
    assert (meta["stale"], meta["source"]) == (True, "cache")
    assert meta["fetched_at"] == body_of(first)["meta"]["fetched_at"]


def test_without_a_good_list_the_platform_is_named(alice: Somebody, bound: dict, gitlab: GitLab):
    gitlab.sandbox.fault("gitlab", "status:503")
    problem = refused(send(alice.api(), "GET", path_of(bound)), "GL-API-03", 502)
    assert "GitLab" in problem["detail"]


@pytest.mark.parametrize("status", ["revoked", "expired", "suspended", "pending", "undecryptable"])
def test_what_cannot_be_used_says_so(alice: Somebody, instance: Instance, status: str):
    bound = rows.binding(instance, status=status)
    for below in ("", "/platform%2Fapi", "/platform%2Fapi/resolve?ref=main"):
        answer = send(alice.api(), "GET", path_of({"id": bound.public_id}, below))
        assert refused(answer, "X-STATE-01", 409)["state"] == status


def test_a_credential_that_does_not_open_says_so(alice: Somebody, bound: dict, superuser):
    superuser.execute("UPDATE bindings_credential SET access = '\\x01057465737431ff'")
    answer = send(alice.api(), "GET", path_of(bound))
    assert refused(answer, "X-STATE-01", 409)["state"] == "undecryptable"


def test_one_repository_by_path_and_by_id(alice: Somebody, bound: dict):
    caller = alice.api()
    by_path = body_of(send(caller, "GET", path_of(bound, "/platform%2Fapi")))
    by_id = body_of(send(caller, "GET", path_of(bound, f"/{by_path['id']}")))
    assert by_path == by_id
    assert by_path["path"] == "platform/api"


@pytest.mark.parametrize("name", ["platform%2Fnone", "rep_" + "0" * 26, "research%2Fsecret"])
def test_what_the_account_cannot_see_is_not_found(alice: Somebody, bound: dict, name: str):
    refused(send(alice.api(), "GET", path_of(bound, f"/{name}")), "GL-REPO-02", 404)


@pytest.mark.parametrize("name", ["%00", "a%0Ab", "a" * 1001])
def test_what_is_no_path_is_not_found(alice: Somebody, bound: dict, name: str):
    refused(send(alice.api(), "GET", path_of(bound, f"/{name}")), "X-FOUND-01", 404)


def test_branches_begin_with_the_default_one(alice: Somebody, bound: dict):
    name = "/platform%2Fimages%2Fbase%2Fdebian/branches"
    found = body_of(send(alice.api(), "GET", path_of(bound, name)))
    assert found["data"][0]["name"] == "master"
    assert set(found["data"][0]) == {"name", "sha", "protected", "default"}
    assert [row["default"] for row in found["data"]].count(True) == 1
    rest = [row["name"] for row in found["data"][1:]]
    assert rest == sorted(rest)
    assert (found["data"][0]["protected"], found["meta"]["stale"]) == (True, False)


def test_many_branches_come_in_pages(alice: Somebody, bound: dict):
    caller, name = alice.api(), "/platform%2Fimages%2Fbase%2Falpine/branches"
    found, cursor = [], ""
    while cursor is not None:
        answer = body_of(send(caller, "GET", path_of(bound, f"{name}?limit=100{cursor}")))
        found += [row["name"] for row in answer["data"]]
        cursor = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else None
    assert len(found) == len(set(found)) > 100


def test_tags_descend_by_name(alice: Somebody, bound: dict):
    found = body_of(send(alice.api(), "GET", path_of(bound, "/platform%2Fapi/tags")))
    names = [row["name"] for row in found["data"]]
    assert names == sorted(names, reverse=True)
    assert names
    assert set(found["data"][0]) == {"name", "sha"}


def test_a_ref_is_resolved_to_a_commit_and_a_branch_wins(alice: Somebody, bound: dict):
    caller = alice.api()
    main = body_of(send(caller, "GET", path_of(bound, "/platform%2Fapi/resolve?ref=main")))
    assert main == {"ref": "refs/heads/main", "kind": "branch", "name": "main", "sha": main["sha"]}
    assert len(main["sha"]) == 40
    by_sha = path_of(bound, f"/platform%2Fapi/resolve?ref={main['sha'][:10]}")
    assert body_of(send(caller, "GET", by_sha))["sha"] == main["sha"]
    twins = path_of(bound, "/build-bot%2Ftwins/resolve?ref=stable")
    assert body_of(send(caller, "GET", twins))["kind"] == "branch"


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [("?ref=nope", "GL-REF-01", 404), ("", "X-PARAM-02", 400), ("?ref=", "X-PARAM-02", 400)],
)
def test_a_ref_that_is_none(alice: Somebody, bound: dict, query: str, code: str, status: int):
    answer = send(alice.api(), "GET", path_of(bound, f"/platform%2Fapi/resolve{query}"))
    refused(answer, code, status)


def test_an_empty_repository_has_nothing_to_resolve(alice: Somebody, bound: dict):
    answer = send(alice.api(), "GET", path_of(bound, "/build-bot%2Fscratch/resolve?ref=main"))
    refused(answer, "GL-REPO-04", 409)


def test_developers_browse_and_viewers_do_not(bob: Somebody, carol: Somebody, bound: dict):
    assert send(bob.client, "GET", path_of(bound)).status_code == 200
    refused(send(carol.client, "GET", path_of(bound)), "X-ROLE-01", 403)


def test_where_the_server_tells_the_raw_address_a_path_may_end_in_any_word(
    alice: Somebody, bound: dict
):
    """`platform%2Fbranches` is a repository, and no list of branches."""
    raw = path_of(bound, "/platform%2Fbranches")
    token = alice.token().secret
    request = RequestFactory().get(
        raw, headers={"Authorization": f"Bearer {token}"}, RAW_URI=f"{raw}?x"
    )
    request.ip = ""
    request.META["QUERY_STRING"] = ""
    answer = at_repository(request, bound["id"], "platform/branches")
    answer.render()
    assert "platform/branches" in refused(answer, "GL-REPO-02", 404)["detail"]


def test_browsing_counts_as_use(alice: Somebody, bound: dict):
    send(alice.api(), "GET", path_of(bound))
    with rls.tenant(alice.tenant.pk):
        assert Binding.objects.of(alice.tenant).get().used_at is not None
