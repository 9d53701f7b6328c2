"""Idempotency-Key (api.md 1.5): once done, told again."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from portal.ground import redis, rls
from portal.tenants.models import Instance, Reply, Tenant
from tests.people import Somebody, bearer
from tests.portal.rest.calls import body_of, refused, send

INSTANCES, TOKENS = "/api/v1/instances", "/api/v1/tokens"
ASKED = {"name": "some-name", "region": "default"}


def rows(model: Any, tenant: Tenant) -> int:
    with rls.tenant(tenant.pk):
        return int(model.objects.of(tenant).count())


def token_ask() -> Mapping[str, Any]:
    end = (timezone.now() + timedelta(days=30)).date().isoformat()
    return {"name": "again", "scopes": ["instances:read"], "expires_on": end}


def test_the_same_request_again_is_answered_but_not_done_again(alice: Somebody):
    caller = alice.api()
    first = send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    again = send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert body_of(first) == body_of(again)
    for name in ("Location", "ETag"):
        assert first.headers[name] == again.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Trace-Id"] != again.headers["Trace-Id"]
    assert rows(Instance, alice.tenant) == 1


def test_spacing_and_order_of_the_body_do_not_matter(alice: Somebody):
    caller = alice.api()
    send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    turned = dict(reversed(ASKED.items()))
    again = send(caller, "POST", INSTANCES, turned, Idempotency_Key="k1")
    assert again.headers["Idempotency-Replayed"] == "true"


def test_another_body_under_the_same_key_is_refused(alice: Somebody):
    caller = alice.api()
    send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    other = {**ASKED, "name": "other-name"}
    problem = refused(
        send(caller, "POST", INSTANCES, other, Idempotency_Key="k1"), "X-IDEM-01", 422
    )
    assert problem["errors"][0]["header"] == "Idempotency-Key"
    assert send(caller, "POST", INSTANCES, other, Idempotency_Key="k2").status_code == 201


def test_a_refusal_is_told_again_too(alice: Somebody, instance: Instance):
    caller = alice.api()
    taken = {**ASKED, "name": instance.name}
    first = send(caller, "POST", INSTANCES, taken, Idempotency_Key="k1")
    again = send(caller, "POST", INSTANCES, taken, Idempotency_Key="k1")
    one, other = refused(first, "X-NAME-01", 409), refused(again, "X-NAME-01", 409)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert one | {"trace_id": ""} == other | {"trace_id": ""}


def test_a_key_belongs_to_caller_and_path(alice: Somebody, mallory: Somebody):
    one, other = alice.api(), alice.api()
    send(one, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    refused(send(other, "POST", INSTANCES, ASKED, Idempotency_Key="k1"), "X-NAME-01", 409)
    asked = token_ask()
    assert send(one, "POST", TOKENS, asked, Idempotency_Key="k1").status_code == 201
    foreign = send(mallory.api(), "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    assert foreign.status_code == 201


def test_a_key_is_free_again_after_a_day(alice: Somebody):
    caller = alice.api()
    send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    with time_machine.travel(timezone.now() + timedelta(hours=23)):
        again = send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
        assert again.headers["Idempotency-Replayed"] == "true"
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        refused(send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1"), "X-NAME-01", 409)


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256, "tab\there"])
def test_a_malformed_key_is_refused(alice: Somebody, key: str):
    refused(send(alice.api(), "POST", INSTANCES, ASKED, Idempotency_Key=key), "X-IDEM-03", 400)


def test_the_longest_key_is_taken(alice: Somebody):
    answer = send(alice.api(), "POST", INSTANCES, ASKED, Idempotency_Key="~" * 255)
    assert answer.status_code == 201


def test_while_the_first_request_runs_the_second_waits(alice: Somebody):
    caller = alice.api()
    send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    with rls.tenant(alice.tenant.pk):
        Reply.objects.of(alice.tenant).update(
            status=None, until=timezone.now() + timedelta(minutes=1)
        )
    refused(send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1"), "X-IDEM-02", 409)


def test_a_request_that_died_does_not_hold_its_key(alice: Somebody):
    caller = alice.api()
    send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    with rls.tenant(alice.tenant.pk):
        Reply.objects.of(alice.tenant).update(status=None, until=timezone.now())
    refused(send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1"), "X-NAME-01", 409)


def test_of_many_at_once_one_is_done(alice: Somebody):
    secret = alice.token().secret

    def ask(_: int) -> int:
        try:
            answer = send(bearer(secret), "POST", INSTANCES, ASKED, Idempotency_Key="k1")
            return answer.status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(ask, range(8)))
    assert rows(Instance, alice.tenant) == 1
    assert 201 in statuses
    assert set(statuses) <= {201, 409}


def test_a_secret_is_told_again_for_ten_minutes(alice: Somebody):
    caller, asked = alice.api(), token_ask()
    first = body_of(send(caller, "POST", TOKENS, asked, Idempotency_Key="k1"))
    again = body_of(send(caller, "POST", TOKENS, asked, Idempotency_Key="k1"))
    assert first == again
    assert first["token"].startswith("mrg_")


def test_later_the_secret_is_gone(alice: Somebody):
    caller, asked = alice.api(), token_ask()
    send(caller, "POST", TOKENS, asked, Idempotency_Key="k1")
    forget_redis()
    refused(send(caller, "POST", TOKENS, asked, Idempotency_Key="k1"), "X-IDEM-04", 409)


def forget_redis() -> None:
    client = redis.client()
    (key,) = client.keys("mooring:strongbox:*")
    assert 0 < client.ttl(key) <= 600
    client.delete(key)


def test_no_secret_is_stored_in_the_open(alice: Somebody):
    caller, asked = alice.api(), token_ask()
    secret = body_of(send(caller, "POST", TOKENS, asked, Idempotency_Key="k1"))["token"]
    with rls.tenant(alice.tenant.pk):
        (reply,) = Reply.objects.of(alice.tenant)
    assert reply.secret
    assert secret not in f"{reply.body} {reply.headers}"
    for key in redis.client().keys("*"):
        if redis.client().type(key) == b"string":
            assert secret.encode() not in redis.client().get(key)


def test_a_fault_gives_the_key_back(alice: Somebody, superuser):
    caller = alice.api()
    superuser.execute("REVOKE INSERT ON tenants_instance FROM mooring_app")
    broken = send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1")
    superuser.execute("GRANT INSERT ON tenants_instance TO mooring_app")
    refused(broken, "X-SYS-01", 500)
    assert send(caller, "POST", INSTANCES, ASKED, Idempotency_Key="k1").status_code == 201


def test_methods_that_repeat_by_nature_take_no_key(alice: Somebody, instance: Instance):
    caller, path = alice.api(), f"{INSTANCES}/{instance.public_id}"
    for _ in range(2):
        answer = send(caller, "PATCH", path, {}, If_Match="*", Idempotency_Key="a b")
        assert answer.status_code == 200
        assert "Idempotency-Replayed" not in answer.headers
