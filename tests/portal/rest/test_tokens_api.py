"""API tokens, the caller, and the event log over the API (api.md 3.1, 3.11, 3.12)."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.utils import timezone

from portal.ground import rls
from portal.tenants.models import Instance
from portal.tenants.services import events
from tests import factories
from tests.people import Somebody, bearer
from tests.portal.rest.calls import body_of, refused, send

TOKENS, EVENTS, ME = "/api/v1/tokens", "/api/v1/events", "/api/v1/me"


def in_days(count: int) -> str:
    end: date = timezone.now().date() + timedelta(days=count)
    return end.isoformat()


def test_a_new_token_is_told_once_and_works(alice: Somebody, instance: Instance):
    caller = alice.client
    asked = {
        "name": "jenkins-eu",
        "owner": "tenant",
        "role": "developer",
        "scopes": ["repositories:read", "leases:write"],
        "instances": [instance.public_id],
        "expires_on": in_days(90),
        "networks": ["192.0.2.0/24"],
    }
    answer = send(caller, "POST", TOKENS, asked)
    made = body_of(answer)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{TOKENS}/{made['id']}"
    assert re.fullmatch(r"mrg_[0-9A-Za-z]{49}", made.pop("token"))
    assert made["hint"].startswith("mrg_")
    assert made == {
        "id": made["id"],
        "name": "jenkins-eu",
        "owner": "tenant",
        "user": None,
        "role": "developer",
        "scopes": ["leases:write", "repositories:read"],
        "instances": [instance.public_id],
        "networks": ["192.0.2.0/24"],
        "hint": made["hint"],
        "expires_at": f"{in_days(90)}T00:00:00Z",
        "created_at": made["created_at"],
        "created_by": {"id": alice.person.public_id, "name": "Alice"},
        "last_used_at": None,
    }
    assert body_of(send(caller, "GET", answer.headers["Location"])) == made
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created_at"])


def test_who_am_i_with_a_limited_token(alice: Somebody, instance: Instance):
    made = alice.token("leases:write", role="developer", instances=[instance])
    found = body_of(send(bearer(made.secret), "GET", ME))
    assert found["kind"] == "token"
    assert found["id"] == made.token.public_id
    assert found["scopes"] == ["leases:write"]
    assert found["instances"] == [instance.public_id]
    assert (found["role"], found["user"]) == ("developer", None)
    tenant = alice.tenant
    brief = {"id": tenant.public_id, "slug": "acme", "name": "Acme"}
    assert found["tenant"] == brief


def test_the_server_tells_where_it_calls_from(alice: Somebody, settings):
    settings.MOORING_EGRESS_RANGES = ("198.51.100.16/28",)
    settings.MOORING_BUILDER_RANGES = ("198.51.100.48/28",)
    server = body_of(send(alice.api(), "GET", ME))["server"]
    assert server["egress"] == {"portal": ["198.51.100.16/28"], "builders": ["198.51.100.48/28"]}


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"scopes": ["instances:write"]}, "#/scopes"),
        ({"scopes": ["no:such"]}, "#/scopes"),
        ({"role": "owner"}, "#/role"),
        ({"expires_on": in_days(366)}, "#/expires_on"),
        ({"expires_on": in_days(0)}, "#/expires_on"),
        ({"instances": ["ins_x"]}, "#/instances"),
        ({"networks": ["300.0.0.0/8"]}, "#/networks"),
    ],
)
def test_a_token_gives_no_more_than_its_maker_has(alice: Somebody, changed, pointer: str):
    caller = alice.api("tokens:write", "bindings:read", "instances:read", role="admin")
    asked = {"name": "x", "scopes": ["bindings:read"], "expires_on": in_days(30), **changed}
    problem = refused(send(caller, "POST", TOKENS, asked), "X-FORM-03", 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_a_foreign_instance_is_like_none(
    alice: Somebody, instance: Instance, foreign_instance: Instance
):
    caller, asked = alice.api(), {"name": "x", "scopes": ["bindings:read"]}
    asked["expires_on"] = in_days(30)
    problems = [
        refused(send(caller, "POST", TOKENS, {**asked, "instances": [key]}), "X-FORM-03", 422)
        for key in (foreign_instance.public_id, "ins_" + "0" * 26)
    ]
    assert problems[0] | {"trace_id": ""} == problems[1] | {"trace_id": ""}


def test_everybody_has_personal_tokens_and_sees_only_their_own(alice: Somebody, carol: Somebody):
    tenants_own = alice.token().token
    viewer = carol.client
    asked = {"name": "mine", "owner": "me", "scopes": ["bindings:read"]}
    made = body_of(send(viewer, "POST", TOKENS, asked))
    assert (made["owner"], made["user"]["name"]) == ("me", "Carol")
    assert [row["id"] for row in body_of(send(viewer, "GET", TOKENS))["data"]] == [made["id"]]
    refused(send(viewer, "GET", f"{TOKENS}/{tenants_own.public_id}"), "X-ROLE-01", 403)
    listed = body_of(send(alice.client, "GET", TOKENS))["data"]
    assert [row["id"] for row in listed] == [made["id"], tenants_own.public_id]


def test_a_token_knows_itself_as_self_without_a_scope(alice: Somebody):
    made = alice.token("bindings:read")
    caller = bearer(made.secret)
    assert body_of(send(caller, "GET", f"{TOKENS}/self"))["id"] == made.token.public_id
    refused(send(caller, "GET", TOKENS), "X-SCOPE-01", 403)
    assert send(caller, "DELETE", f"{TOKENS}/self").status_code == 204
    refused(send(caller, "GET", ME), "X-AUTH-02", 401)


def test_a_revoked_token_is_gone(alice: Somebody):
    made, caller = alice.token(), alice.api()
    path = f"{TOKENS}/{made.token.public_id}"
    assert send(caller, "DELETE", path).status_code == 204
    refused(send(bearer(made.secret), "GET", ME), "X-AUTH-02", 401)
    refused(send(caller, "GET", path), "X-FOUND-01", 404)
    refused(send(caller, "DELETE", path), "X-FOUND-01", 404)


def test_tokens_of_others_do_not_exist(alice: Somebody, mallory: Somebody):
    made = alice.token()
    for method in ("GET", "DELETE"):
        answer = send(mallory.api(), method, f"{TOKENS}/{made.token.public_id}")
        refused(answer, "X-FOUND-01", 404)
    assert send(bearer(made.secret), "GET", ME).status_code == 200


def record(alice: Somebody, type: str, instance: Instance | None = None) -> None:
    with rls.tenant(alice.tenant.pk):
        events.record(
            tenant_id=alice.tenant.pk,
            type=type,
            actor=alice.actor.event(),
            at=timezone.now(),
            instance_id=instance.pk if instance else None,
            data={"n": 1},
        )


def test_events_are_listed_newest_first_with_who_and_where(alice: Somebody, instance: Instance):
    record(alice, "binding.bound", instance)
    record(alice, "binding.unbound", instance)
    found = body_of(send(alice.api(), "GET", f"{EVENTS}?instance={instance.public_id}"))["data"]
    assert [event["type"] for event in found] == ["binding.unbound", "binding.bound"]
    assert found[0]["instance"] == {"id": instance.public_id, "name": instance.name}
    assert found[0]["actor"] == {
        "kind": "user",
        "id": alice.person.public_id,
        "name": "Alice",
        "ip": "192.0.2.7",
    }
    assert found[0]["data"] == {"n": 1}
    again = body_of(send(alice.api(), "GET", f"{EVENTS}/{found[0]['id']}"))
    assert again == found[0]


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("type=binding.*", {"binding.bound", "binding.unbound"}),
        ("type=binding.bound&type=webhook.*", {"binding.bound", "webhook.added"}),
        ("type=binding", set()),
        ("since=2999-01-01T00:00:00Z", set()),
        ("until=2020-01-01", set()),
        ("binding=bnd_x", set()),
        ("actor=usr_x", set()),
    ],
)
def test_events_are_chosen_by_type_and_time(alice: Somebody, query: str, types: set[str]):
    for type in ("binding.bound", "binding.unbound", "webhook.added"):
        record(alice, type)
    found = body_of(send(alice.api(), "GET", f"{EVENTS}?{query}"))["data"]
    assert {event["type"] for event in found} == types


def test_events_of_an_actor(alice: Somebody):
    record(alice, "binding.bound")
    caller = alice.api()
    path = f"{EVENTS}?actor={alice.person.public_id}&type=binding.*"
    assert len(body_of(send(caller, "GET", path))["data"]) == 1


def test_a_token_of_one_instance_sees_only_its_events(alice: Somebody, instance: Instance):
    other = factories.instance(alice.tenant, "other")
    record(alice, "binding.bound", instance)
    record(alice, "binding.bound", other)
    caller = alice.api("events:read", instances=[instance])
    found = body_of(send(caller, "GET", EVENTS))["data"]
    assert [event["instance"]["id"] for event in found] == [instance.public_id]


def test_events_of_others_do_not_exist(alice: Somebody, mallory: Somebody):
    record(alice, "binding.bound")
    found = body_of(send(alice.api(), "GET", f"{EVENTS}?type=binding.*"))["data"]
    refused(send(mallory.api(), "GET", f"{EVENTS}/{found[0]['id']}"), "X-FOUND-01", 404)
    assert not body_of(send(mallory.api(), "GET", f"{EVENTS}?type=binding.*"))["data"]
