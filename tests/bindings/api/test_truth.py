"""The description is true: what the API really answers has the shape that it promises."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from jsonschema import Draft202012Validator

from bindings.api.urls import DESCRIBED
from portal.ground.rest import schema
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.api.conftest import GitLab, bind
from tests.people import Somebody
from tests.portal.rest.calls import body_of, send


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return schema.describe(DESCRIBED)


def agrees(described: dict[str, Any], method: str, path: str, answer: HttpResponse) -> None:
    """The answer is one that the description of `method path` has."""
    operation = described["paths"][f"/api/v1{path}"][method.lower()]
    told = operation["responses"][str(answer.status_code)]
    if not answer.content:
        assert "content" not in told
        return
    content = told["content"][answer.headers["Content-Type"]]
    whole = content["schema"] | {"components": described["components"]}
    found = [e.message for e in Draft202012Validator(whole).iter_errors(body_of(answer))]
    assert not found, (path, found)


def test_what_is_read(described, alice: Somebody, instance: Instance, bound: dict):
    caller, binding = alice.api(), f"/bindings/{bound['id']}"
    api = "/repositories/platform%2Fapi"
    pairs = [
        ("/me", "/me"),
        ("/providers", "/providers"),
        ("/providers/{slug}", "/providers/codeup"),
        ("/problems", "/problems"),
        ("/problems/{code}", "/problems/X-AUTH-01"),
        ("/instances", "/instances"),
        ("/instances/{instance}", f"/instances/{instance.public_id}"),
        ("/instances/{instance}/sources", f"/instances/{instance.public_id}/sources"),
        ("/bindings", "/bindings"),
        ("/bindings/{binding}", binding),
        ("/bindings/{binding}/impact", f"{binding}/impact"),
        ("/bindings/{binding}/checks", f"{binding}/checks"),
        ("/bindings/{binding}/repositories", f"{binding}/repositories"),
        ("/bindings/{binding}/repositories/{repository}", f"{binding}{api}"),
        ("/bindings/{binding}/repositories/{repository}/branches", f"{binding}{api}/branches"),
        ("/bindings/{binding}/repositories/{repository}/tags", f"{binding}{api}/tags"),
        (
            "/bindings/{binding}/repositories/{repository}/resolve",
            f"{binding}{api}/resolve?ref=main",
        ),
        ("/expiries", "/expiries?within=P365D"),
        ("/events", "/events"),
        ("/tokens", "/tokens"),
        ("/tokens/{token}", "/tokens/self"),
    ]
    for told, path in pairs:
        answer = send(caller, "GET", f"/api/v1{path}")
        assert answer.status_code == 200, path
        agrees(described, "GET", told, answer)


def test_what_is_written(described, alice: Somebody, instance: Instance, gitlab: GitLab):
    caller, own = alice.api(), "/instances/{instance}"
    made = bind(caller, instance, gitlab.ask())
    agrees(described, "POST", f"{own}/bindings", made)
    path = made.headers["Location"]
    for body in (gitlab.ask(), gitlab.ask("list-only")):
        test = send(caller, "POST", "/api/v1/connection-tests", body)
        agrees(described, "POST", "/connection-tests", test)
    check = send(caller, "POST", f"{path}/checks")
    agrees(described, "POST", "/bindings/{binding}/checks", check)
    named = send(caller, "PATCH", path, {"labels": {"a": "b"}}, If_Match="*")
    agrees(described, "PATCH", "/bindings/{binding}", named)
    replaced = send(caller, "PUT", f"{path}/credential", {"token": gitlab.token()}, If_Match="*")
    agrees(described, "PUT", "/bindings/{binding}/credential", replaced)
    gone = send(caller, "DELETE", path, If_Match="*")
    agrees(described, "DELETE", "/bindings/{binding}", gone)
    agrees(described, "GET", "/bindings/{binding}", send(caller, "GET", path))
    receipt = send(caller, "GET", f"{path}/receipt")
    agrees(described, "GET", "/bindings/{binding}/receipt", receipt)
    rows.host("github", client_id="sandbox-client")
    begun = send(
        caller,
        "POST",
        f"/api/v1/instances/{instance.public_id}/authorizations",
        {"provider": "github"},
    )
    agrees(described, "POST", f"{own}/authorizations", begun)
    closed = send(caller, "DELETE", f"/api/v1/instances/{instance.public_id}", If_Match="*")
    agrees(described, "DELETE", own, closed)


def test_what_is_refused(described, alice: Somebody, instance: Instance, gitlab: GitLab):
    caller, own = alice.api(), "/instances/{instance}"
    path = f"/api/v1/instances/{instance.public_id}"
    for answer in (
        bind(caller, instance, {}),
        bind(caller, instance, gitlab.ask("registry")),
        bind(caller, instance, gitlab.ask(), Idempotency_Key="a b"),
        bind(caller, instance, gitlab.ask(), Accept="text/html"),
    ):
        agrees(described, "POST", f"{own}/bindings", answer)
    for headers in ({}, {"If_Match": '"old"'}):
        agrees(described, "PATCH", own, send(caller, "PATCH", path, {}, **headers))
    agrees(described, "GET", own, send(caller, "GET", "/api/v1/instances/ins_x"))
