"""The permission table of the API: every route × every caller → one status (style.md 21)."""

from __future__ import annotations

import json

import pytest

from bindings.api.urls import OF_REPOSITORY, V1
from tests.gate.permissions import Row, World, routes

STALE = {"If-Match": '"stale"'}
EMPTY = json.dumps({})
E = "endpoints/<endpoint>"
ODD = json.dumps({"odd": 1})
INSTANCE, B, R = "instances/<instance>", "bindings/<binding>", "bindings/<binding>/repositories"
#                                              alice bob carol mallory nobody reader writer
ROWS = [
    Row("GET", "me", "200 200 200 200 401 200 200"),
    Row("GET", "providers", "200 200 200 200 401 200 200"),
    Row("GET", "providers/<slug>", "200 200 200 200 401 200 200"),
    Row("GET", "problems", "200 200 200 200 200 200 200"),
    Row("GET", "problems/<code>", "200 200 200 200 200 200 200"),
    Row("GET", "instances", "200 200 200 200 401 200 200"),
    Row("POST", "instances", "422 403 403 422 401 403 422", EMPTY),
    Row("GET", INSTANCE, "200 200 200 404 401 200 200"),
    Row("PATCH", INSTANCE, "412 403 403 404 401 403 412", EMPTY, STALE),
    Row("DELETE", INSTANCE, "412 403 403 404 401 403 412", None, STALE),
    Row("GET", f"{INSTANCE}/sources", "200 200 200 404 401 200 200"),
    Row("POST", f"{INSTANCE}/bindings", "422 403 403 404 401 403 422", EMPTY),
    Row("POST", f"{INSTANCE}/authorizations", "422 403 403 404 401 403 422", EMPTY),
    Row("POST", "connection-tests", "422 403 403 422 401 403 422", EMPTY),
    Row("GET", "bindings", "200 200 200 200 401 200 200"),
    Row("GET", B, "200 200 200 404 401 200 200"),
    Row("PATCH", B, "412 403 403 404 401 403 412", EMPTY, STALE),
    Row("DELETE", B, "412 403 403 404 401 403 412", None, STALE),
    Row("GET", f"{B}/impact", "200 200 200 404 401 200 200"),
    Row("GET", "bindings/<ended>/receipt", "200 200 200 404 401 200 200"),
    Row("PUT", f"{B}/credential", "412 403 403 404 401 403 412", EMPTY, STALE),
    Row("POST", f"{B}/rollbacks", "422 403 403 404 401 403 422", ODD),
    # Paused, so that no code host is asked.
    Row("POST", f"{B}/rotations", "409 403 403 404 401 403 409", EMPTY),
    Row("GET", f"{B}/checks", "200 200 200 404 401 200 200"),
    Row("POST", f"{B}/checks", "422 422 403 404 401 403 422", ODD),
    Row("GET", f"{B}/checks/<check>", "200 200 200 404 401 200 200"),
    # The binding is paused, so that nobody is let through to a code host.
    Row("POST", f"{B}/diagnoses", "422 422 403 404 401 422 422", EMPTY),
    Row("GET", R, "409 409 403 404 401 409 409"),
    Row("GET", f"{R}/<repository>", "409 409 403 404 401 409 409"),
    Row("GET", f"{R}/<repository>/branches", "409 409 403 404 401 409 409"),
    Row("GET", f"{R}/<repository>/tags", "409 409 403 404 401 409 409"),
    Row("GET", f"{R}/<repository>/resolve?ref=main", "409 409 403 404 401 409 409"),
    Row("POST", f"{B}/webhooks", "422 422 403 404 401 403 422", EMPTY),
    Row("GET", "webhooks", "200 200 403 200 401 200 200"),
    Row("GET", "webhooks/<webhook>", "200 200 403 404 401 200 200"),
    # Its binding is paused: it goes here, and stays at the code host for now.
    Row("DELETE", "webhooks/<webhook>", "204 204 403 404 401 403 204"),
    Row("POST", "webhooks/<webhook>/tests", "422 422 403 404 401 403 422", ODD),
    Row("POST", "webhooks/<webhook>/repairs", "422 422 403 404 401 403 422", ODD),
    Row("POST", "webhooks/<webhook>/recoveries", "422 422 403 404 401 403 422", ODD),
    Row("POST", f"{B}/leases", "422 422 403 404 401 403 422", EMPTY),
    Row("GET", "leases", "200 200 403 200 401 200 200"),
    Row("GET", "leases/<lease>", "200 200 403 404 401 200 200"),
    # It has ended with its binding, so that every time there is nothing left to end.
    Row("DELETE", "leases/<lease>", "204 204 403 404 401 403 204"),
    Row("GET", "deliveries", "200 200 403 200 401 200 200"),
    Row("GET", "deliveries/<delivery>", "200 200 403 404 401 200 200"),
    Row("POST", "deliveries/<delivery>/replays", "422 422 403 404 401 403 422", ODD),
    Row("POST", f"{INSTANCE}/triggers", "422 422 403 404 401 403 422", EMPTY),
    Row("GET", "triggers", "200 200 403 200 401 200 200"),
    Row("GET", "triggers/<trigger>", "200 200 403 404 401 200 200"),
    Row("PATCH", "triggers/<trigger>", "412 412 403 404 401 403 412", EMPTY, STALE),
    Row("DELETE", "triggers/<trigger>", "412 412 403 404 401 403 412", None, STALE),
    Row("POST", "triggers/<trigger>/runs", "422 422 403 404 401 403 422", EMPTY),
    Row("GET", "authorizations/<authorization>", "200 403 403 404 401 403 200"),
    Row("DELETE", "authorizations/<authorization>", "204 403 403 404 401 403 204"),
    Row("GET", "expiries", "200 200 200 200 401 200 200"),
    Row("GET", "expiries.ics", "200 200 200 200 401 200 200"),
    Row("POST", "expiries/feed", "201 201 201 201 401 201 201"),
    Row("DELETE", "expiries/feed", "204 204 204 204 401 204 204"),
    Row("GET", "endpoints", "200 200 403 200 401 200 200"),
    Row("POST", "endpoints", "422 403 403 422 401 403 422", EMPTY),
    Row("GET", E, "200 200 403 404 401 200 200"),
    Row("PATCH", E, "412 403 403 404 401 403 412", EMPTY, STALE),
    Row("DELETE", E, "412 403 403 404 401 403 412", None, STALE),
    Row("POST", f"{E}/secrets", "422 403 403 404 401 403 422", ODD),
    Row("POST", f"{E}/tests", "422 403 403 404 401 403 422", ODD),
    Row("GET", f"{E}/deliveries", "200 200 403 404 401 200 200"),
    Row("POST", f"{E}/deliveries/<outgoing>/replays", "422 422 403 404 401 403 422", ODD),
    Row("GET", "events", "200 200 200 200 401 200 200"),
    Row("GET", "events/<event>", "200 200 200 404 401 200 200"),
    Row("GET", "tokens", "200 200 200 200 401 200 200"),
    # Everybody may make tokens of their own, so it is the body that is judged.
    Row("POST", "tokens", "422 422 422 422 401 403 422", EMPTY),
    Row("GET", "tokens/<token>", "200 403 403 404 401 200 200"),
    Row("DELETE", "tokens/<fresh>", "204 403 403 404 401 403 204"),
]
AROUND = [
    Row("GET", "schema.json", "200 200 200 200 200 200 200"),
    Row("GET", "docs/", "200 200 200 200 200 200 200"),
]


