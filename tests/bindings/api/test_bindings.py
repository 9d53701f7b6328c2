"""Bindings over the API once they are there: list, look, change, unbind (api.md 3.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings.models import Binding
from portal.ground import rls
from portal.tenants.models import Instance, Membership
from tests.bindings.api import rows
from tests.bindings.api.conftest import GitLab, bind
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

PATH = "/api/v1/bindings"


def path_of(binding: Binding | dict) -> str:
    key = binding["id"] if isinstance(binding, dict) else binding.public_id
    return f"{PATH}/{key}"


def logins(answer) -> list[str]:
    return [row["account"]["login"] for row in body_of(answer)["data"]]


# -- the list --------------------------------------------------------------------------------------


@pytest.fixture
def three(alice: Somebody) -> list[Binding]:
    """healthy `ann` on one, expiring `ben` on two, unreachable `cat` on three; newest first cat."""
    one, two, three = rows.instances(alice.tenant, 3)
    soon = datetime(2026, 12, 1, tzinfo=UTC)
    return [
        rows.binding(one, account_login="ann", labels={"team": "images", "a": "1"}),
        rows.binding(two, account_login="ben", status="expiring", expires_at=soon),
        rows.binding(three, "github", account_login="cat", reach="unreachable", suspicion=0),
    ]


def test_bindings_are_listed_newest_first(alice: Somebody, three):
    assert logins(send(alice.api(), "GET", PATH)) == ["cat", "ben", "ann"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("provider=github", ["cat"]),
        ("provider=github&provider=gitlab", ["cat", "ben", "ann"]),
        ("state=healthy", ["ann"]),
        ("state=expiring&state=unreachable", ["cat", "ben"]),
        ("credential_status=active", ["cat", "ann"]),
        ("reachability=unreachable", ["cat"]),
        ("host=github-example", ["cat"]),
        ("host=hst_x", []),
        ("label=team", ["ann"]),
        ("label=team:images", ["ann"]),
        ("label=team%3Dimages", ["ann"]),
        ("label=team:other", []),
        ("label=team:images&label=b", ["ann"]),
        ("ends_before=2026-12-02", ["ben"]),
        ("ends_before=2026-12-01T00:00:00Z", []),
        ("q=AN", ["ann"]),
        ("q=github.example", ["cat"]),
        ("q=registry-0001", ["ben"]),
        ("q=100%25", []),
        ("instance=ins_x", []),
        ("state=healthy&provider=github", []),
    ],
)
def test_bindings_are_chosen(alice: Somebody, three, query: str, found: list[str]):
    assert logins(send(alice.api(), "GET", f"{PATH}?{query}")) == found


def test_bindings_of_an_instance(alice: Somebody, three):
    key = three[1].instance.public_id
    assert logins(send(alice.api(), "GET", f"{PATH}?instance={key}")) == ["ben"]


@pytest.mark.parametrize(
    "query", ["state=unbound", "state=not_offered", "provider=x", "ends_before=soon", "tenant=x"]
)
def test_filters_that_are_none_are_refused(alice: Somebody, query: str):
    assert send(alice.api(), "GET", f"{PATH}?{query}").status_code == 400


def test_a_limited_token_sees_only_its_instances(alice: Somebody, three):
    caller = alice.api(instances=[three[0].instance])
    assert logins(send(caller, "GET", PATH)) == ["ann"]
    assert send(caller, "GET", path_of(three[0])).status_code == 200
    refused(send(caller, "GET", path_of(three[1])), "X-FOUND-01", 404)
    assert logins(send(caller, "GET", f"{PATH}?instance={three[1].instance.public_id}")) == []


def test_bindings_of_others_do_not_exist(alice: Somebody, mallory: Somebody, three):
    assert logins(send(mallory.api(), "GET", PATH)) == []
    for path in ("", "/impact", "/receipt", "/checks", "/repositories"):
        refused(send(mallory.api(), "GET", path_of(three[0]) + path), "X-FOUND-01", 404)


@pytest.mark.parametrize("query", ["", "state=healthy", "q=build", "limit=100"])
def test_the_list_asks_the_same_at_ten_and_at_five_hundred(alice: Somebody, query: str):
    """performance.md C2: at most 3 queries and the scope's statement at any size."""
    caller, asked = alice.api(), {}
    send(caller, "GET", PATH)
    for more, word in ((10, "few"), (490, "many")):
        rows.bindings(rows.instances(alice.tenant, more, word))
        with CaptureQueriesContext(connection) as seen:
            answer = send(caller, "GET", f"{PATH}?{query}")
        assert answer.status_code == 200
        statements = [entry["sql"] for entry in seen.captured_queries]
        asked[word] = [s for s in statements if not s.startswith(("BEGIN", "COMMIT"))]
    assert len(asked["few"]) == len(asked["many"]) <= 3 + 1
    assert not [sql for sql in asked["many"] if "count(" in sql.lower()]


