"""Binding with a pasted token: what is accepted, what is refused, and what is stored of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bindings.models import Binding, Check, CodeHost, Credential, Schedule
from bindings.problems import AlreadyBound
from bindings.services.bind import change, instances, token, unbind
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.sources import (
    GitLab,
    credential,
    events,
    live,
    opened,
    stored,
    told,
)
from tests.people import Somebody


def refused(call: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


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
    "registry": ("GL-SCOPE-01", "token"),
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


# -- which server --------------------------------------------------------------------------------


def test_a_project_link_is_cut_to_its_server_and_told(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    link = f"{gitlab.base_url}/platform/api/-/tree/main?ref=x#L1"
    bound = gitlab.bound(alice.actor, instance, base_url=link)
    assert stored(bound.binding).host.base_url == gitlab.base_url
    (hint,) = bound.hints
    assert (hint.about, hint.value, hint.code) == ("base_url", gitlab.base_url, "GL-ADDR-02")
    assert hint.facts["path"].startswith("platform/api")


@pytest.mark.parametrize("typed", ["/users/sign_in", "/api/v4", "/"])
def test_the_servers_own_pages_are_the_server(
    gitlab: GitLab, alice: Somebody, instance: Instance, typed: str
) -> None:
    bound = gitlab.bound(alice.actor, instance, base_url=gitlab.base_url + typed)
    assert stored(bound.binding).host.base_url == gitlab.base_url
    assert bound.hints == ()


PORTS = {
    "seed": {
        "https://gitlab.example.com:8443": "GL-ADDR-06",
        "http://gitlab.example.com:1024": "GL-ADDR-07",
        "http://gitlab.example.com:22": "GL-ADDR-07",
    },
    "extended": {
        "https://gitlab.example.com:1024": "GL-ADDR-06",
        "http://gitlab.example.com:1024": "GL-ADDR-07",
        "https://10.1.2.3": "GL-ADDR-04",
        "https://me:secret@gitlab.example.com": "GL-ADDR-05",
        "gitlab.example.com": "GL-ADDR-01",
    },
}


@pytest.mark.parametrize(
    ("profile", "typed"), [(profile, typed) for profile in PORTS for typed in PORTS[profile]]
)
def test_addresses_that_the_profile_refuses_are_refused_by_code(
    gitlab: GitLab, alice: Somebody, instance: Instance, settings: Any, profile: str, typed: str
) -> None:
    settings.MOORING_PROFILE = profile
    settings.MOORING_SANDBOX_URL = ""
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, base_url=typed))
    assert (refusal.code, refusal.field) == (PORTS[profile][typed], "base_url")
    assert gitlab.token() not in repr(refusal.__dict__)


def test_the_address_of_an_offered_server_finds_it(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    with rls.fleet("an operator's host"):
        offered = CodeHost.objects.create(
            slug="our-gitlab",
            provider="gitlab",
            label="Our GitLab",
            base_url=gitlab.base_url,
            api_url=f"{gitlab.base_url}/api/v4",
        )
    by_address = gitlab.bind(alice.actor, instance)
    assert by_address.host_id == offered.pk
    with rls.fleet("a test looks"):
        assert CodeHost.objects.count() == 1


@pytest.mark.parametrize("name", ["slug", "public_id"])
def test_an_offered_server_is_found_by_its_name(
    gitlab: GitLab, alice: Somebody, instance: Instance, name: str
) -> None:
    with rls.fleet("an operator's host"):
        offered = CodeHost.objects.create(
            slug="our-gitlab",
            provider="gitlab",
            label="Our GitLab",
            base_url=gitlab.base_url,
            api_url=f"{gitlab.base_url}/api/v4",
        )
    chosen = gitlab.bind(alice.actor, instance, base_url="", host=getattr(offered, name))
    assert chosen.host_id == offered.pk


def test_another_tenants_server_has_no_name_here(
    gitlab: GitLab,
    alice: Somebody,
    mallory: Somebody,
    instance: Instance,
    foreign_instance: Instance,
) -> None:
    theirs = gitlab.bind(mallory.actor, foreign_instance).host
    for name in (theirs.slug, theirs.public_id):
        refusal = refused(
            lambda name=name: gitlab.bind(alice.actor, instance, base_url="", host=name)
        )
        assert refusal.code == "X-HOST-01"


def test_equal_addresses_of_two_tenants_are_two_servers(
    gitlab: GitLab,
    alice: Somebody,
    mallory: Somebody,
    instance: Instance,
    second_instance: Instance,
    foreign_instance: Instance,
) -> None:
    ours = [gitlab.bind(alice.actor, place).host_id for place in (instance, second_instance)]
    theirs = gitlab.bind(mallory.actor, foreign_instance).host_id
    assert ours[0] == ours[1] != theirs
    with rls.fleet("a test looks"):
        owners = dict(CodeHost.objects.values_list("pk", "owner__slug"))
    assert owners == {ours[0]: "acme", theirs: "globex"}


@pytest.mark.parametrize("whose", ["operator", "tenant"])
def test_a_server_that_was_switched_off_is_not_bound_again(
    gitlab: GitLab, alice: Somebody, instance: Instance, acme: Tenant, whose: str
) -> None:
    with rls.fleet("a host that is off"):
        CodeHost.objects.create(
            slug="closed",
            owner=acme if whose == "tenant" else None,
            provider="gitlab",
            label="Closed",
            base_url=gitlab.base_url,
            api_url=f"{gitlab.base_url}/api/v4",
            enabled=False,
        )
    assert refused(lambda: gitlab.bind(alice.actor, instance)).code == "GL-OFF-01"


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


# -- one account a platform ----------------------------------------------------------------------


def test_a_second_account_is_refused_and_the_first_is_named(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    first = gitlab.bind(alice.actor, instance)
    asked = gitlab.asked()
    with pytest.raises(AlreadyBound) as caught:
        gitlab.bind(alice.actor, instance, login="ann")
    assert caught.value.code == "GL-DUP-01"
    assert caught.value.facts["login"] == "build-bot"
    assert caught.value.extra == {"binding": first.public_id}
    assert gitlab.asked() == asked


def test_sixteen_binds_at_once_leave_one_binding(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    outcomes = at_once(16, lambda n: _try_bind(gitlab, alice, instance, n))
    assert sorted(outcomes) == ["GL-DUP-01"] * 15 + ["bound"]
    assert len(live(instance)) == 1
    with rls.fleet("a test looks"):
        assert CodeHost.objects.count() == 1
        assert Credential.objects.count() == Schedule.objects.count() == 1


def _try_bind(gitlab: GitLab, who: Somebody, instance: Instance, n: int) -> str:
    try:
        gitlab.bind(who.actor, instance, login=["build-bot", "ann"][n % 2])
    except Refusal as refusal:
        return refusal.code
    return "bound"


def at_once(count: int, work: Callable[[int], str]) -> list[str]:
    """What `count` threads come back with that begin together."""
    gate, found = threading.Barrier(count), [""] * count

    def one(n: int) -> None:
        gate.wait()
        try:
            found[n] = work(n)
        finally:
            connection.close()

    crew = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return found


def test_bind_against_unbind_ends_in_one_of_the_two_orders(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    for _ in range(4):
        known = live(instance)
        bound = known[0] if known else gitlab.bind(alice.actor, instance)

        def act(n: int, bound: Binding = bound) -> str:
            if n == 0:
                unbind.unbind(actor=alice.actor, binding=bound)
                return "unbound"
            return _try_bind(gitlab, alice, instance, 0)

        outcomes = at_once(2, act)
        assert outcomes[0] == "unbound"
        assert outcomes[1] in ("bound", "GL-DUP-01")
        assert len(live(instance)) == int(outcomes[1] == "bound")
        assert stored(bound).unbound_at is not None


def test_a_label_changed_at_the_same_moment_costs_nobody_a_verdict(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    def act(n: int) -> str:
        change.change(actor=alice.actor, binding=binding, changes={"labels": {"n": str(n)}})
        return "changed"

    assert at_once(4, act) == ["changed"] * 4
    assert stored(binding).version == binding.version + 4


def test_a_closed_instance_is_not_bound(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    instances.close_instance(actor=alice.actor, instance=instance)
    with pytest.raises(NotYours):
        gitlab.bind(alice.actor, instance)
    with rls.fleet("a test looks"):
        assert not Binding.objects.exists()


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
