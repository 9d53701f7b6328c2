"""The page of one binding: both axes, what it can do, what happened; checking it now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Check, HealthDay
from bindings.services.keep import checks
from portal.ground import rls
from portal.tenants.models import Instance
from portal.tenants.services import members
from tests import factories
from tests.bindings.api import rows
from tests.bindings.sources import GitLab, opened
from tests.bindings.web.conftest import Address, kept
from tests.bindings.web.reading import asked_of_database, read
from tests.people import Somebody

HTMX = {"HX-Request": "true"}


def test_the_page_tells_everything_but_the_secret(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    page = read(alice.client.get(at.of(binding)))
    for said in (
        "GitLab · build-bot",
        "Healthy",
        "Access token",
        "Bound by Alice",
        "Credential Accepted since",
        "Server Reachable since",
        "Scopes api",
        "Encrypted. Never shown again, to anyone.",
        "Enough for every feature",
        "Clone private source read_repository Yes proven",
        "Signed in as build-bot.",
        "Alice bound build-bot on GitLab",
    ):
        assert said in page.text
    assert opened(binding) not in page.source
    assert "Name in GitLab full" in page.text


def test_both_axes_and_the_reason_of_each_are_shown(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(
        instance,
        status="revoked",
        why="refused",
        reach="unreachable",
        reach_why="timeout",
        reach_facts={"n": "15", "egress": "203.0.113.0/24"},
    )
    page = read(alice.client.get(at.of(binding)))
    assert "Credential Refused since" in page.text
    assert "Server Server unreachable since" in page.text
    assert "GitLab refused the credential twice" in page.text
    assert "The server did not answer in 15 seconds." in page.text
    assert {"GL-TOK-08", "GL-NET-01"} <= set(page.text.split())


def test_thirty_days_are_drawn_and_the_worst_is_said(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    long_ago = timezone.now() - timedelta(days=60)
    binding = rows.binding(instance, bound_at=long_ago)
    bad = timezone.now().date() - timedelta(days=13)
    with rls.fleet("a test writes what a sweep would"):
        HealthDay.objects.create(
            tenant_id=binding.tenant_id, binding=binding, day=bad, checks=24, failures=3
        )
    page = read(alice.client.get(at.of(binding)))
    assert f"{bad.day} {bad:%b}: 3 of 24 checks failed" in page.text
    assert "Health of 30 days: 29 good, 0 slow, 1 failing, 0 unchecked." in page.source


def test_a_binding_of_the_platform_is_locked(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, "codearts", kind="platform")
    page = read(alice.client.get(at.of(binding)))
    said = (
        "DevCloud (CodeArts) is bound by default to your current cloud account. It cannot be"
        " removed here."
    )
    assert said in page.text
    assert "Replace token" not in page.text
    assert "Unbind" not in page.text
    chinese = read(alice.client.get(at.of(binding), headers={"Accept-Language": "zh-hans"}))
    assert "DevCloud（CodeArts）已默认绑定当前云账号，无法在此移除。" in chinese.text
    row = read(alice.client.get(at.sources)).rows["row-codearts"]
    assert "bound by the platform Cloud account" in row
    assert "Unbind" not in row


def test_a_binding_stays_when_its_maker_leaves(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    dora = factories.person("bob")
    member = factories.member(alice.tenant, dora, "admin")
    binding = rows.binding(instance, bound_by=dora, bound_by_name="Bob")
    assert "Bound by Bob" in read(alice.client.get(at.of(binding))).text
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    assert "Bound by someone who left" in read(alice.client.get(at.of(binding))).text


def test_the_page_asks_the_database_ten_times_at_most(
    alice: Somebody, at: Address, seven: dict[str, Binding]
) -> None:
    assert asked_of_database(alice.client, at.of(seven["gitlab"])) <= 10
    assert asked_of_database(alice.client, at.of(seven["gitlab"], "activity/")) <= 10


def test_nobody_from_elsewhere_finds_it(
    alice: Somebody, mallory: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance)
    client = mallory.client
    for page in ("", "activity/", "replace/", "unbind/", "receipt/", "end/"):
        assert client.get(at.of(binding, page)).status_code == 404
        mine = at.of(binding, page).replace("/t/acme/", "/t/globex/")
        assert client.get(mine).status_code == 404
    assert client.post(at.of(binding, "check/")).status_code == 404


# -- check now ------------------------------------------------------------------------------------


def test_a_check_is_begun_and_followed(alice: Somebody, binding: Binding, at: Address) -> None:
    client = alice.client
    begun = client.post(at.of(binding, "check/"), headers=HTMX)
    assert begun.headers["HX-Redirect"] == at.of(binding)
    page = read(client.get(at.of(binding)))
    assert "Checking… A check takes 30 seconds at most." in page.text
    assert 'hx-trigger="every 700ms"' in page.source

    with rls.tenant(binding.tenant_id):
        check = Check.objects.of(binding.tenant_id).get(binding=binding, cause="manual")
    checks.run(tenant_id=binding.tenant_id, check_id=check.pk)
    part = read(client.get(at.of(binding), headers=HTMX))
    assert "The check has finished." in part.text
    assert "data-errors" in part.source  # it takes the focus
    assert "hx-trigger" not in part.source
    assert "<html" not in part.source


def test_a_check_leads_back_to_where_it_was_asked_for(
    alice: Somebody, binding: Binding, at: Address, settings: Any
) -> None:
    settings.MOORING_PAGE_WAITS = 0
    client = alice.client
    answer = client.post(at.of(binding, "check/"), {"next": at.sources})
    assert answer.headers["Location"] == at.sources
    for elsewhere in ("https://evil.example/", "//evil.example"):
        answer = client.post(at.of(binding, "check/"), {"next": elsewhere})
        assert answer.headers["Location"] == at.of(binding)


def test_without_javascript_the_page_waits_a_while_and_no_longer(
    alice: Somebody, binding: Binding, at: Address, settings: Any
) -> None:
    settings.MOORING_PAGE_WAITS = 0.3  # no worker runs here, so it waits in vain
    client = alice.client
    answer = client.post(at.of(binding, "check/"))
    assert answer.status_code == 302
    page = read(client.get(at.of(binding)))
    assert page.links["Refresh"] == at.of(binding)


def test_a_second_check_within_five_seconds_is_the_same_or_refused(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    client = alice.client
    client.post(at.of(binding, "check/"), headers=HTMX)
    client.post(at.of(binding, "check/"), headers=HTMX)
    with rls.tenant(binding.tenant_id):
        (check,) = Check.objects.of(binding.tenant_id).filter(binding=binding, cause="manual")
        Check.objects.of(binding.tenant_id).filter(pk=check.pk).update(status="ok")
    client.post(at.of(binding, "check/"), headers=HTMX)
    assert "Checked a moment ago. Try again in" in read(client.get(at.of(binding))).text


def test_only_what_can_be_checked_offers_it(
    alice: Somebody, carol: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance)
    assert "Check now" in read(alice.client.get(at.of(binding))).text
    assert "Check now" not in read(carol.client.get(at.of(binding))).text
    kept(binding, status="pending")
    assert "Check now" not in read(alice.client.get(at.of(binding))).text


# -- replace the token ----------------------------------------------------------------------------


def test_a_new_token_of_the_same_account_is_taken(
    alice: Somebody, binding: Binding, gitlab: GitLab, at: Address
) -> None:
    client = alice.client
    page = read(client.get(at.of(binding, "replace/")))
    assert gitlab.base_url in page.text
    assert "base_url" not in page.fields
    assert "expires_on" not in page.fields
    new = gitlab.sandbox.new_token("gitlab", "build-bot", "newer", ["api"], "2027-06-01")
    answer = client.post(at.of(binding, "replace/"), {"token": new})
    assert answer.headers["Location"] == at.of(binding)
    assert "New token works. Nothing else changed." in read(client.get(at.of(binding))).text
    assert opened(binding) == new


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_another_accounts_token_is_refused_and_nothing_changes(
    alice: Somebody, binding: Binding, gitlab: GitLab, at: Address, language: str
) -> None:
    before = opened(binding)
    answer = alice.client.post(
        at.of(binding, "replace/"),
        {"token": gitlab.token("full", "ann")},
        headers={"Accept-Language": language},
    )
    page = read(answer)
    said = {
        "en": "This token belongs to ann; the binding belongs to build-bot. To change the account,"
        " unbind it first, or switch account.",
        "zh-hans": "该令牌属于 ann，而此绑定属于 build-bot。更换账号请先解绑或切换账号。",
    }
    assert answer.status_code == 422
    assert said[language] in page.text
    assert "GL-ACC-01" in page.text
    assert gitlab.token("full", "ann") not in page.source
    assert opened(binding) == before


def test_a_token_that_fails_leaves_the_old_one_in_service(
    alice: Somebody, binding: Binding, gitlab: GitLab, at: Address
) -> None:
    before = opened(binding)
    answer = alice.client.post(at.of(binding, "replace/"), {"token": gitlab.token("revoked")})
    page = read(answer)
    assert answer.status_code == 422
    assert "GL-TOK-01" in page.text
    assert "Token accepted, failed" in page.text
    assert gitlab.token("revoked") not in page.source
    assert opened(binding) == before
    assert alice.client.post(at.of(binding, "replace/"), {}).status_code == 422


def test_the_old_token_is_revoked_when_that_is_asked_for(
    alice: Somebody, binding: Binding, gitlab: GitLab, at: Address
) -> None:
    client = alice.client
    new = gitlab.sandbox.new_token("gitlab", "build-bot", "newer", ["api"], "2027-06-01")
    client.post(at.of(binding, "replace/"), {"token": new, "revoke_old": "on"})
    said = "New token works. The old one was revoked on GitLab."
    assert said in read(client.get(at.of(binding))).text
    assert gitlab.sandbox.token_facts("gitlab", "build-bot", "full")["state"] == "revoked"


# -- the end date ---------------------------------------------------------------------------------


def test_an_end_that_nobody_told_can_be_stated(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, quality="unknown", expires_at=None)
    client = alice.client
    soon = timezone.now().date() + timedelta(days=9)
    answer = client.post(at.of(binding, "end/"), {"expires_on": soon.isoformat()})
    assert answer.headers["Location"] == at.sources
    row = read(client.get(at.sources)).rows["row-gitlab"]
    assert "Ends in 9 days" in row
    assert "entered by Alice" in row
    shown = read(client.get(at.of(binding, "end/")))
    assert shown.fields["expires_on"]["value"] == soon.isoformat()


def test_an_end_in_the_past_or_told_by_the_platform_is_refused(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    binding = rows.binding(instance, quality="unknown", expires_at=None)
    answer = alice.client.post(at.of(binding, "end/"), {"expires_on": "2020-01-01"})
    assert answer.status_code == 422
    assert "Choose a date between tomorrow and" in read(answer).text
    kept(binding, quality="exact", expires_at=timezone.now())
    answer = alice.client.post(at.of(binding, "end/"), {"expires_on": "2027-01-01"})
    assert answer.status_code == 422
    assert "This kind of binding cannot do that." in read(answer).text