@pytest.mark.parametrize("path", ["/api/v1/expiries", "/api/v1/instances", "/api/v1/events"])
def test_other_lists_ask_no_more_either(alice: Somebody, path: str):
    caller = alice.api()
    send(caller, "GET", path)
    rows.bindings(rows.instances(alice.tenant, 60))
    with CaptureQueriesContext(connection) as seen:
        assert send(caller, "GET", f"{path}?limit=50").status_code == 200
    statements = [e["sql"] for e in seen.captured_queries]
    assert len([s for s in statements if not s.startswith(("BEGIN", "COMMIT"))]) <= 3 + 1


# -- one binding -----------------------------------------------------------------------------------


def test_reasons_are_told_in_the_language_asked_for(alice: Somebody, instance: Instance):
    now = timezone.now()
    bound = rows.binding(
        instance,
        status="expiring",
        why="ends_soon",
        expires_at=now + timedelta(days=6, hours=1),
        reach="unreachable",
        reach_why="timeout",
    )
    caller = alice.api()
    found = body_of(send(caller, "GET", path_of(bound)))
    assert found["state"] == "unreachable"
    reason = found["credential"]["reason"]
    assert (reason["code"], reason["detail"]) == ("GL-TOK-05", "This token ends in 6 days.")
    assert found["reachability_reason"]["code"] == "GL-NET-01"
    spoken = body_of(send(caller, "GET", path_of(bound), Accept_Language="zh"))
    assert spoken["credential"]["reason"]["code"] == "GL-TOK-05"
    assert spoken["credential"]["reason"]["detail"] != reason["detail"]


def test_who_bound_it_stays_by_name_when_they_have_left(
    alice: Somebody, bob: Somebody, instance: Instance
):
    bound = rows.binding(instance, bound_by=bob.person, bound_by_name="Bob")
    caller = alice.api()
    found = body_of(send(caller, "GET", path_of(bound)))
    assert found["bound_by"] == {"id": bob.person.public_id, "name": "Bob"}
    Membership.objects.filter(user=bob.person).update(left_at=timezone.now())
    found = body_of(send(caller, "GET", path_of(bound)))
    assert found["bound_by"] == {"id": None, "name": "Bob"}


def test_nobody_bound_a_cloud_account(alice: Somebody, instance: Instance):
    bound = rows.binding(instance, "codearts", kind="platform", bound_by_name="")
    assert body_of(send(alice.api(), "GET", path_of(bound)))["bound_by"] is None


# -- change ----------------------------------------------------------------------------------------


def test_what_may_change_changes(alice: Somebody, bound: dict):
    caller = alice.api()
    changed = {"labels": {"team": "images"}, "mode": "manual", "auto_rotate": True}
    answer = send(caller, "PATCH", path_of(bound), changed, If_Match="*")
    found = body_of(answer)
    assert answer.status_code == 200, found
    assert {name: found[name] for name in changed} == changed
    assert body_of(send(caller, "GET", path_of(bound))) == found


@pytest.mark.parametrize(
    ("changed", "code", "status"),
    [
        ({"expires_on": "2026-12-31"}, "X-STATE-02", 409),
        ({"clone_username": "x"}, "X-STATE-02", 409),
        ({"confirmed": False}, "X-FORM-03", 422),
        ({"auto_rotate": "yes"}, "X-FORM-03", 422),
        ({"status": "active"}, "X-FORM-04", 422),
        ({"instance": "ins_x"}, "X-FORM-04", 422),
        ({"created_by": "x", "key_id": "y", "pk": 1}, "X-FORM-04", 422),
        ({"user.is_staff": True}, "X-FORM-04", 422),
    ],
)
def test_what_may_not_change_does_not(
    alice: Somebody, bound: dict, changed: dict, code: str, status: int
):
    caller = alice.api()
    before = body_of(send(caller, "GET", path_of(bound)))
    refused(send(caller, "PATCH", path_of(bound), changed, If_Match="*"), code, status)
    assert body_of(send(caller, "GET", path_of(bound))) == before


