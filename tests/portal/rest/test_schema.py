"""The API's own description: complete, valid, and true (api.md 3.13)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from bindings.api.urls import DESCRIBED, OF_REPOSITORY, V1
from portal.ground.rest import schema
from tests.people import Somebody
from tests.portal.rest.calls import body_of, send

# api.md 3, without what later issues bring.
OPERATIONS = """
GET /me
GET /providers
GET /providers/{slug}
GET /problems
GET /problems/{code}
GET POST /instances
GET PATCH DELETE /instances/{instance}
GET /instances/{instance}/sources
POST /instances/{instance}/bindings
POST /instances/{instance}/authorizations
POST /connection-tests
GET /bindings
GET PATCH DELETE /bindings/{binding}
GET /bindings/{binding}/impact
GET /bindings/{binding}/receipt
PUT /bindings/{binding}/credential
POST /bindings/{binding}/rollbacks
POST /bindings/{binding}/rotations
GET POST /bindings/{binding}/checks
GET /bindings/{binding}/checks/{check}
POST /bindings/{binding}/diagnoses
GET /bindings/{binding}/repositories
GET /bindings/{binding}/repositories/{repository}
GET /bindings/{binding}/repositories/{repository}/branches
GET /bindings/{binding}/repositories/{repository}/tags
GET /bindings/{binding}/repositories/{repository}/resolve
POST /bindings/{binding}/webhooks
GET /webhooks
GET DELETE /webhooks/{webhook}
POST /webhooks/{webhook}/tests
POST /webhooks/{webhook}/repairs
POST /webhooks/{webhook}/recoveries
POST /bindings/{binding}/leases
GET /leases
GET DELETE /leases/{lease}
GET DELETE /authorizations/{authorization}
GET /deliveries
GET /deliveries/{delivery}
POST /deliveries/{delivery}/replays
POST /instances/{instance}/triggers
GET /triggers
GET PATCH DELETE /triggers/{trigger}
POST /triggers/{trigger}/runs
GET /expiries
GET /expiries.ics
POST DELETE /expiries/feed
GET POST /endpoints
GET PATCH DELETE /endpoints/{endpoint}
POST /endpoints/{endpoint}/secrets
POST /endpoints/{endpoint}/tests
GET /endpoints/{endpoint}/deliveries
POST /endpoints/{endpoint}/deliveries/{outgoing}/replays
GET /events
GET /events/{event}
GET POST /tokens
GET DELETE /tokens/{token}
"""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    found = schema.describe(DESCRIBED)
    assert not GENERATOR_STATS, GENERATOR_STATS.emit_summary()
    return found


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def test_it_is_valid_openapi_3_1_and_made_without_a_warning(described):
    assert described["openapi"].startswith("3.1.")
    validate_schema(described)


def test_it_holds_every_operation_and_no_other(described):
    wanted = {
        (method, f"/api/v1{line.split()[-1]}")
        for line in OPERATIONS.split("\n")
        for method in line.split()[:-1]
    }
    assert {(method, path) for method, path, _ in operations(described)} == wanted


def test_every_view_on_the_map_is_described(described):
    assert len(described["paths"]) == len(V1) + len(OF_REPOSITORY)


def test_every_operation_has_a_name_of_its_own(described):
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(names) == len(set(names))


def test_every_operation_has_its_problem_answers(described):
    for method, path, operation in operations(described):
        answers = operation["responses"]
        public = path.startswith("/api/v1/problems")
        common = {"400", "406", "500", "503"} | (set() if public else {"401", "403", "429"})
        assert common <= set(answers), (method, path)
        for status, answer in answers.items():
            if int(status) < 400:
                continue
            kinds = answer["content"]
            assert list(kinds) == ["application/problem+json"]
            assert kinds["application/problem+json"]["schema"] == {
                "$ref": "#/components/schemas/Problem"
            }
            assert re.search(r"[A-Z*]+-[A-Z]+-", answer["description"])


def test_what_needs_if_match_says_so(described):
    found = {
        (method, path)
        for method, path, operation in operations(described)
        if any(p["name"] == "If-Match" and p["required"] for p in operation["parameters"])
    }
    assert found == {
        ("PATCH", "/api/v1/instances/{instance}"),
        ("DELETE", "/api/v1/instances/{instance}"),
        ("PATCH", "/api/v1/bindings/{binding}"),
        ("DELETE", "/api/v1/bindings/{binding}"),
        ("PUT", "/api/v1/bindings/{binding}/credential"),
        ("PATCH", "/api/v1/triggers/{trigger}"),
        ("DELETE", "/api/v1/triggers/{trigger}"),
        ("PATCH", "/api/v1/endpoints/{endpoint}"),
        ("DELETE", "/api/v1/endpoints/{endpoint}"),
    }


def test_bodies_take_no_unknown_field(described):
    for _, path, operation in operations(described):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            body = content["schema"]
            if "$ref" in body:
                body = described["components"]["schemas"][body["$ref"].rpartition("/")[2]]
            assert body["additionalProperties"] is False, path


def test_secrets_are_written_and_never_read(described):
    secret = {"token", "client_secret", "refresh", "password"}
    for name, shape in described["components"]["schemas"].items():
        if name.endswith("Body") or name in (
            "NewToken",
            "NewLease",
        ):  # what is sent, and what is told once
            continue
        assert not secret & set(shape.get("properties", {})), name


def test_it_is_public_and_the_same_for_everybody(nobody, alice: Somebody):
    first = send(nobody, "GET", "/api/schema.json", Accept_Language="zh")
    assert first.status_code == 200
    assert body_of(first) == body_of(send(alice.api(), "GET", "/api/schema.json"))


def test_it_names_nothing_of_a_tenant(nobody, alice: Somebody, instance):
    text = json.dumps(body_of(send(nobody, "GET", "/api/schema.json")))
    for word in (alice.tenant.slug, instance.name, alice.person.email):
        assert f'"{word}"' not in text


def test_the_checks_of_django_have_nothing_to_say(db):
    call_command("check", fail_level="WARNING")


def test_the_shapes_are_json_schemas(described):
    for shape in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(shape)
