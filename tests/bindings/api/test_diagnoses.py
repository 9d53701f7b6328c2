"""Why a repository is not in the list, and what starts builds there, over the API (api.md 3.5)."""

from __future__ import annotations

import pytest

from bindings.models import Binding
from bindings.models.hooks import Hook
from bindings.models.repositories import repository_key
from bindings.models.triggers import Trigger
from portal.ground import rls
from tests.bindings.api.conftest import GitLab
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send


def diagnose(somebody: Somebody, bound: dict, link: object, **headers: str) -> object:
    path = f"/api/v1/bindings/{bound['id']}/diagnoses"
    return send(somebody.api(), "POST", path, {"link": link}, **headers)


def test_a_diagnosis_has_verdict_code_and_what_mends_it(alice: Somebody, bound: dict):
    found = body_of(diagnose(alice, bound, "https://127.0.0.1/x/y")) | {"detail": ""}
    assert found["verdict"] == "wrong_host"
    found = body_of(diagnose(alice, bound, "ann/diary"))
    assert list(found) == ["verdict", "code", "detail", "path", "repository", "fix_url", "ask"]
    assert (found["verdict"], found["code"]) == ("not_visible", "GL-REPO-02")
    assert found["detail"].startswith("GitLab says there is no ann/diary for build-bot")
    assert found["path"] == "ann/diary"
    assert found["repository"] is None
    assert found["fix_url"].endswith("/ann/diary/-/project_members")
    assert found["ask"] == "an owner of the group ann"
    chinese = body_of(diagnose(alice, bound, "ann/diary", Accept_Language="zh-hans"))
    assert chinese["ask"] == "群组 ann 的所有者"


def test_what_is_visible_is_named_by_its_id(alice: Somebody, bound: dict):
    found = body_of(diagnose(alice, bound, "git@127.0.0.1:platform/api.git"))
    assert (found["verdict"], found["code"], found["ask"]) == ("visible", None, None)
    path = f"/api/v1/bindings/{bound['id']}/repositories/{found['repository']['id']}"
    assert body_of(send(alice.api(), "GET", path))["path"] == "platform/api"


@pytest.mark.parametrize(
    ("link", "code"),
    [("", "X-FORM-01"), ("api", "X-FORM-03"), (7, "X-FORM-03"), ("a" * 2001, "X-FORM-03")],
)
def test_what_names_no_repository_is_refused(alice: Somebody, bound: dict, link: object, code: str):
    refused(diagnose(alice, bound, link), code, 422)


def test_a_search_the_list_cannot_answer_is_put_to_the_platform(
    alice: Somebody, bound: dict, gitlab: GitLab
):
    caller, path = alice.api(), f"/api/v1/bindings/{bound['id']}/repositories"
    send(caller, "GET", path)
    gitlab.sandbox.add_repositories("gitlab", "platform/images", prefix="brand-new")
    found = body_of(send(caller, "GET", f"{path}?q=BRAND"))
    assert [row["path"] for row in found["data"]] == ["platform/images/brand-new"]
    assert found["meta"]["source"] == "platform"
    gitlab.sandbox.fault("gitlab", "status:503")
    nothing = body_of(send(caller, "GET", f"{path}?q=no-such"))
    assert (nothing["data"], nothing["meta"]["stale"]) == ([], True)


def test_webhook_and_triggers_of_each_repository_are_ours(alice: Somebody, bound: dict):
    caller, path = alice.api(), f"/api/v1/bindings/{bound['id']}/repositories"
    send(caller, "GET", path)
    with rls.tenant(alice.tenant.pk):
        binding = Binding.objects.of(alice.tenant).get()
        key = repository_key(binding.instance_id, binding.host_id, "1077")
        facts = {"tenant": alice.tenant, "repository_id": key}
        hook = Hook.objects.create(binding=binding, proof="signed", **facts)
        for name in ("a", "b"):
            Trigger.objects.create(instance=binding.instance, name=name, **facts)
    rows = {row["path"]: row for row in body_of(send(caller, "GET", path))["data"]}
    assert (rows["platform/api"]["webhook"], rows["platform/api"]["triggers"]) == (
        hook.public_id,
        2,
    )
    assert (rows["platform/web"]["webhook"], rows["platform/web"]["triggers"]) == (None, 0)
    one = body_of(send(caller, "GET", f"{path}/platform%2Fapi"))
    assert one["webhook"] == hook.public_id
