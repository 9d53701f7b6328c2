"""Bind with a token over the API, against a real GitLab of the sandbox (api.md 3.3)."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from bindings.models import Binding
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from tests import factories
from tests.bindings.api import rows
from tests.bindings.api.conftest import GitLab, bind
from tests.people import Somebody, bearer
from tests.portal.rest.calls import body_of, refused, send

STEPS = ["server", "tls", "token", "permissions", "repositories", "webhook"]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def live(tenant: Tenant) -> int:
    with rls.tenant(tenant.pk):
        return int(Binding.objects.of(tenant).filter(unbound_at=None).count())


def statuses(problem: dict) -> list[str]:
    assert [step["key"] for step in problem["steps"]] == STEPS
    return [step["status"] for step in problem["steps"]]


def test_a_bind_answers_letter_by_letter(alice: Somebody, instance: Instance, gitlab: GitLab):
    caller = alice.client
    more = {"labels": {"team": "images"}, "expires_on": None, "replaces": None}
    answer = bind(caller, instance, gitlab.ask(username="build-bot", mode="full", **more))
    made = body_of(answer)
    assert answer.status_code == 201, made
    assert answer.headers["Location"] == f"/api/v1/bindings/{made['id']}"
    assert made.pop("message") == "You have successfully bound your GitLab account."
    assert made.pop("suggestions") == []
    read = send(caller, "GET", answer.headers["Location"])
    assert body_of(read) == made
    assert read.headers["ETag"] == answer.headers["ETag"]
    assert list(made) == [
        "id",
        "instance",
        "provider",
        "host",
        "kind",
        "mode",
        "state",
        "account",
        "username",
        "organization",
        "clone_username",
        "credential",
        "reachability",
        "reachability_since",
        "reachability_reason",
        "capabilities",
        "bound_by",
        "bound_at",
        "checked_at",
        "next_check_at",
        "last_used_at",
        "auto_rotate",
        "labels",
    ]
    assert made["instance"] == {"id": instance.public_id, "name": instance.name}
    assert made["host"]["base_url"] == gitlab.base_url
    assert (made["kind"], made["mode"], made["state"]) == ("token", "full", "healthy")
    assert made["account"]["external_id"] == "42"
    assert (made["username"], made["organization"]) == ("build-bot", None)
    assert made["bound_by"] == {"id": alice.person.public_id, "name": "Alice"}
    assert made["labels"] == {"team": "images"}
    credential = made["credential"]
    assert (credential["status"], credential["reason"]) == ("active", None)
    assert credential["scopes"] == ["api"]
    assert re.fullmatch(r"[0-9a-f]{12}", credential["fingerprint"])
    assert credential["expires_at"].endswith("T00:00:00Z")
    assert (credential["expires_quality"], credential["renews"]) == ("exact", False)
    assert (credential["generation"], credential["replaced_at"]) == (1, None)
    for ability in made["capabilities"].values():
        assert (ability["ok"], ability["code"]) == (True, None)
        assert MOMENT.fullmatch(ability["proven_at"])
    for name in ("reachability_since", "bound_at", "checked_at", "next_check_at"):
        assert MOMENT.fullmatch(made[name])


def test_no_answer_ever_holds_the_token(alice: Somebody, instance: Instance, gitlab: GitLab):
    caller, token = alice.api(), gitlab.token()
    made = bind(caller, instance, gitlab.ask())
    binding = body_of(made)["id"]
    paths = ["", "/impact", "/checks", "/repositories"]
    answers = [made, *[send(caller, "GET", f"/api/v1/bindings/{binding}{p}") for p in paths]]
    answers += [send(caller, "GET", f"/api/v1/{p}") for p in ("bindings", "events", "expiries")]
    answers += [send(caller, "GET", f"/api/v1/instances/{instance.public_id}/sources")]
    for answer in answers:
        assert answer.status_code < 300
        assert token not in json.dumps([dict(answer.headers), answer.content.decode()])


def test_a_pasted_project_link_is_cut_to_the_server_and_told(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    link = f"{gitlab.base_url}/platform/api"
    made = body_of(bind(alice.api(), instance, gitlab.ask(base_url=link)))
    assert made["host"]["base_url"] == gitlab.base_url
    assert made["suggestions"] == [
        {"field": "base_url", "value": gitlab.base_url, "code": "GL-ADDR-02"}
    ]


@pytest.mark.parametrize(
    ("name", "code", "reached"),
    [
        ("list-only", "GL-SCOPE-03", ["ok", "skipped", "ok", "failed", "not_run", "not_run"]),
        ("revoked", "GL-TOK-01", ["ok", "skipped", "failed", "not_run", "not_run", "not_run"]),
    ],
)
def test_a_token_that_cannot_do_the_job_is_refused_with_its_steps(
    alice: Somebody, instance: Instance, gitlab: GitLab, name: str, code: str, reached: list[str]
):
    problem = refused(bind(alice.api(), instance, gitlab.ask(name)), code, 422)
    assert statuses(problem) == reached
    assert [error["pointer"] for error in problem["errors"]] == ["#/token"]
    assert problem["fix_url"].startswith(gitlab.base_url)
    assert live(alice.tenant) == 0


def test_a_token_that_reads_nothing_is_named(alice: Somebody, instance: Instance, gitlab: GitLab):
    asked = gitlab.ask("registry", username="build-bot")
    problem = refused(bind(alice.api(), instance, asked), "GL-SCOPE-01", 422)
    assert problem["detail"] == (
        "This token has read_registry only. Create one with api, then paste it here."
    )
    assert statuses(problem) == ["ok", "skipped", "ok", "failed", "not_run", "not_run"]
    token, permissions = problem["steps"][2:4]
    assert (token["code"], token["detail"]) == (None, "Signed in as build-bot.")
    assert (permissions["code"], permissions["detail"]) == ("GL-SCOPE-01", "Has read_registry.")
    assert problem["fix_url"] == (
        f"{gitlab.base_url}/-/user_settings/personal_access_tokens?name=mooring-prod-registry"
        "&scopes=api"
    )


def test_a_token_without_webhooks_binds_for_manual_builds(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    refused(bind(alice.api(), instance, gitlab.ask("reduced")), "GL-SCOPE-02", 422)
    made = body_of(bind(alice.api(), instance, gitlab.ask("reduced", mode="manual")))
    assert (made["mode"], made["state"]) == ("manual", "healthy")


@pytest.mark.parametrize(
    ("changed", "code", "pointer"),
    [
        ({"token": ""}, "X-FORM-01", "#/token"),
        ({"token": "short"}, "GL-TOK-07", "#/token"),
        ({"token": "glpat test with spaces"}, "GL-TOK-07", "#/token"),
        ({"provider": "subversion"}, "X-FORM-03", "#/provider"),
        ({"username": "ann"}, "GL-USER-01", "#/username"),
        ({"expires_on": "2020-01-01"}, "GL-EXP-02", "#/expires_on"),
        ({"mode": "half"}, "X-FORM-03", "#/mode"),
        ({"base_url": "ftp://gitlab.example"}, "GL-ADDR-01", "#/base_url"),
        ({"host": "no-such-host", "base_url": None}, "X-HOST-01", "#/host"),
        ({"host": "some-host"}, "X-FORM-03", "#/base_url"),
        ({"labels": {"k": 1}}, "X-FORM-03", "#/labels/k"),
        ({"replaces": "bnd_x"}, "X-FORM-03", "#/replaces"),
        ({"instance": "ins_x"}, "X-FORM-04", "#/instance"),
        ({"tenant": "x"}, "X-FORM-04", "#/tenant"),
    ],
)
def test_what_is_wrong_with_the_form_is_named(
    alice: Somebody, instance: Instance, gitlab: GitLab, changed: dict, code: str, pointer: str
):
    problem = refused(bind(alice.api(), instance, {**gitlab.ask(), **changed}), code, 422)
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert live(alice.tenant) == 0


def test_a_provider_without_a_token_method_is_refused(alice: Somebody, instance: Instance, db):
    rows.host("github", base_url="https://github.com", slug="github-com")
    asked = {"provider": "github", "token": "ghp_testtesttesttest"}
    problem = refused(bind(alice.api(), instance, asked), "X-FORM-03", 422)
    assert problem["errors"][0]["pointer"] == "#/provider"


def test_a_provider_nobody_offers_is_refused(alice: Somebody, instance: Instance):
    asked = {"provider": "gitee", "token": "testtesttesttest"}
    refused(bind(alice.api(), instance, asked), "GE-OFF-01", 422)


def test_a_region_without_the_feature_is_refused(alice: Somebody, gitlab: GitLab):
    with rls.tenant(alice.tenant.pk):
        far = Instance.objects.create(tenant=alice.tenant, name="far", region="elsewhere")
    refused(bind(alice.api(), far, gitlab.ask()), "GL-OFF-02", 422)


def test_a_server_that_does_not_answer_is_no_fault_of_the_token(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    gitlab.sandbox.stop()
    problem = refused(
        bind(alice.api(), instance, {**OFFLINE, "base_url": gitlab.base_url}), "GL-NET-02", 502
    )
    assert statuses(problem)[0] == "failed"


OFFLINE = {"provider": "gitlab", "token": "glpat-testtesttesttest"}


def test_a_platform_that_asks_us_to_wait(alice: Somebody, instance: Instance, gitlab: GitLab):
    asked = gitlab.ask()
    gitlab.sandbox.fault("gitlab", "rate_limit")
    answer = bind(alice.api(), instance, asked)
    problem = refused(answer, "GL-RATE-01", 503)
    assert answer.headers["Retry-After"] == str(problem["retry_after"])


def test_a_second_account_is_refused_and_the_first_is_named(
    alice: Somebody, instance: Instance, gitlab: GitLab, bound: dict
):
    problem = refused(bind(alice.api(), instance, gitlab.ask(login="ann")), "GL-DUP-01", 409)
    assert problem["binding"] == bound["id"]


def test_of_two_binds_at_once_exactly_one_succeeds(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    secret, asked = alice.token().secret, gitlab.ask()

    def ask(_: int) -> int:
        try:
            return bind(bearer(secret), instance, asked).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(ask, range(4)))
    assert found == [201, 409, 409, 409]
    assert live(alice.tenant) == 1


def test_a_bind_under_a_key_is_done_once_and_the_platform_is_not_asked_again(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    caller, asked = alice.api(), gitlab.ask()
    first = bind(caller, instance, asked, Idempotency_Key="k1")
    before = len(gitlab.sandbox.requests("gitlab"))
    again = bind(caller, instance, asked, Idempotency_Key="k1")
    assert body_of(first) == body_of(again)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(gitlab.sandbox.requests("gitlab")) == before


def test_a_foreign_instance_does_not_exist(
    alice: Somebody, mallory: Somebody, instance: Instance, gitlab: GitLab
):
    asked = gitlab.ask()
    refused(bind(mallory.api(), instance, asked), "X-FOUND-01", 404)
    assert live(alice.tenant) == 0


def test_a_token_of_another_instance_does_not_bind_here(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    other = factories.instance(alice.tenant, "other")
    caller = alice.api(instances=[other])
    refused(bind(caller, instance, gitlab.ask()), "X-FOUND-01", 404)
    assert bind(caller, other, gitlab.ask()).status_code == 201


def test_a_chinese_answer_to_a_chinese_question(
    alice: Somebody, instance: Instance, gitlab: GitLab
):
    made = body_of(bind(alice.api(), instance, gitlab.ask(), Accept_Language="zh-CN"))
    assert made["message"] == "您已成功绑定 GitLab 账号。"
