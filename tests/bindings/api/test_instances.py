"""Instances and their code sources over the API (api.md 3.2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.ground import rls
from portal.tenants.models import Instance
from tests import factories
from tests.bindings.api import rows
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

PATH = "/api/v1/instances"
ORDER = ["github", "gitlab", "gitee", "bitbucket", "codearts", "codeup", "gitea"]
END = datetime(2026, 12, 24, tzinfo=UTC)


def test_an_instance_is_made_letter_by_letter(alice: Somebody):
    caller = alice.api()
    asked = {
        "name": "prod-registry",
        "display_name": "Production",
        "region": "default",
        "labels": {"team": "images"},
    }
    answer = send(caller, "POST", PATH, asked)
    made = body_of(answer)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    assert made == {
        "id": made["id"],
        **asked,
        "state": "unbound",
        "bound": 0,
        "next_expiry": None,
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }
    assert body_of(send(caller, "GET", answer.headers["Location"])) == made


@pytest.mark.parametrize("name", ["ab", "a" * 41, "Upper", "a--b", "-a-b", "a_b", "ünï", "a b"])
def test_a_name_that_is_none_is_refused(alice: Somebody, name: str):
    asked = {"name": name, "region": "default"}
    problem = refused(send(alice.api(), "POST", PATH, asked), "X-FORM-03", 422)
    assert problem["errors"][0]["pointer"] == "#/name"


def test_an_unknown_region_is_refused(alice: Somebody):
    asked = {"name": "some-name", "region": "nowhere"}
    problem = refused(send(alice.api(), "POST", PATH, asked), "X-FORM-03", 422)
    assert problem["errors"][0]["pointer"] == "#/region"


def test_a_taken_name_comes_with_a_suggestion(alice: Somebody, instance: Instance):
    asked = {"name": instance.name, "region": "default"}
    problem = refused(send(alice.api(), "POST", PATH, asked), "X-NAME-01", 409)
    assert problem["suggestion"] == f"{instance.name}-2"


def test_display_name_and_labels_can_change_and_nothing_else(alice: Somebody, instance: Instance):
    caller, path = alice.api(), f"{PATH}/{instance.public_id}"
    changed = {"display_name": "Production", "labels": {"a": "b"}}
    found = body_of(send(caller, "PATCH", path, changed, If_Match="*"))
    assert {name: found[name] for name in changed} == changed
    for field in ("name", "region", "state", "tenant", "id", "__class__"):
        refused(send(caller, "PATCH", path, {field: "x"}, If_Match="*"), "X-FORM-04", 422)
    assert body_of(send(caller, "GET", path)) == found


def test_owners_delete_what_nothing_is_bound_to(alice: Somebody, instance: Instance):
    caller, path = alice.api(), f"{PATH}/{instance.public_id}"
    rows.binding(instance)
    refused(send(caller, "DELETE", path, If_Match="*"), "X-INUSE-01", 409)
    empty = factories.instance(alice.tenant, "empty")
    answer = send(caller, "DELETE", f"{PATH}/{empty.public_id}", If_Match="*")
    assert (answer.status_code, answer.content) == (204, b"")
    refused(send(caller, "GET", f"{PATH}/{empty.public_id}"), "X-FOUND-01", 404)


def test_admins_do_not_delete(alice: Somebody, instance: Instance):
    caller = alice.api(role="admin")
    answer = send(caller, "DELETE", f"{PATH}/{instance.public_id}", If_Match="*")
    assert refused(answer, "X-ROLE-01", 403)["needed_role"] == "owner"


def test_the_state_is_the_worst_of_its_bindings(alice: Somebody, instance: Instance):
    rows.binding(instance, "gitlab", status="expiring", expires_at=END)
    rows.binding(instance, "github", reach="unreachable", expires_at=None, quality="unknown")
    found = body_of(send(alice.api(), "GET", f"{PATH}/{instance.public_id}"))
    assert (found["state"], found["bound"]) == ("unreachable", 2)
    assert found["next_expiry"] == "2026-12-24T00:00:00Z"


def test_an_end_that_renews_itself_is_no_next_expiry(alice: Somebody, instance: Instance):
    rows.binding(instance, renews=True, expires_at=END)
    found = body_of(send(alice.api(), "GET", f"{PATH}/{instance.public_id}"))
    assert (found["state"], found["next_expiry"]) == ("healthy", None)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("healthy", ["well"]),
        ("unreachable", ["far"]),
        ("expiring", []),
        ("unbound", ["empty"]),
        ("degraded", ["doubted"]),
        ("unbound&state=healthy", ["empty", "well"]),
    ],
)
def test_the_state_filter_means_the_worst_too(alice: Somebody, state: str, names: list[str]):
    well, far, doubted = (
        factories.instance(alice.tenant, name) for name in ("well", "far", "doubted")
    )
    factories.instance(alice.tenant, "empty")
    rows.binding(well)
    rows.binding(far, "gitlab", status="expiring")
    rows.binding(far, "github", reach="unreachable")
    rows.binding(doubted, suspicion=1)
    found = body_of(send(alice.api(), "GET", f"{PATH}?state={state}"))
    assert [row["name"] for row in found["data"]] == names


def test_instances_of_others_do_not_exist(
    alice: Somebody, instance: Instance, foreign_instance: Instance
):
    caller = alice.api()
    there = send(caller, "GET", f"{PATH}/{foreign_instance.public_id}")
    nowhere = send(caller, "GET", f"{PATH}/ins_{'0' * 26}")
    one, other = (refused(answer, "X-FOUND-01", 404) for answer in (there, nowhere))
    hidden = {"trace_id": "", "instance": ""}
    assert one | hidden == other | hidden
    listed = body_of(send(caller, "GET", PATH))["data"]
    assert [row["id"] for row in listed] == [instance.public_id]


def test_a_name_is_no_id(alice: Somebody, instance: Instance):
    refused(send(alice.api(), "GET", f"{PATH}/{instance.name}"), "X-FOUND-01", 404)


def test_sources_are_always_seven_rows_in_order(alice: Somebody, instance: Instance):
    rows.host("github")
    found = body_of(send(alice.api(), "GET", f"{PATH}/{instance.public_id}/sources"))
    assert found["next_cursor"] is None
    assert [row["provider"] for row in found["data"]] == ORDER
    shown = {row["provider"]: (row["state"], row["action"]) for row in found["data"]}
    assert shown["github"] == shown["gitlab"] == ("unbound", "bind")
    assert shown["gitee"] == ("not_offered", "ask")


def test_a_source_shows_its_binding_as_the_binding_shows_itself(
    alice: Somebody, instance: Instance
):
    bound, caller = rows.binding(instance, status="expiring"), alice.api()
    found = body_of(send(caller, "GET", f"{PATH}/{instance.public_id}/sources"))["data"][1]
    assert (found["state"], found["action"], found["name"]) == ("expiring", "replace", "GitLab")
    itself = body_of(send(caller, "GET", f"/api/v1/bindings/{bound.public_id}"))
    assert found["binding"] == itself


def test_a_region_without_the_feature_offers_nothing(alice: Somebody):
    with rls.tenant(alice.tenant.pk):
        far = Instance.objects.create(tenant=alice.tenant, name="far", region="elsewhere")
    found = body_of(send(alice.api(), "GET", f"{PATH}/{far.public_id}/sources"))
    assert {row["state"] for row in found["data"]} == {"not_offered"}


def test_a_server_offered_to_another_tenant_is_not_offered_here(
    alice: Somebody, mallory: Somebody, instance: Instance
):
    rows.host("github", owner=mallory.tenant, slug="theirs", offered=False)
    found = body_of(send(alice.api(), "GET", f"{PATH}/{instance.public_id}/sources"))
    assert found["data"][0]["state"] == "not_offered"
    shown = body_of(send(alice.api(), "GET", "/api/v1/providers/github"))
    assert (shown["offered"], shown["hosts"]) == (False, [])
