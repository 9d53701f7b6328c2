"""The order of judgement of api.md 1.3: with several things wrong, the first one is named."""

from __future__ import annotations

from datetime import timedelta

from portal.tenants.models import Instance
from tests.people import Somebody, bearer
from tests.portal.rest.calls import refused, send


def test_path_comes_before_method_and_sign_in(nobody):
    refused(send(nobody, "FOO", "/api/v1/nowhere"), "X-FOUND-01", 404)
    refused(send(nobody, "DELETE", "/api/v2/me"), "X-FOUND-01", 404)


def test_method_comes_before_authentication(nobody):
    answer = send(nobody, "DELETE", "/api/v1/me")
    refused(answer, "X-METHOD-01", 405)
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_authentication_comes_before_everything_a_body_can_say(nobody):
    answer = send(nobody, "POST", "/api/v1/tokens", [1], Content_Type="text/plain")
    refused(answer, "X-AUTH-01", 401)


def test_a_wrong_token_comes_before_its_tenant():
    refused(send(bearer("mrg_test"), "GET", "/api/v1/me", Mooring_Tenant="?"), "X-AUTH-02", 401)


def test_scope_comes_before_content_type(alice: Somebody):
    caller = alice.api("bindings:read")
    refused(send(caller, "POST", "/api/v1/instances", 1, Content_Type="x/y"), "X-SCOPE-01", 403)


def test_role_comes_before_content_type(carol: Somebody):
    caller = carol.client
    refused(send(caller, "POST", "/api/v1/instances", 1, Content_Type="x/y"), "X-ROLE-01", 403)


def test_content_type_comes_before_size_and_json(alice: Somebody):
    caller = alice.api()
    huge = "x" * 1_100_000
    refused(send(caller, "POST", "/api/v1/tokens", huge, Content_Type="x/y"), "X-MEDIA-01", 415)
    refused(send(caller, "POST", "/api/v1/tokens", huge), "X-SIZE-01", 413)


def test_json_comes_before_parameters(alice: Somebody):
    caller = alice.api()
    refused(send(caller, "POST", "/api/v1/tokens?odd=1", [1]), "X-JSON-01", 400)
    refused(send(caller, "POST", "/api/v1/tokens?odd=1", {}), "X-PARAM-01", 400)


def test_parameters_come_before_existence(alice: Somebody):
    caller = alice.api()
    refused(send(caller, "GET", "/api/v1/instances/ins_x?odd=1"), "X-PARAM-01", 400)
    refused(send(caller, "GET", "/api/v1/instances/ins_x"), "X-FOUND-01", 404)


def test_existence_comes_before_the_idempotency_key(alice: Somebody, instance: Instance):
    caller, bad = alice.api(), "has a space"
    path = "/api/v1/instances/{}/authorizations"
    gone = send(caller, "POST", path.format("ins_x"), {"odd": 1}, Idempotency_Key=bad)
    refused(gone, "X-FOUND-01", 404)
    here = send(caller, "POST", path.format(instance.public_id), {"odd": 1}, Idempotency_Key=bad)
    refused(here, "X-IDEM-03", 400)


def test_existence_comes_before_if_match(alice: Somebody, instance: Instance):
    caller = alice.api()
    refused(send(caller, "PATCH", "/api/v1/instances/ins_x", {"odd": 1}), "X-FOUND-01", 404)
    here = f"/api/v1/instances/{instance.public_id}"
    refused(send(caller, "PATCH", here, {"odd": 1}), "X-MATCH-01", 428)


def test_if_match_comes_before_body_fields(alice: Somebody, instance: Instance):
    caller, path = alice.api(), f"/api/v1/instances/{instance.public_id}"
    refused(send(caller, "PATCH", path, {"odd": 1}, If_Match='"old"'), "X-MATCH-02", 412)
    refused(send(caller, "PATCH", path, {"odd": 1}, If_Match="*"), "X-FORM-04", 422)


def test_body_fields_come_before_state(alice: Somebody, instance: Instance):
    caller, path = alice.api(), "/api/v1/instances"
    taken = {"name": instance.name, "region": "default"}
    refused(send(caller, "POST", path, {**taken, "odd": 1}), "X-FORM-04", 422)
    refused(send(caller, "POST", path, taken), "X-NAME-01", 409)


def test_an_old_sign_in_is_judged_with_the_role(alice: Somebody, carol: Somebody):
    stale = alice.signed_in(ago=timedelta(minutes=16))
    refused(send(stale, "POST", "/api/v1/tokens", 1, Content_Type="x/y"), "X-AUTH-03", 403)
    stale_viewer = carol.signed_in(ago=timedelta(minutes=16))
    refused(send(stale_viewer, "POST", "/api/v1/connection-tests", {}), "X-ROLE-01", 403)
