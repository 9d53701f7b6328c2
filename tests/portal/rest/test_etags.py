"""ETags and preconditions (api.md 1.6)."""

from __future__ import annotations

import re

import pytest

from portal.tenants.models import Instance
from tests import factories
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send


def path_of(instance: Instance) -> str:
    return f"/api/v1/instances/{instance.public_id}"


def tag(caller, path: str) -> str:
    return str(send(caller, "GET", path).headers["ETag"])


def test_single_resources_are_strong_and_lists_are_weak(alice: Somebody, instance: Instance):
    caller = alice.api()
    assert re.fullmatch(r'"[0-9a-f-]+"', tag(caller, path_of(instance)))
    assert re.fullmatch(r'W/"[0-9a-f]+"', tag(caller, "/api/v1/instances"))


@pytest.mark.parametrize("listed", [True, False])
def test_what_one_has_is_not_sent_again(alice: Somebody, instance: Instance, listed: bool):
    caller = alice.api()
    path = "/api/v1/instances" if listed else path_of(instance)
    known = tag(caller, path)
    for named in (known, f'"other", {known}', "*", known.removeprefix("W/")):
        answer = send(caller, "GET", path, If_None_Match=named)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == known
    factories.instance(alice.tenant, "another") if listed else rename(caller, instance)
    assert send(caller, "GET", path, If_None_Match=known).status_code == 200


def rename(caller, instance: Instance) -> None:
    answer = send(caller, "PATCH", path_of(instance), {"display_name": "New"}, If_Match="*")
    assert answer.status_code == 200


def test_a_change_needs_to_say_what_it_saw(alice: Somebody, instance: Instance):
    caller, path = alice.api(), path_of(instance)
    for method in ("PATCH", "DELETE"):
        problem = refused(send(caller, method, path, {}), "X-MATCH-01", 428)
        assert problem["errors"][0]["header"] == "If-Match"


def test_a_change_of_what_was_seen_is_made_and_answers_the_new_tag(
    alice: Somebody, instance: Instance
):
    caller, path = alice.api(), path_of(instance)
    seen = tag(caller, path)
    answer = send(caller, "PATCH", path, {"display_name": "New"}, If_Match=seen)
    assert body_of(answer)["display_name"] == "New"
    assert answer.headers["ETag"] == tag(caller, path) != seen


def test_a_change_of_something_older_is_refused_with_the_current_tag(
    alice: Somebody, instance: Instance
):
    caller, path = alice.api(), path_of(instance)
    seen = tag(caller, path)
    rename(caller, instance)
    for stale in (seen, f"W/{tag(caller, path)}", "unquoted", '""'):
        answer = send(caller, "PATCH", path, {"display_name": "Other"}, If_Match=stale)
        refused(answer, "X-MATCH-02", 412)
        assert answer.headers["ETag"] == tag(caller, path)
    assert body_of(send(caller, "GET", path))["display_name"] == "New"


def test_one_of_several_tags_is_enough(alice: Somebody, instance: Instance):
    caller, path = alice.api(), path_of(instance)
    named = f'"other", {tag(caller, path)}'
    assert send(caller, "PATCH", path, {}, If_Match=named).status_code == 200


def test_the_tag_of_what_was_made_is_the_tag_of_what_is_read(alice: Somebody):
    caller, asked = alice.api(), {"name": "some-name", "region": "default"}
    made = send(caller, "POST", "/api/v1/instances", asked)
    assert tag(caller, made.headers["Location"]) == made.headers["ETag"]


def test_other_resources_need_no_precondition(alice: Somebody):
    caller = alice.api()
    asked = {"name": "x", "scopes": ["instances:read"], "expires_on": "2026-12-31"}
    made = body_of(send(caller, "POST", "/api/v1/tokens", asked))
    assert send(caller, "DELETE", f"/api/v1/tokens/{made['id']}").status_code == 204