def test_a_check_or_a_use_meanwhile_does_not_refuse_a_change(alice: Somebody, bound: dict):
    caller = alice.api()
    seen = send(caller, "GET", path_of(bound)).headers["ETag"]
    with rls.tenant(alice.tenant.pk):
        Binding.objects.of(alice.tenant).update(used_at=timezone.now(), reach="degraded")
    answer = send(caller, "GET", path_of(bound), If_None_Match=seen)
    assert answer.status_code == 200
    changed = {"labels": {"a": "b"}}
    assert send(caller, "PATCH", path_of(bound), changed, If_Match=seen).status_code == 200
    refused(send(caller, "PATCH", path_of(bound), {}, If_Match=seen), "X-MATCH-02", 412)


def test_an_admin_confirms_a_pending_binding(alice: Somebody, instance: Instance):
    later = timezone.now() + timedelta(minutes=5)
    bound = rows.binding(
        instance, "github", kind="oauth", status="pending", bound_at=None, confirm_until=later
    )
    caller = alice.api()
    assert body_of(send(caller, "GET", path_of(bound)))["state"] == "pending"
    answer = send(caller, "PATCH", path_of(bound), {"confirmed": True}, If_Match="*")
    assert body_of(answer)["credential"]["status"] == "active"


# -- replace ---------------------------------------------------------------------------------------


def test_the_same_account_is_replaced_in_place(alice: Somebody, bound: dict, gitlab: GitLab):
    caller = alice.api()
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-06-01")
    path = f"{path_of(bound)}/credential"
    seen = send(caller, "GET", path_of(bound)).headers["ETag"]
    answer = send(caller, "PUT", path, {"token": fresh}, If_Match=seen)
    found = body_of(answer)
    assert answer.status_code == 200, found
    assert (found["id"], found["bound_at"]) == (bound["id"], bound["bound_at"])
    assert found["credential"]["generation"] == 2
    assert found["credential"]["replaced_at"] is not None
    assert found["credential"]["expires_at"] == "2027-06-01T00:00:00Z"
    assert found["credential"]["fingerprint"] != bound["credential"]["fingerprint"]
    assert answer.headers["ETag"] != seen
    refused(send(caller, "PUT", path, {"token": fresh}, If_Match=seen), "X-MATCH-02", 412)


def test_another_account_is_refused_and_the_old_token_serves(
    alice: Somebody, bound: dict, gitlab: GitLab
):
    caller, path = alice.api(), f"{path_of(bound)}/credential"
    before = body_of(send(caller, "GET", path_of(bound)))
    foreign = {"token": gitlab.token(login="ann")}
    refused(send(caller, "PUT", path, foreign, If_Match="*"), "GL-ACC-01", 409)
    assert body_of(send(caller, "GET", path_of(bound))) == before


def test_a_dead_token_replaces_nothing(alice: Somebody, bound: dict, gitlab: GitLab):
    caller, path = alice.api(), f"{path_of(bound)}/credential"
    answer = send(caller, "PUT", path, {"token": gitlab.token("revoked")}, If_Match="*")
    problem = refused(answer, "GL-TOK-01", 422)
    assert len(problem["steps"]) == 6


def test_replacing_needs_a_precondition_and_a_token(alice: Somebody, bound: dict):
    caller, path = alice.api(), f"{path_of(bound)}/credential"
    refused(send(caller, "PUT", path, {"token": "x"}), "X-MATCH-01", 428)
    problem = refused(send(caller, "PUT", path, {}, If_Match="*"), "X-FORM-01", 422)
    assert problem["errors"][0]["pointer"] == "#/token"


def test_consent_is_not_replaced_by_a_token(alice: Somebody, instance: Instance):
    bound = rows.binding(instance, "github", kind="oauth")
    asked = {"token": "glpat-testtesttest"}
    answer = send(alice.api(), "PUT", f"{path_of(bound)}/credential", asked, If_Match="*")
    refused(answer, "X-STATE-02", 409)


# -- unbind ----------------------------------------------------------------------------------------


