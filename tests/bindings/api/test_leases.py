"""Clone credentials over the API (api.md 3.9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bindings.models import Binding, Lease
from portal.ground import redis, rls
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

ASK = {"repository": "platform/api", "ttl": 300, "build": "jenkins-2201"}


def lend(caller: Client, bound: dict[str, Any], body: Any = None, **headers: str) -> Any:
    return send(caller, "POST", f"/api/v1/bindings/{bound['id']}/leases", body or ASK, **headers)


def test_a_lease_is_lent_shown_and_ended(alice: Somebody, bound: dict[str, Any], settings: Any):
    caller = alice.api(role="developer")
    answer = lend(caller, bound)
    made = body_of(answer)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/leases/{made['id']}"
    assert made["url"] == f"{settings.MOORING_URL}/git/{bound['id']}/platform/api.git"
    assert (made["username"], made["password"][:4]) == (made["id"], "mrl_")
    assert (made["status"], made["uses"], made["bytes"]) == ("active", 0, 0)
    assert made["created_by"]["kind"] == "token"
    where = f"/api/v1/leases/{made['id']}"
    seen = send(caller, "GET", where)
    assert body_of(seen) == {name: value for name, value in made.items() if name != "password"}
    assert seen.headers["ETag"] == answer.headers["ETag"]
    for _ in range(2):
        assert send(caller, "DELETE", where).status_code == 204
    assert body_of(send(caller, "GET", where))["status"] == "revoked"


def test_a_lost_answer_is_given_again_for_ten_minutes(alice: Somebody, bound: dict[str, Any]):
    caller = alice.api(role="developer")
    first = body_of(lend(caller, bound, Idempotency_Key="build-2201"))
    again = lend(caller, bound, Idempotency_Key="build-2201")
    assert body_of(again) == first
    assert again.headers["Idempotency-Replayed"] == "true"
    with rls.tenant(alice.tenant.pk):
        assert Lease.objects.count() == 1
    for key in redis.client().scan_iter("mooring:strongbox:*"):
        redis.client().delete(key)
    refused(lend(caller, bound, Idempotency_Key="build-2201"), "X-IDEM-04", 409)


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"ttl": 59}, "X-FORM-03", 422),
        ({"ttl": 3601}, "X-FORM-03", 422),
        ({"ttl": "900"}, "X-FORM-03", 422),
        ({"ttl": True}, "X-FORM-03", 422),
        ({"kind": "stored"}, "X-FORM-03", 422),
        ({"kind": "provider_token"}, "X-LEASE-01", 422),
        ({"build": "x" * 101}, "X-FORM-03", 422),
        ({"repository": ""}, "X-FORM-01", 422),
        ({"repository": "nobody/nothing"}, "GL-REPO-02", 404),
    ],
)
def test_what_cannot_be_lent_is_refused(
    alice: Somebody, bound: dict[str, Any], body: dict[str, Any], code: str, status: int
):
    refused(lend(alice.api(role="developer"), bound, ASK | body), code, status)


def test_the_operators_longest_time_holds(alice: Somebody, bound: dict[str, Any], settings: Any):
    settings.MOORING_LEASE_MINUTES, settings.MOORING_LEASE_MINUTES_MAX = 30, 10
    caller = alice.api(role="developer")
    problem = refused(lend(caller, bound, ASK | {"ttl": 900}), "X-FORM-03", 422)
    assert problem["errors"][0]["pointer"] == "#/ttl"
    made = body_of(lend(caller, bound, ASK | {"ttl": None}))
    ends = datetime.fromisoformat(made["expires_at"])
    assert ends <= timezone.now() + timedelta(minutes=10)


def test_a_paused_binding_lends_nothing(alice: Somebody, bound: dict[str, Any]):
    with rls.tenant(alice.tenant.pk):
        Binding.objects.update(status="suspended")
    problem = refused(lend(alice.api(role="developer"), bound), "X-STATE-01", 409)
    assert problem["state"] == "suspended"
    assert problem["fix_url"].endswith(f"/t/acme/bindings/{bound['id']}/")


def test_leases_are_listed_and_chosen(alice: Somebody, bound: dict[str, Any]):
    caller = alice.api(role="developer")
    first = body_of(lend(caller, bound))
    second = body_of(lend(caller, bound, {"repository": "platform/web"}))
    send(caller, "DELETE", f"/api/v1/leases/{first['id']}")

    def found(query: str) -> list[str]:
        answer = send(caller, "GET", f"/api/v1/leases{query}")
        assert b"mrl_" not in answer.content
        return [row["id"] for row in body_of(answer)["data"]]

    assert found("") == [second["id"], first["id"]]
    assert found(f"?binding={bound['id']}&status=revoked") == [first["id"]]
    assert found("?status=active&status=revoked") == [second["id"], first["id"]]
    assert found("?repository=platform%2Fweb") == [second["id"]]
    assert found(f"?repository={first['repository']['id']}") == [first["id"]]
    assert found("?build=jenkins-2201") == [first["id"]]
    assert found("?binding=bnd_00000000000000000000000000") == []
    page = body_of(send(caller, "GET", "/api/v1/leases?limit=1"))
    assert found(f"?limit=1&cursor={page['next_cursor']}") == [first["id"]]
