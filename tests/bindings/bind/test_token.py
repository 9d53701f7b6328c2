"""Binding with a pasted token: what is accepted, what is refused, and what is stored of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Check, CodeHost, Credential
from bindings.services.bind import token
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.sources import (
    GitLab,
    credential,
    events,
    live,
    opened,
    refused,
    stored,
    told,
)
from tests.people import Somebody


def failed_step(refusal: Refusal) -> str:
    assert refusal.steps is not None
    (failed,) = [step["key"] for step in refusal.steps if step["status"] == "failed"]
    return str(failed)


# -- what is stored ------------------------------------------------------------------------------


def test_a_token_becomes_a_binding(
    gitlab: GitLab, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    bound = gitlab.bound(alice.actor, instance, labels={"team": "images"})
    row = stored(bound.binding)
    assert (row.status, row.reach, row.kind, row.mode) == ("active", "ok", "token", "full")
    assert (row.account_id, row.account_login, row.username) == ("42", "build-bot", "build-bot")
    assert (row.bound_by, row.bound_by_name) == (alice.person, alice.person.name)
    assert row.labels == {"team": "images"}
    assert set(row.proofs) == {"list", "refs", "clone", "hooks"}
    assert all(proof["ok"] for proof in row.proofs.values())
    assert opened(row) == gitlab.token()
    assert (credential(row).generation, credential(row).scopes) == (1, ["api"])
    assert credential(row).token_name == "full"
    assert told(acme) == ["binding.bound"]


def test_the_end_is_read_from_the_platform_as_midnight_utc(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    ends = date.fromisoformat(gitlab.sandbox.token_facts("gitlab", "build-bot")["expires_on"])
    row = gitlab.bind(alice.actor, instance, expires_on=timezone.now().date() + timedelta(days=9))
    assert (row.expires_at, row.quality) == (
        datetime(ends.year, ends.month, ends.day, tzinfo=UTC),
        "exact",
    )


def test_an_end_that_the_platform_does_not_tell_is_taken_from_the_person(
    gitlab: GitLab, alice: Somebody, instance: Instance, second_instance: Instance
) -> None:
    gitlab.fault("old_server")
    ends = timezone.now().date() + timedelta(days=20)
    bound = gitlab.bound(alice.actor, instance, expires_on=ends)
    assert (bound.binding.quality, bound.binding.status) == ("stated", "expiring")
    assert bound.binding.stated_by == alice.person.name
    assert bound.binding.expires_at == datetime(ends.year, ends.month, ends.day, tzinfo=UTC)
    assert [hint.code for hint in bound.hints] == ["GL-API-02"]

    silent = gitlab.bound(alice.actor, second_instance)
    assert (silent.binding.quality, silent.binding.expires_at) == ("unknown", None)
    assert {hint.code for hint in silent.hints} == {"GL-API-02", "GL-EXP-01"}


@pytest.mark.parametrize("days", [-1, 0, 3661])
def test_a_stated_end_lies_between_tomorrow_and_ten_years(
    gitlab: GitLab, alice: Somebody, instance: Instance, days: int
) -> None:
    ends = timezone.now().date() + timedelta(days=days)
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, expires_on=ends))
    assert (refusal.code, refusal.field) == ("GL-EXP-02", "expires_on")


def test_a_token_that_ends_soon_is_accepted_with_a_warning(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    bound = gitlab.bound(alice.actor, instance, "ending")
    assert bound.binding.status == "expiring"
    assert "GL-TOK-05" in [hint.code for hint in bound.hints]


def test_the_bot_of_a_project_is_bound_and_named_as_one(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    bound = gitlab.bound(alice.actor, instance, "project", login="project_1077_bot_sandbox")
    assert bound.binding.robot
    assert [hint.code for hint in bound.hints] == ["GL-USER-03"]
    assert bound.binding.repositories_seen == 1


def test_a_token_that_can_far_more_is_warned_of(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    assert [h.code for h in gitlab.bound(alice.actor, instance, "sudo").hints] == ["GL-TOK-06"]


def test_what_a_host_says_too_long_is_cut(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    told = {"name": "n" * 5000, "web_url": f"https://example.com/{'u' * 5000}"}
    gitlab.fault("set_keys", "/api/v4/user", value=told)
    gitlab.fault("set_keys", "/api/v4/personal_access_tokens/self", value={"name": "t" * 5000})
    row = gitlab.bind(alice.actor, instance)
    assert (len(row.account_name), len(row.account_url)) == (200, 500)
    assert len(credential(row).token_name) == 200


# -- what the token can do -----------------------------------------------------------------------


def test_a_reduced_token_is_bound_for_manual_builds_only(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, "reduced"))
    assert (refusal.code, failed_step(refusal)) == ("GL-SCOPE-02", "permissions")
    row = gitlab.bind(alice.actor, instance, "reduced", mode="manual")
    assert (row.status, row.mode) == ("active", "manual")
    assert row.proofs["hooks"] == {"ok": False, "code": "GL-SCOPE-02", "proven_at": None}
    assert row.proofs["clone"]["ok"]


REFUSED = {
    "registry": ("GL-SCOPE-01", "permissions"),
    "list-only": ("GL-SCOPE-03", "permissions"),
    "ended": ("GL-TOK-01", "token"),
    "revoked": ("GL-TOK-01", "token"),
    "deploy": ("GL-TOK-03", "token"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_tokens_are_refused_by_name_and_nothing_is_stored(
    gitlab: GitLab, alice: Somebody, instance: Instance, name: str
) -> None:
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, name, mode="manual"))
    assert (refusal.code, failed_step(refusal)) == REFUSED[name]
    assert live(instance) == []
    with rls.fleet("a test looks"):
        assert not Binding.objects.exists()
        assert not Credential.objects.exists()
        assert not CodeHost.objects.exists()
        assert not Check.objects.exists()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ghp_test0123456789", "GL-TOK-02"),
        ("short", "GL-TOK-07"),
        ("glpat-test with a space", "GL-TOK-07"),
        ("glpat-test-é-0123456789", "GL-TOK-07"),
        ("glpat-test-" + "x" * 1024, "GL-TOK-07"),
    ],
)
def test_what_cannot_be_a_token_of_this_platform_is_never_sent(
    gitlab: GitLab, alice: Somebody, instance: Instance, text: str, code: str
) -> None:
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, token=text))
    assert (refusal.code, refusal.field) == (code, "token")
    assert not [r for r in gitlab.sandbox.requests("gitlab") if "authorization" in r["headers"]]


def test_white_space_around_a_token_is_dropped(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    row = gitlab.bind(alice.actor, instance, token=f" {gitlab.token()}\n")
    assert opened(row) == gitlab.token()


def test_the_user_name_has_to_be_the_owners_where_it_is_typed(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, username="ann"))
    assert (refusal.code, refusal.field) == ("GL-USER-01", "username")
    assert (refusal.facts["owner"], refusal.facts["typed"]) == ("build-bot", "ann")
    row = gitlab.bind(alice.actor, instance, username="@Build-Bot")
    assert row.username == "build-bot"


# -- what is offered -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "code"), [("github", "GH-OFF-01"), ("gitee", "GE-OFF-01"), ("codeup", "CU-OFF-01")]
)
def test_a_platform_that_is_not_offered_is_refused(
    gitlab: GitLab, alice: Somebody, instance: Instance, provider: str, code: str
) -> None:
    asked = gitlab.ask(provider=provider, base_url="")
    refusal = refused(lambda: token.bind(actor=alice.actor, instance=instance, ask=asked))
    assert (refusal.code, refusal.field) == (code, "provider")


def test_a_platform_without_tokens_is_bound_by_authorization(
    gitlab: GitLab, github: Any, alice: Somebody, instance: Instance
) -> None:
    asked = gitlab.ask(provider="github", base_url="")
    refusal = refused(lambda: token.bind(actor=alice.actor, instance=instance, ask=asked))
    assert (refusal.code, refusal.field) == ("X-FORM-03", "provider")


def test_a_region_where_it_is_off_offers_nothing(
    gitlab: GitLab, alice: Somebody, instance: Instance, settings: Any
) -> None:
    settings.MOORING_REGIONS = ("elsewhere",)
    refusal = refused(lambda: gitlab.bind(alice.actor, instance))
    assert (refusal.code, refusal.facts["region"]) == ("GL-OFF-02", "default")


def test_a_form_without_a_token_is_refused_before_anybody_is_asked(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    asked = token.TokenAsk(provider="gitlab", token="", base_url=gitlab.base_url)
    refusal = refused(lambda: token.bind(actor=alice.actor, instance=instance, ask=asked))
    assert (refusal.code, refusal.field) == ("X-FORM-01", "token")


# -- the dry run ---------------------------------------------------------------------------------


def test_a_test_stores_nothing(gitlab: GitLab, alice: Somebody, instance: Instance) -> None:
    tested = token.test(tenant=alice.tenant, instance=instance, ask=gitlab.ask())
    assert tested.examination.ok
    assert tested.found.host.base_url == gitlab.base_url
    without = token.test(tenant=alice.tenant, instance=None, ask=gitlab.ask("registry"))
    assert without.examination.code == "GL-SCOPE-01"
    with rls.fleet("a test looks"):
        assert not Binding.objects.exists()
        assert not CodeHost.objects.exists()
        assert not Check.objects.exists()
    assert events(alice.tenant) == []


def test_no_secret_is_in_what_a_bind_answers(
    gitlab: GitLab, alice: Somebody, instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    asked = gitlab.ask()
    bound = token.bind(actor=alice.actor, instance=instance, ask=asked)
    tested = token.test(tenant=alice.tenant, instance=None, ask=asked)
    told = repr((asked, bound, tested, [e.data for e in events(alice.tenant)]))
    with rls.fleet("a test looks"):
        told += repr(list(Check.objects.values())) + repr(list(Binding.objects.values()))
        told += repr(list(Credential.objects.values()))
    assert asked.token not in told
    assert asked.token not in caplog.text
