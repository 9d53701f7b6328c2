"""The page of fire drills, and the mark of one wherever its binding is shown."""

from __future__ import annotations

from typing import Any

from bindings.models import Binding
from bindings.services.keep import drills, sweep
from bindings.services.keep.rehearsal import Scenario
from portal.tenants import access
from portal.tenants.models import Instance, Tenant
from tests.bindings.api import rows
from tests.bindings.sources import make_due, stored
from tests.bindings.web.conftest import Address
from tests.bindings.web.reading import read
from tests.people import Somebody

MARK = "This is a drill. The credential is revoked. Nothing real is touched; it ends by itself at"


def test_an_admin_begins_a_drill_and_ends_it(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    client, here = alice.client, at.of(binding, "drill/")
    page = read(client.get(here))
    assert "Rehearse a failure" in page.text
    assert "No drill has been held here yet." in page.text
    assert "switched off" not in page.text  # there are no webhooks yet

    page = read(client.post(here, {"scenario": "revoked"}, follow=True))
    assert "The drill has begun." in page.text
    assert MARK in page.text
    assert "Begin drill" not in page.text
    page = read(client.post(here, {"scenario": "unreachable"}, follow=True))
    assert "A fire drill is running here until" in page.text

    sweep.run()
    page = read(client.post(here, {"scenario": "end"}, follow=True))
    assert "The drill has ended. Everything is as before." in page.text
    assert "States Unstable" in page.text
    assert "binding.drill_started" in page.text
    assert "As before Yes" in page.text
    assert MARK not in page.text


def test_whatever_else_is_sent_begins_nothing(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    client, here = alice.client, at.of(binding, "drill/")
    for sent in ({}, {"scenario": "fire"}, {"scenario": "hook_disabled"}):
        client.post(here, sent)
        assert stored(binding).drill == ""


def test_the_mark_stands_on_every_page_of_the_binding(
    alice: Somebody, carol: Somebody, binding: Binding, at: Address
) -> None:
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED)
    for page in ("", "activity/", "drill/"):
        shown = read(alice.client.get(at.of(binding, page)))
        assert MARK in shown.text, page
        assert "End drill" in shown.text
    looked = read(carol.client.get(at.of(binding)))
    assert MARK in looked.text
    assert "End drill" not in looked.text
    activity = read(alice.client.get(at.of(binding, "activity/")))
    assert "Alice began a fire drill on build-bot drill" in activity.text


def test_the_table_and_its_banner_say_that_it_is_a_drill(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.SCOPE_LOST)
    sweep.run()
    overview = read(alice.client.get(at.of(binding)))
    assert "Without api we cannot add webhooks." in overview.text
    page = read(alice.client.get(at.sources))
    assert "A permission is missing drill" in page.text
    assert "GitLab: A permission is missing This is a drill." in page.text
    drills.end(actor=alice.actor, binding=binding)
    assert "drill" not in read(alice.client.get(at.sources)).text.split("Recent activity")[0]


def test_it_is_said_in_chinese_too(alice: Somebody, binding: Binding, at: Address) -> None:
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.REVOKED)
    chinese = {"Accept-Language": "zh-hans"}
    page = read(alice.client.get(at.of(binding, "drill/"), headers=chinese))
    assert "这是一次演练。 凭据被撤销." in page.text
    assert "不触及任何真实内容" in page.text


def test_a_tenant_has_no_drills_on_a_real_host_but_sees_and_ends_an_operators(
    alice: Somebody, acme: Tenant, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance)
    here = at.of(binding, "drill/")
    assert "Fire drill" not in read(alice.client.get(at.of(binding))).text
    assert alice.client.get(here).status_code == 404
    assert alice.client.post(here, {"scenario": "revoked"}).status_code == 404
    assert stored(binding).drill == ""

    drills.start(actor=access.system(acme), binding=binding, scenario=Scenario.REVOKED)
    page = read(alice.client.get(here))
    assert MARK in page.text
    assert "Begin drill" not in page.text
    alice.client.post(here, {"scenario": "end"})
    assert stored(binding).drill == ""
    assert alice.client.post(here, {"scenario": "revoked"}).status_code == 404


def test_only_admins_begin_one(
    alice: Somebody,
    bob: Somebody,
    carol: Somebody,
    mallory: Somebody,
    binding: Binding,
    at: Address,
) -> None:
    here = at.of(binding, "drill/")
    statuses: list[Any] = []
    for person in (bob, carol, mallory):
        answers = person.client.get(here), person.client.post(here, {"scenario": "revoked"})
        statuses.append([answer.status_code for answer in answers])
    assert statuses == [[200, 403], [200, 403], [404, 404]]
    assert "Begin drill" not in read(bob.client.get(here)).text
    assert stored(binding).drill == ""


def test_the_api_says_it(alice: Somebody, binding: Binding) -> None:
    client, path = alice.api(), f"/api/v1/bindings/{binding.public_id}"
    before = client.get(path)
    assert "drill" not in before.json()
    drills.start(actor=alice.actor, binding=binding, scenario=Scenario.SCOPE_LOST)
    sweep.run()
    assert (client.get(path).json()["state"], client.get(path).json()["drill"]) == (
        *("insufficient", True),
    )
    checks = client.get(f"{path}/checks").json()["data"]
    assert [check.get("drill") for check in checks] == [True, None]
    told = client.get("/api/v1/events?type=binding.insufficient").json()["data"]
    assert [event["data"]["drill"] for event in told] == [True]
    drills.end(actor=alice.actor, binding=binding)
    make_due(binding)
    after = client.get(path)
    assert (after.json()["state"], after.json().get("drill")) == ("healthy", None)
    # Its first half is of what people change.
    both = [one.headers["ETag"].partition("-")[0] for one in (before, after)]
    assert both[0] == both[1]
