"""Connection tests, checks and authorizations over the API (api.md 3.3, 3.4)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.conf import settings as configured
from django.utils import timezone

from bindings.models import Authorization, Binding, Check
from bindings.services.keep import checks
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.api import rows
from tests.bindings.api.conftest import GitLab
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

TESTS = "/api/v1/connection-tests"
STEPS = ["server", "tls", "token", "permissions", "repositories", "webhook"]


def test_a_test_that_passes_tells_everything_and_saves_nothing(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    asked = gitlab.ask(instance=instance.public_id)
    answer = send(alice.api(), "POST", TESTS, asked)
    found = body_of(answer)
    assert answer.status_code == 200
    assert list(found) == [
        "ok",
        "code",
        "detail",
        "fix_url",
        "steps",
        "account",
        "credential",
        "capabilities",
        "suggestions",
        "comparison",
    ]
    assert (found["ok"], found["code"], found["detail"]) == (True, None, None)
    assert [step["key"] for step in found["steps"]] == STEPS
    assert found["account"]["login"] == "build-bot"
    assert found["credential"]["scopes"] == ["api"]
    assert found["credential"]["expires_quality"] == "exact"
    assert found["capabilities"]["clone"] == {"ok": True, "code": None}
    assert (found["suggestions"], found["comparison"]) == ([], None)
    with rls.tenant(alice.tenant.pk):
        assert not Binding.objects.of(alice.tenant).exists()


def test_a_test_that_fails_answers_too(alice: Somebody, gitlab: GitLab):
    answer = send(alice.api(), "POST", TESTS, gitlab.ask("list-only"))
    found = body_of(answer)
    assert answer.status_code == 200
    assert (found["ok"], found["code"]) == (False, "GL-SCOPE-03")
    assert found["detail"]
    assert found["fix_url"].startswith(gitlab.base_url)
    assert found["account"]["login"] == "build-bot"
    assert found["capabilities"]["clone"] == {"ok": False, "code": "GL-SCOPE-03"}


def test_a_server_that_is_away_is_an_answer_as_well(alice: Somebody, gitlab: GitLab):
    asked = gitlab.ask()
    gitlab.sandbox.stop()
    found = body_of(send(alice.api(), "POST", TESTS, asked))
    assert (found["ok"], found["code"], found["account"]) == (False, "GL-NET-02", None)
    assert [step["status"] for step in found["steps"]] == ["failed", *["not_run"] * 5]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"base_url": "http://10.0.0.1"}, "GL-ADDR-04"),
        ({"base_url": "https://user:test@gitlab.example"}, "GL-ADDR-05"),
        ({"token": None}, "X-FORM-01"),
        ({"mode": None}, "X-FORM-03"),
        ({"odd": 1}, "X-FORM-04"),
    ],
)
def test_what_is_wrong_with_the_form_is_refused(
    alice: Somebody, gitlab: GitLab, changed: dict, code: str
):
    refused(send(alice.api(), "POST", TESTS, {**gitlab.ask(), **changed}), code, 422)


def test_an_instance_of_others_cannot_be_tested_for(
    alice: Somebody, foreign_instance: Instance, gitlab: GitLab
):
    asked = gitlab.ask(instance=foreign_instance.public_id)
    refused(send(alice.api(), "POST", TESTS, asked), "X-FOUND-01", 404)


def test_a_token_that_reads_nothing_is_known_all_the_same(alice: Somebody, gitlab: GitLab):
    found = body_of(send(alice.api(), "POST", TESTS, gitlab.ask("registry")))
    assert (found["ok"], found["code"]) == (False, "GL-SCOPE-01")
    assert found["account"]["external_id"] == "42"
    assert found["credential"]["scopes"] == ["read_registry"]
    assert found["credential"]["expires_quality"] == "exact"
    assert found["credential"]["provider_token_name"] == "registry"
    lacks = {"ok": False, "code": "GL-SCOPE-01"}
    assert found["capabilities"] == dict.fromkeys(("list", "refs", "clone", "hooks"), lacks)


def test_a_test_leaves_no_secret_behind(alice: Somebody, gitlab: GitLab):
    asked = gitlab.ask("registry")
    answer = send(alice.api(), "POST", TESTS, asked)
    assert asked["token"] not in answer.content.decode()


# -- checks ----------------------------------------------------------------------------------------


def run(alice: Somebody, check: dict) -> None:
    """What the worker does with the job."""
    with rls.tenant(alice.tenant.pk):
        row = Check.objects.of(alice.tenant).get(status="running")
    assert row.public_id == check["id"]
    checks.run(tenant_id=alice.tenant.pk, check_id=row.pk)


def test_a_check_is_begun_and_can_be_followed(alice: Somebody, bound: dict):
    caller, path = alice.api(), f"/api/v1/bindings/{bound['id']}/checks"
    answer = send(caller, "POST", path)
    begun = body_of(answer)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{path}/{begun['id']}"
    assert begun == {
        "id": begun["id"],
        "binding": bound["id"],
        "cause": "manual",
        "status": "running",
        "started_at": begun["started_at"],
        "finished_at": None,
        "ms": None,
        "steps": [],
        "state": None,
    }
    assert body_of(send(caller, "POST", path))["id"] == begun["id"]
    run(alice, begun)
    done = body_of(send(caller, "GET", answer.headers["Location"]))
    assert (done["status"], done["state"]) == ("ok", "healthy")
    assert [step["key"] for step in done["steps"]] == STEPS
    listed = body_of(send(caller, "GET", path))["data"]
    assert [row["cause"] for row in listed] == ["manual", "bind"]
    assert listed[0] == done


def test_a_binding_is_not_checked_twice_in_five_seconds(alice: Somebody, bound: dict):
    caller, path = alice.api(), f"/api/v1/bindings/{bound['id']}/checks"
    run(alice, body_of(send(caller, "POST", path)))
    answer = send(caller, "POST", path)
    problem = refused(answer, "X-RATE-02", 429)
    assert answer.headers["Retry-After"] == str(problem["retry_after"])
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        assert send(caller, "POST", path).status_code == 202


def test_a_check_takes_no_fields(alice: Somebody, bound: dict):
    path = f"/api/v1/bindings/{bound['id']}/checks"
    refused(send(alice.api(), "POST", path, {"cause": "use"}), "X-FORM-04", 422)


def test_developers_check_and_viewers_do_not(bob: Somebody, carol: Somebody, bound: dict):
    path = f"/api/v1/bindings/{bound['id']}/checks"
    assert send(bob.client, "POST", path).status_code == 202
    refused(send(carol.client, "POST", path), "X-ROLE-01", 403)
    assert send(carol.client, "GET", path).status_code == 200


def test_what_waits_for_confirmation_is_not_checked(alice: Somebody, instance: Instance):
    bound = rows.binding(instance, status="pending")
    answer = send(alice.api(), "POST", f"/api/v1/bindings/{bound.public_id}/checks")
    assert refused(answer, "X-STATE-01", 409)["state"] == "pending"


def test_checks_of_another_binding_are_not_found(alice: Somebody, bound: dict):
    other = rows.binding(rows.instances(alice.tenant, 1)[0])
    caller = alice.api()
    check = body_of(send(caller, "POST", f"/api/v1/bindings/{bound['id']}/checks"))["id"]
    path = f"/api/v1/bindings/{other.public_id}/checks/{check}"
    refused(send(caller, "GET", path), "X-FOUND-01", 404)


def test_checks_are_kept_for_thirty_days(alice: Somebody, bound: dict):
    caller, path = alice.api(), f"/api/v1/bindings/{bound['id']}/checks"
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert body_of(send(caller, "GET", path))["data"] == []


# -- authorizations --------------------------------------------------------------------------------


@pytest.fixture
def github(db) -> None:
    rows.host("github", client_id="sandbox-client", base_url="https://github.com", slug="gh")


def begin(caller, instance: Instance, **asked):
    path = f"/api/v1/instances/{instance.public_id}/authorizations"
    return send(caller, "POST", path, {"provider": "github", **asked})


def test_an_authorization_is_a_page_to_open(alice: Somebody, instance: Instance, github):
    caller = alice.api()
    neutral = {"host": None, "binding": None, "replaces": None, "handoff": False}
    answer = begin(caller, instance, mode="full", **neutral)
    made = body_of(answer)
    assert answer.status_code == 201, made
    assert answer.headers["Location"] == f"/api/v1/authorizations/{made['id']}"
    page = urlsplit(made["url"])
    assert f"{page.scheme}://{page.netloc}" == configured.MOORING_URL
    assert page.path.startswith("/i/")
    assert made == {
        "id": made["id"],
        "provider": "github",
        "status": "waiting",
        "handoff": False,
        "url": made["url"],
        "expires_at": made["expires_at"],
        "binding": None,
        "problem": None,
    }
    read = send(caller, "GET", answer.headers["Location"])
    assert body_of(read) == made | {"url": None}
    assert read.headers["ETag"] == answer.headers["ETag"]


def test_an_authorization_ends_after_ten_minutes(alice: Somebody, instance: Instance, github):
    caller = alice.api()
    path = begin(caller, instance).headers["Location"]
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert body_of(send(caller, "GET", path))["status"] == "expired"


def test_an_authorization_can_be_withdrawn(alice: Somebody, instance: Instance, github):
    caller = alice.api()
    path = begin(caller, instance).headers["Location"]
    for _ in range(2):
        assert send(caller, "DELETE", path).status_code == 204
    assert body_of(send(caller, "GET", path))["status"] == "cancelled"


def test_why_an_authorization_failed_is_told(alice: Somebody, instance: Instance, github):
    caller = alice.api()
    path = begin(caller, instance).headers["Location"]
    with rls.tenant(alice.tenant.pk):
        Authorization.objects.of(alice.tenant).update(
            status="failed", problem={"code": "GH-OAUTH-01", "facts": {}}
        )
    found = body_of(send(caller, "GET", path))
    assert found["status"] == "failed"
    assert (found["problem"]["code"], found["problem"]["status"]) == ("GH-OAUTH-01", 422)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"provider": "gitee"}, "GE-OFF-01"),
        ({"host": "no-such"}, "X-HOST-01"),
        ({"mode": "x"}, "X-FORM-03"),
        ({"handoff": True}, "X-FORM-03"),
        ({"replaces": "bnd_x"}, "X-FORM-03"),
    ],
)
def test_what_cannot_be_authorized_is_refused(
    alice: Somebody, instance: Instance, github, asked: dict, code: str
):
    refused(begin(alice.api(), instance, **asked), code, 422)


def test_a_bound_platform_is_not_authorized_again(alice: Somebody, instance: Instance, github):
    bound = rows.binding(instance, "github", kind="oauth")
    assert refused(begin(alice.api(), instance), "GH-DUP-01", 409)["binding"] == bound.public_id
    again = begin(alice.api(), instance, binding=bound.public_id)
    assert again.status_code == 201


def test_a_binding_of_another_instance_is_not_reconnected(
    alice: Somebody, instance: Instance, github
):
    other = rows.binding(rows.instances(alice.tenant, 1)[0], "github", kind="oauth")
    refused(begin(alice.api(), instance, binding=other.public_id), "X-FOUND-01", 404)


def test_authorizations_of_others_do_not_exist(
    alice: Somebody, mallory: Somebody, instance: Instance, github
):
    path = begin(alice.api(), instance).headers["Location"]
    for method in ("GET", "DELETE"):
        refused(send(mallory.api(), method, path), "X-FOUND-01", 404)
    refused(begin(mallory.api(), instance), "X-FOUND-01", 404)


def test_the_link_is_told_again_under_the_same_key(alice: Somebody, instance: Instance, github):
    caller = alice.api()
    path = f"/api/v1/instances/{instance.public_id}/authorizations"
    asked = {"provider": "github"}
    first, again = (
        body_of(send(caller, "POST", path, asked, Idempotency_Key="k1")) for _ in range(2)
    )
    assert first == again
    assert first["url"] is not None
