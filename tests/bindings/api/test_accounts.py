"""Account rules over the API: switch, compare, put back, and whom bindings hang on."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding
from bindings.services.bind import grant, links
from portal.ground import rls
from portal.tenants.models import Instance, Membership
from portal.tenants.services import members
from tests import factories
from tests.bindings import sources
from tests.bindings.api import rows
from tests.bindings.api.conftest import GitLab, bind
from tests.bindings.sources import GitHub, told
from tests.people import Somebody
from tests.portal.rest.calls import body_of, refused, send

PATH = "/api/v1/bindings"


@pytest.fixture
def lonely(gitlab: GitLab, alice: Somebody, bound: dict[str, Any]) -> str:
    """A repository in use that only build-bot sees."""
    (made,) = gitlab.sandbox.add_repositories(
        "gitlab", "build-bot", count=1, prefix="own", visibility="private"
    )
    path = str(made["path"]).replace("/", "%2F")
    api = alice.api()
    send(api, "GET", f"{PATH}/{bound['id']}/repositories?fresh=true")
    where = f"{PATH}/{bound['id']}/repositories/{path}/resolve?ref=main"
    assert send(api, "GET", where).status_code == 200
    return str(made["path"])


# -- switching ------------------------------------------------------------------------------------


def test_a_test_compares_before_anything_is_done(
    alice: Somebody, gitlab: GitLab, bound: dict[str, Any], lonely: str
) -> None:
    asked = gitlab.ask(login="ann", compare_with=bound["id"])
    answer = send(alice.api(), "POST", "/api/v1/connection-tests", asked)
    missing = [{"path": lonely, "triggers": 0}]
    assert body_of(answer)["comparison"] == {"in_use": 1, "visible": 0, "missing": missing}
    failed = gitlab.ask("registry", compare_with=bound["id"])
    shown = body_of(send(alice.api(), "POST", "/api/v1/connection-tests", failed))
    assert (shown["ok"], shown["comparison"]) == (False, None)


def test_an_account_is_switched_once_what_it_loses_is_accepted(
    alice: Somebody, instance: Instance, gitlab: GitLab, bound: dict[str, Any], lonely: str
) -> None:
    api = alice.api()
    asked = gitlab.ask(login="ann", replaces=bound["id"])
    problem = refused(bind(api, instance, asked), "GL-ACC-04", 409)
    assert problem["detail"] == (
        "ann cannot see 1 repositories that are in use. Nothing was changed."
    )
    missing = [{"path": lonely, "triggers": 0}]
    assert problem["comparison"] == {"in_use": 1, "visible": 0, "missing": missing}
    assert body_of(send(api, "GET", f"{PATH}/{bound['id']}"))["account"]["login"] == "build-bot"
    answer = bind(api, instance, {**asked, "accept_missing": True})
    assert answer.status_code == 201
    made = body_of(answer)
    assert (made["account"]["login"], made["id"] != bound["id"]) == ("ann", True)
    refused(send(api, "GET", f"{PATH}/{bound['id']}"), "X-GONE-01", 410)


@pytest.mark.parametrize("named", ["bnd_x", "another"])
def test_what_is_not_bound_there_is_not_replaced(
    alice: Somebody, instance: Instance, gitlab: GitLab, bound: dict[str, Any], named: str
) -> None:
    if named == "another":
        named = rows.binding(rows.instances(alice.tenant, 1)[0]).public_id
    asked = gitlab.ask(login="ann", replaces=named)
    refused(bind(alice.api(), instance, asked), "X-FOUND-01", 404)
    compared = gitlab.ask(login="ann", compare_with="bnd_x")
    refused(send(alice.api(), "POST", "/api/v1/connection-tests", compared), "X-FOUND-01", 404)


def test_the_impact_names_what_is_in_use(
    alice: Somebody, bound: dict[str, Any], lonely: str
) -> None:
    impact = body_of(send(alice.api(), "GET", f"{PATH}/{bound['id']}/impact"))
    assert impact["repositories"] == [{"path": lonely, "triggers": 0, "last_event_at": None}]
    assert (impact["in_use"], impact["confirm"]) == (True, "build-bot")


# -- putting back ---------------------------------------------------------------------------------


def replace(api: Any, gitlab: GitLab, bound: dict[str, Any], **more: Any) -> Any:
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")
    asked = {"token": fresh, **more}
    return send(api, "PUT", f"{PATH}/{bound['id']}/credential", asked, **{"If-Match": "*"})


def test_a_replaced_token_is_put_back(
    alice: Somebody, gitlab: GitLab, bound: dict[str, Any]
) -> None:
    api = alice.api()
    where = f"{PATH}/{bound['id']}/rollbacks"
    refused(send(api, "POST", where), "X-STATE-02", 409)
    replaced = body_of(replace(api, gitlab, bound))["credential"]
    assert replaced["provider_token_name"] == "fresh"
    assert replaced["rollback_until"] is not None
    back = send(api, "POST", where)
    assert back.status_code == 200
    credential = body_of(back)["credential"]
    assert (credential["generation"], credential["rollback_until"]) == (3, None)
    assert credential["fingerprint"] == bound["credential"]["fingerprint"]
    refused(send(api, "POST", where), "X-STATE-02", 409)


def test_an_old_token_that_died_is_refused_with_its_steps(
    alice: Somebody, gitlab: GitLab, bound: dict[str, Any]
) -> None:
    api = alice.api()
    replace(api, gitlab, bound)
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    problem = refused(send(api, "POST", f"{PATH}/{bound['id']}/rollbacks"), "GL-TOK-01", 422)
    assert [step["key"] for step in problem["steps"]][:3] == ["server", "tls", "token"]


def test_with_revocation_there_is_no_way_back(
    alice: Somebody, gitlab: GitLab, bound: dict[str, Any]
) -> None:
    api = alice.api()
    done = body_of(replace(api, gitlab, bound, revoke_old=True))
    assert done["credential"]["rollback_until"] is None
    assert gitlab.sandbox.token_facts("gitlab", "build-bot")["state"] == "revoked"


# -- people ---------------------------------------------------------------------------------------


def test_who_leaves_is_flagged_at_once_and_told_once(
    alice: Somebody, gitlab: GitLab, instance: Instance
) -> None:
    person = factories.person("dora")
    member = factories.member(alice.tenant, person, "admin")
    dora = Somebody(person, alice.tenant)
    bound = body_of(bind(dora.api(personal=True), instance, gitlab.ask()))
    api = alice.api()
    assert body_of(send(api, "GET", f"{PATH}?bound_by=left"))["data"] == []
    mine = f"{PATH}?bound_by={person.public_id}"
    assert [one["id"] for one in body_of(send(api, "GET", mine))["data"]] == [bound["id"]]
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    (found,) = body_of(send(api, "GET", f"{PATH}?bound_by=left"))["data"]
    assert (found["id"], found["bound_by"]) == (bound["id"], {"id": None, "name": "Dora"})
    assert found["state"] == "healthy"
    assert told(alice.tenant) == ["binding.bound", "binding.orphaned"]
    assert told(alice.tenant, "member.")[-1] == "member.left"
    page = alice.client.get(f"/t/acme/instances/{instance.name}/sources/").content.decode()
    assert "Bound by someone who left" in page
    one = alice.client.get(f"/t/acme/bindings/{bound['id']}/").content.decode()
    assert "Bound by someone who left" in one
    listed = alice.client.get("/t/acme/expiry/?left=1&days=365").content.decode()
    assert f"/t/acme/bindings/{bound['id']}/" in listed
    Membership.objects.filter(pk=member.pk).update(left_at=None)
    assert body_of(send(api, "GET", f"{PATH}?bound_by=left"))["data"] == []


# -- ten tokens for one account and app -----------------------------------------------------------


@pytest.fixture
def github(sandbox: Any, settings: Any, db: None) -> GitHub:
    settings.MOORING_SANDBOX_URL = sandbox.url
    return GitHub(sandbox, sources.github_host(sandbox))


def bound_often(github: GitHub, alice: Somebody, count: int) -> None:
    """octavia is bound on so many instances of acme."""
    places = rows.instances(alice.tenant, count, "many")
    made = [
        Binding(
            tenant=alice.tenant,
            instance=one,
            host=github.host,
            provider="github",
            kind="oauth",
            status="active",
            quality="idle",
            account_id="1001",
            account_login="octavia",
        )
        for one in places
    ]
    with rls.tenant(alice.tenant.pk):
        Binding.objects.bulk_create(made)


@pytest.mark.parametrize(("before", "warned"), [(9, False), (10, True)])
def test_the_eleventh_sign_in_of_an_account_is_warned_of(
    alice: Somebody, github: GitHub, instance: Instance, before: int, warned: bool
) -> None:
    bound_often(github, alice, before)
    begun = links.begin(actor=alice.actor, instance=instance, provider="github")
    pending = github.finish(alice.actor, github.waiting(begun.authorization))
    shown = body_of(
        send(alice.api(), "GET", f"/api/v1/authorizations/{begun.authorization.public_id}")
    )
    told = [{"field": "", "value": "octavia", "code": "GH-TOK-12"}]
    assert shown.get("suggestions", []) == (told if warned else [])
    confirm = f"/t/acme/instances/{instance.name}/sources/github/confirm/"
    page = alice.client.get(confirm).content.decode()
    said = (
        "GitHub keeps 10 sign-ins per account and app. This account is bound 11 times;"
        " the oldest may stop."
    )
    assert (said in page) is warned
    assert "many-0000" not in page
    assert grant.confirm(actor=alice.actor, binding=pending).status == "active"