def test_unbinding_gives_a_receipt_which_can_be_read_for_thirty_days(alice: Somebody, bound: dict):
    caller, path = alice.api(), path_of(bound)
    refused(send(caller, "GET", f"{path}/receipt"), "X-FOUND-01", 404)
    answer = send(caller, "DELETE", f"{path}?reason=tidy", If_Match="*")
    receipt = body_of(answer)
    assert answer.status_code == 200, receipt
    assert list(receipt) == [
        "binding",
        "instance",
        "provider",
        "account",
        "unbound_at",
        "by",
        "items",
        "triggers_kept_until",
        "cleanup_until",
    ]
    assert (receipt["binding"], receipt["account"]) == (bound["id"], "build-bot")
    assert set(receipt["by"]) == {"kind", "id", "name"}
    assert [i["action"] for i in receipt["items"]] == ["revoke_credential", "erase_credential"]
    assert body_of(send(caller, "GET", f"{path}/receipt")) == receipt
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        refused(send(caller, "GET", f"{path}/receipt"), "X-FOUND-01", 404)
        refused(send(caller, "GET", path), "X-FOUND-01", 404)


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/impact"),
        ("GET", "/checks"),
        ("POST", "/checks"),
        ("PUT", "/credential"),
        ("GET", "/repositories"),
        ("GET", "/repositories/platform%2Fapi/branches"),
    ],
)
def test_what_was_unbound_is_gone(alice: Somebody, bound: dict, method: str, below: str):
    caller = alice.api()
    assert send(caller, "DELETE", path_of(bound), If_Match="*").status_code == 200
    answer = send(caller, method, path_of(bound) + below, {} if method != "GET" else None)
    problem = refused(answer, "X-GONE-01", 410)
    assert problem["receipt_url"].endswith(f"/api/v1/bindings/{bound['id']}/receipt")


def test_what_is_in_use_has_to_be_confirmed(alice: Somebody, bound: dict):
    caller, path = alice.api(), path_of(bound)
    with rls.tenant(alice.tenant.pk):
        Binding.objects.of(alice.tenant).update(used_at=timezone.now())
    impact = body_of(send(caller, "GET", f"{path}/impact"))
    assert (impact["in_use"], impact["confirm"]) == (True, "build-bot")
    problem = refused(send(caller, "DELETE", path, If_Match="*"), "X-CONFIRM-01", 409)
    assert problem["confirm"] == "build-bot"
    refused(send(caller, "DELETE", f"{path}?confirm=ann", If_Match="*"), "X-CONFIRM-01", 409)
    answer = send(caller, "DELETE", f"{path}?confirm=build-bot", If_Match="*")
    assert answer.status_code == 200


def test_the_person_who_bound_it_may_unbind_whatever_their_role(
    alice: Somebody, bob: Somebody, carol: Somebody, instance: Instance
):
    mine = rows.binding(instance, bound_by=bob.person)
    path = path_of(mine)
    refused(send(carol.client, "DELETE", path, If_Match="*"), "X-ROLE-01", 403)
    assert send(bob.client, "DELETE", path, If_Match="*").status_code == 200


def test_others_bindings_are_not_for_developers(alice: Somebody, bob: Somebody, instance: Instance):
    theirs = rows.binding(instance, bound_by=alice.person)
    answer = send(bob.client, "DELETE", path_of(theirs), If_Match="*")
    assert refused(answer, "X-ROLE-01", 403)["needed_role"] == "admin"


def test_an_instance_can_be_bound_again_after_unbinding(
    alice: Somebody, instance: Instance, bound: dict, gitlab: GitLab
):
    caller = alice.api()
    send(caller, "DELETE", path_of(bound), If_Match="*")
    again = bind(caller, instance, gitlab.ask())
    assert again.status_code == 201
    assert body_of(again)["id"] != bound["id"]


def test_impact_says_what_would_stop(alice: Somebody, bound: dict):
    found = body_of(send(alice.api(), "GET", f"{path_of(bound)}/impact"))
    assert list(found) == [
        "in_use",
        "confirm",
        "automatic_triggers",
        "manual_triggers",
        "webhooks",
        "active_leases",
        "clients",
        "repositories",
        "plan",
        "triggers_kept_days",
    ]
    assert [step["action"] for step in found["plan"]] == [
        "remove_webhooks",
        "revoke_credential",
        "erase_credential",
    ]
