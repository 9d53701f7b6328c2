"""Outgoing endpoints over the API (api.md 3.8)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bindings.models import Endpoint
from bindings.services.tell import endpoints, relay
from portal.ground import redis, rls
from portal.tenants.models import Instance, Tenant
from tests.bindings.sources import events as logged
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send
from tests.receiver import Receiver

PATH = "/api/v1/endpoints"
ASKED = {"name": "builder", "url": "https://192.0.0.9/mooring", "events": ["build.*"]}


@pytest.fixture(autouse=True)
def _no_resolver(settings: Any) -> None:
    """Addresses of these tests are numbers: nobody's resolver is asked."""
    settings.MOORING_ENDPOINT_ALLOW_CIDRS = ("10.0.0.0/8", "127.0.0.0/8")


def asked(**more: Any) -> dict[str, Any]:
    return {**ASKED, "url": "https://10.1.2.3/mooring", **more}


def made(caller: Client, **more: Any) -> dict[str, Any]:
    answer = send(caller, "POST", PATH, asked(**more))
    assert answer.status_code == 201
    found: dict[str, Any] = body_of(answer)
    return found


def test_an_endpoint_is_added_and_shows_its_secret_once(alice: Somebody, instance: Instance):
    caller = alice.api()
    answer = send(caller, "POST", PATH, asked(instances=[instance.public_id]))
    body = body_of(answer)
    secret = body.pop("secret")
    assert (answer.status_code, secret[:6], len(secret)) == (201, "whsec_", 50)
    assert body == {
        "id": body["id"],
        "name": "builder",
        "url": "https://10.1.2.3/mooring",
        "events": ["build.*"],
        "instances": [instance.public_id],
        "enabled": True,
        "status": "active",
        "status_reason": None,
        "secret_set_at": body["secret_set_at"],
        "last_delivery_at": None,
        "created_at": body["created_at"],
    }
    assert answer.headers["Location"] == f"{PATH}/{body['id']}"
    again = send(caller, "GET", f"{PATH}/{body['id']}")
    assert body_of(again) == body
    assert again.headers["ETag"] == answer.headers["ETag"]
    assert body_of(send(caller, "GET", PATH))["data"] == [body]
    last = logged(alice.tenant, "endpoint.")[-1]
    assert (last.type, last.data["endpoint"]["name"]) == ("endpoint.created", "builder")
    assert secret not in str(last.data)


def test_the_same_key_repeats_the_secret_for_ten_minutes(alice: Somebody):
    caller = alice.api()
    first = body_of(send(caller, "POST", PATH, asked(), Idempotency_Key="k1"))
    again = send(caller, "POST", PATH, asked(), Idempotency_Key="k1")
    assert body_of(again) == first
    assert again.headers["Idempotency-Replayed"] == "true"
    redis.client().flushdb()  # as its ten minutes would
    refused(send(caller, "POST", PATH, asked(), Idempotency_Key="k1"), "X-IDEM-04", 409)
    assert len(body_of(send(caller, "GET", PATH))["data"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://10.1.2.3/",
        "https://192.168.1.1/",
        "https://169.254.169.254/",
        "https://100.100.100.200/",
        "https://localhost/",
        "https://user:pass@10.1.2.3/",
        "https://10.1.2.3:22/",
        "https://10.1.2.3/a/../b",
        "https://10.1.2.3/#part",
        "https://010.1.2.3/",
        "ftp://10.1.2.3/",
        "10.1.2.3",
        "https://[::ffff:10.1.2.3]/",
        "https://10.1.2.3/\u202e",
    ],
)
def test_an_address_nobody_may_call_is_refused(alice: Somebody, url: str):
    problem = refused(send(alice.api(), "POST", PATH, asked(url=url)), "X-ADDR-01", 422)
    assert problem["errors"][0]["pointer"] == "#/url"


def test_path_and_query_stay_as_they_are(alice: Somebody):
    kept = made(alice.api(), url="https://10.1.2.3:8443/-/hooks/a.b/?job=1&x=%20")
    assert kept["url"] == "https://10.1.2.3:8443/-/hooks/a.b/?job=1&x=%20"


def test_loopback_is_open_outside_production_only(alice: Somebody, settings: Any):
    assert made(alice.api(), url="https://127.0.0.1:9000/")["id"]
    settings.MOORING_ENV = "production"
    wanted = asked(name="other", url="https://127.0.0.1:9000/")
    refused(send(alice.api(), "POST", PATH, wanted), "X-ADDR-01", 422)


def test_plain_http_needs_the_operator(alice: Somebody, settings: Any):
    settings.MOORING_ENDPOINT_ALLOW_HTTP = True
    assert made(alice.api(), url="http://10.1.2.3:9000/x")["url"] == "http://10.1.2.3:9000/x"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("events", ["build.push", "nothing.*"], "X-FORM-03"),
        ("events", ["*"], "X-FORM-03"),
        ("events", ["endpoint.test"], "X-FORM-03"),
        ("events", [], "X-FORM-01"),
        ("name", "x" * 81, "X-FORM-03"),
        ("name", "", "X-FORM-01"),
        ("instances", ["ins_nobodys"], "X-FORM-03"),
        ("secret", "whsec_test", "X-FORM-04"),
    ],
)
def test_what_cannot_be_is_named(alice: Somebody, field: str, value: Any, code: str):
    problem = refused(send(alice.api(), "POST", PATH, asked(**{field: value})), code, 422)
    assert problem["errors"][0]["pointer"].startswith(f"#/{field}")