@pytest.fixture
def world(alice, bob, carol, mallory) -> World:
    return World(alice, bob, carol, mallory)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.route}")
def test_everybody_gets_the_status_of_the_table(world: World, row: Row):
    at = Row(row.method, f"api/v1/{row.route}", row.statuses, row.body, row.headers)
    assert {caller: world.ask(at, caller) for caller in row.expected} == row.expected


@pytest.mark.parametrize("row", AROUND, ids=lambda row: f"{row.method} {row.route}")
def test_the_description_is_for_everybody(world: World, row: Row):
    at = Row(row.method, f"api/{row.route}", row.statuses)
    assert {caller: world.ask(at, caller) for caller in row.expected} == row.expected


def test_every_operation_of_the_api_has_a_row():
    names = {"fresh": "token", "ended": "binding"}

    def plain(route: str) -> str:
        spelled = route.partition("?")[0].replace("str:", "")
        for special, usual in names.items():
            spelled = spelled.replace(f"<{special}>", f"<{usual}>")
        return spelled

    there = {
        (method, plain(str(pattern.pattern)))
        for pattern in (*V1, *OF_REPOSITORY)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if hasattr(pattern.callback.cls, method.lower())
    }
    assert {(row.method, plain(row.route)) for row in ROWS} == there


def test_the_site_map_has_no_other_address_below_api():
    known = {f"api/v1/{pattern.pattern}" for pattern in V1}
    known |= {f"api/{row.route}" for row in AROUND}
    known |= {"api/v1/bindings/<str:binding>/repositories/<path:rest>", "api/"}
    assert {route for route, _ in routes() if route.startswith("api/")} == known
