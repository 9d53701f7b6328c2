"""CodeArts over the API: brought by the cloud account, to look at and to use, not to change."""

from __future__ import annotations

from typing import Any

from bindings.services.keep import sweep
from portal.tenants.models import Instance
from tests.bindings.clouds import Cloud, refuse_twice
from tests.bindings.sources import live, stored
from tests.people import Somebody


def source(who: Somebody, instance: Instance, slug: str = "codearts") -> Any:
    answer = who.api().get(f"/api/v1/instances/{instance.public_id}/sources")
    return next(row for row in answer.json()["data"] if row["provider"] == slug)


def test_an_instance_of_a_connected_tenant_has_it_from_the_first_moment(
    cloud: Cloud, alice: Somebody
) -> None:
    cloud.connect(alice.tenant)
    made = alice.api().post(
        "/api/v1/instances", {"name": "new-registry", "region": "default"}, "application/json"
    )
    assert made.status_code == 201
    answer = alice.api().get(f"/api/v1/bindings?instance={made.json()['id']}")
    (shown,) = answer.json()["data"]
    assert (shown["provider"], shown["kind"], shown["state"]) == ("codearts", "platform", "healthy")
    assert shown["account"]["login"] == "acme-robot"
    assert shown["bound_by"] is None
    assert (shown["credential"]["expires_at"], shown["credential"]["expires_quality"]) == (
        None,
        "never",
    )
    assert {name: able["ok"] for name, able in shown["capabilities"].items()} == {
        "list": True,
        "refs": True,
        "clone": True,
        "hooks": True,
    }
    assert cloud.pair()[1] not in answer.content.decode()


def test_the_source_says_what_can_be_done(
    cloud: Cloud, alice: Somebody, mallory: Somebody, instance: Instance, foreign_instance: Instance
) -> None:
    assert source(alice, instance)["state"] == "not_offered"
    cloud.connect(alice.tenant)
    bound = source(alice, instance)
    assert (bound["state"], bound["action"]) == ("healthy", "open")
    theirs = source(mallory, foreign_instance)
    assert (theirs["state"], theirs["action"], theirs["binding"]) == ("not_offered", "ask", None)


def test_the_platform_is_offered_to_whom_it_is_connected(
    cloud: Cloud, alice: Somebody, mallory: Somebody
) -> None:
    cloud.connect(alice.tenant)
    mine = alice.api().get("/api/v1/providers/codearts").json()
    assert mine["offered"] is True
    assert mine["methods"] == ["platform"]
    assert [host["slug"] for host in mine["hosts"]] == ["codearts-sandbox"]
    theirs = mallory.api().get("/api/v1/providers/codearts").json()
    assert (theirs["offered"], theirs["hosts"]) == (False, [])


def test_binding_it_by_hand_is_refused(
    cloud: Cloud, alice: Somebody, mallory: Somebody, instance: Instance, foreign_instance: Instance
) -> None:
    cloud.connect(alice.tenant)
    asked = {"provider": "codearts", "token": "a-token-of-some-length"}
    path = "/api/v1/instances/{}/bindings"
    theirs = mallory.api().post(path.format(foreign_instance.public_id), asked, "application/json")
    assert (theirs.status_code, theirs.json()["code"]) == (422, "CA-OFF-01")
    assert theirs.json()["detail"] == (
        "Your operator has not connected a cloud account for this tenant."
    )
    mine = alice.api().post(path.format(instance.public_id), asked, "application/json")
    assert (mine.status_code, mine.json()["code"]) == (422, "X-FORM-03")
    assert mine.json()["errors"][0]["pointer"] == "#/provider"


def test_unbinding_and_replacing_are_refused(
    cloud: Cloud, alice: Somebody, instance: Instance
) -> None:
    cloud.connect(alice.tenant)
    (binding,) = live(instance)
    api, path = alice.api(), f"/api/v1/bindings/{binding.public_id}"
    ended = api.delete(path, headers={"If-Match": "*"})
    assert (ended.status_code, ended.json()["code"]) == (409, "CA-LOCK-01")
    assert ended.json()["detail"] == (
        "DevCloud is bound by default and cannot be removed here. Ask your operator."
    )
    chinese = api.delete(path, headers={"If-Match": "*", "Accept-Language": "zh-hans"})
    assert chinese.json()["detail"] == "DevCloud 为默认绑定，无法在此移除，请联系管理员。"
    swapped = api.put(
        f"{path}/credential",
        {"token": "a-token-of-some-length"},
        "application/json",
        headers={"If-Match": "*"},
    )
    assert (swapped.status_code, swapped.json()["code"]) == (409, "X-STATE-02")
    assert live(instance) == [binding]


def test_a_refused_account_reads_paused_with_the_reason(
    cloud: Cloud, alice: Somebody, instance: Instance
) -> None:
    cloud.connect(alice.tenant)
    (binding,) = live(instance)
    cloud.revoke()
    refuse_twice(binding)
    shown = alice.api().get(f"/api/v1/bindings/{stored(binding).public_id}").json()
    assert shown["state"] == "suspended"
    assert shown["credential"]["reason"] == {
        "code": "CA-TOK-08",
        "detail": "Huawei Cloud refused the platform's credential twice."
        " Your operator has been told.",
    }
    assert source(alice, instance)["action"] == "why"
    used = alice.api().get(f"/api/v1/bindings/{binding.public_id}/repositories")
    assert (used.status_code, used.json()["code"]) == (409, "X-STATE-01")


def test_an_instance_with_only_this_can_be_deleted(
    cloud: Cloud, alice: Somebody, instance: Instance
) -> None:
    cloud.connect(alice.tenant)
    answer = alice.api().delete(
        f"/api/v1/instances/{instance.public_id}", headers={"If-Match": "*"}
    )
    assert answer.status_code == 204
    assert sweep.run().asked == 0