def test_names_are_unique_and_there_is_a_limit(alice: Somebody, acme: Tenant):
    caller = alice.api()
    made(caller)
    problem = refused(send(caller, "POST", PATH, asked()), "X-NAME-01", 409)
    assert problem["suggestion"] == "builder-2"
    more = (Endpoint(tenant=acme, name=str(n), kinds=[]) for n in range(endpoints.MOST - 1))
    with rls.tenant(acme.pk):
        Endpoint.objects.bulk_create(more)
    refused(send(caller, "POST", PATH, asked(name="second")), "X-LIMIT-01", 422)


def test_changes_need_the_right_precondition(alice: Somebody):
    caller = alice.api()
    one = made(caller)
    where = f"{PATH}/{one['id']}"
    refused(send(caller, "PATCH", where, {"enabled": False}), "X-MATCH-01", 428)
    refused(send(caller, "PATCH", where, {"enabled": False}, If_Match='"x"'), "X-MATCH-02", 412)
    tag = send(caller, "GET", where).headers["ETag"]
    answer = send(caller, "PATCH", where, {"enabled": False}, If_Match=tag)
    off = body_of(answer)
    assert (off["status"], off["status_reason"], off["enabled"]) == ("disabled", "by_hand", False)
    changes = {"name": "jenkins", "url": "https://10.9.9.9/", "events": ["binding.expired"]}
    answer = send(caller, "PATCH", where, changes, If_Match=answer.headers["ETag"])
    assert body_of(answer) == {**off, **changes}
    back = body_of(send(caller, "PATCH", where, {"enabled": True}, If_Match="*"))
    assert (back["status"], back["status_reason"]) == ("active", None)
    assert send(caller, "DELETE", where, If_Match="*").status_code == 204
    refused(send(caller, "GET", where), "X-FOUND-01", 404)
    assert [event.type for event in logged(alice.tenant, "endpoint.")][-4:] == [
        *["endpoint.changed"] * 3,
        "endpoint.deleted",
    ]


def test_a_new_secret_signs_beside_the_old_one(alice: Somebody, builder: Receiver, acme: Tenant):
    caller = alice.api()
    one = made(caller, url=builder.url)
    where = f"{PATH}/{one['id']}"
    answer = send(caller, "POST", f"{where}/secrets", {}, Idempotency_Key="s1")
    fresh = body_of(answer)
    assert answer.status_code == 201
    assert set(fresh) == {"secret", "previous_valid_until"}
    again = send(caller, "POST", f"{where}/secrets", {}, Idempotency_Key="s1")
    assert body_of(again) == fresh
    told = body_of(send(caller, "POST", f"{where}/tests", {}))
    relay.run(once=True)
    for secret in (one["secret"], fresh["secret"]):
        (event,) = builder.verified(secret)
        assert (event["id"], event["type"]) == (told["event"], "endpoint.test")
        assert event["data"] == {"message": "It works."}
    assert len(builder.got[0].signatures) == 2


def test_what_was_sent_is_listed_filtered_and_sent_again(
    alice: Somebody, bob: Somebody, builder: Receiver
):
    caller = alice.api()
    one = made(caller, url=builder.url)
    where = f"{PATH}/{one['id']}"
    first = body_of(send(caller, "POST", f"{where}/tests", {}))["event"]
    relay.run(once=True)
    builder.answers(503, body=b"busy")
    send(caller, "POST", f"{where}/tests", {})
    relay.run(once=True)
    lately, before = body_of(send(caller, "GET", f"{where}/deliveries"))["data"]
    assert before == {
        "id": before["id"],
        "endpoint": one["id"],
        "event": {"id": first, "type": "endpoint.test"},
        "status": "delivered",
        "next_attempt_at": None,
        "attempts": [{**before["attempts"][0], "http_status": 204, "error": None}],
        "created_at": before["created_at"],
    }
    assert (lately["status"], lately["attempts"][0]["error"]) == ("failed", "busy")
    assert lately["next_attempt_at"] is not None
    assert body_of(send(caller, "GET", where))["status"] == "failing"
    for query, found in (
        ("status=failed", [lately]),
        ("status=delivered&status=failed", [lately, before]),
        ("status=abandoned", []),
        ("type=endpoint.test", [lately, before]),
        ("type=build.*", []),
        ("until=2020-01-01", []),
    ):
        assert body_of(send(caller, "GET", f"{where}/deliveries?{query}"))["data"] == found
    builder.answers(204)
    replayed = send(
        bob.api(personal=True), "POST", f"{where}/deliveries/{before['id']}/replays", {}
    )
    assert (replayed.status_code, body_of(replayed)["status"]) == (202, "pending")
    relay.run(once=True)
    assert builder.ids.count(first) == 2
    same = [got for got in builder.got if got.id == first]
    assert same[0].body == same[1].body
    assert body_of(send(caller, "GET", where))["status"] == "active"


def test_tenants_and_limited_tokens_see_their_own(
    alice: Somebody, mallory: Somebody, instance: Instance, second_instance: Instance
):
    caller = alice.api()
    every, one = made(caller), made(caller, name="one", instances=[instance.public_id])
    limited = alice.api(instances=[instance])
    assert [row["id"] for row in body_of(send(limited, "GET", PATH))["data"]] == [one["id"]]
    strangers = mallory.api()
    for what, who in ((every, limited), (every, strangers), (one, strangers)):
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/secrets"),
            ("POST", "/tests"),
            ("GET", "/deliveries"),
        ):
            answer = send(who, method, f"{PATH}/{what['id']}{path}", If_Match="*")
            refused(answer, "X-FOUND-01", 404)
    problem = refused(send(limited, "POST", PATH, asked(name="more")), "X-FORM-03", 422)
    assert problem["errors"][0]["pointer"] == "#/instances"
    other = asked(name="more", instances=[second_instance.public_id])
    refused(send(limited, "POST", PATH, other), "X-FORM-03", 422)
