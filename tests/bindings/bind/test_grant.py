"""Binding by consent: what comes back, who confirms it, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from bindings import tasks
from bindings.models import Authorization, Binding, CodeHost
from bindings.services.bind import change, grant, links, unbind
from bindings.services.custody import sealed
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.sources import (
    GitHub,
    GitLab,
    credential,
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


def status(attempt: Authorization) -> str:
    with rls.tenant(attempt.tenant_id):
        return links.state_of(Authorization.objects.of(attempt.tenant_id).get(pk=attempt.pk))


def problem(attempt: Authorization) -> Any:
    with rls.tenant(attempt.tenant_id):
        return Authorization.objects.of(attempt.tenant_id).get(pk=attempt.pk).problem


def alive(github: GitHub, token: str) -> bool:
    """Does the platform still accept this token?"""
    known = github.sandbox.state()["providers"]["github"]["accounts"]
    states = {t["token"]: t["state"] for account in known for t in account["tokens"]}
    return states[token] == "active"


# -- the way that succeeds -----------------------------------------------------------------------


def test_what_comes_back_waits_until_somebody_confirms_it(
    github: GitHub, alice: Somebody, bob: Somebody, instance: Instance, acme: Tenant
) -> None:
    attempt = github.begin(alice.actor, instance)
    pending = github.finish(alice.actor, attempt)
    assert (pending.status, pending.account_login) == ("pending", "octavia")
    assert stored(pending).schedule.next_check_at is None
    assert status(attempt) == "confirming"
    assert told(acme) == []

    bound = grant.confirm(actor=bob.actor, binding=pending)
    assert (bound.status, bound.kind, bound.quality) == ("active", "oauth", "idle")
    assert (bound.bound_by, bound.confirm_until) == (bob.person, None)
    assert stored(bound).schedule.next_check_at > timezone.now()
    assert status(attempt) == "done"
    assert told(acme) == ["binding.bound"]
    assert alive(github, opened(bound))


def test_confirming_twice_changes_nothing(
    github: GitHub, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    bound = github.bind(alice.actor, instance)
    again = grant.confirm(actor=alice.actor, binding=bound)
    assert (again.version, told(acme)) == (bound.version, ["binding.bound"])


def test_for_manual_builds_less_is_asked_for(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    attempt = github.begin(alice.actor, instance, mode="manual")
    pending = github.finish(alice.actor, attempt)
    assert (pending.mode, credential(pending).scopes) == ("manual", ["repo"])


# -- not confirmed -------------------------------------------------------------------------------


def test_what_nobody_confirms_in_ten_minutes_is_discarded_and_revoked(
    github: GitHub, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    attempt = github.begin(alice.actor, instance)
    pending = github.finish(alice.actor, attempt)
    secret = opened(pending)
    tasks.discard_unconfirmed()
    assert stored(pending).unbound_at is None
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert refused(lambda: grant.confirm(actor=alice.actor, binding=pending)).code == (
            "GH-OAUTH-02"
        )
        tasks.discard_unconfirmed()
        tasks.end_bindings()
    assert stored(pending).unbound_at is not None
    assert not alive(github, secret)
    assert status(attempt) == "expired"
    assert (live(instance), told(acme)) == ([], [])


def test_a_person_who_sees_the_wrong_account_gives_it_up(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    attempt = github.begin(alice.actor, instance)
    pending = github.finish(alice.actor, attempt, github.consent(attempt, "otto"))
    secret = opened(pending)
    grant.discard(actor=alice.actor, binding=pending)
    tasks.end_bindings()
    assert (status(attempt), alive(github, secret)) == ("cancelled", False)
    with pytest.raises(NotYours):
        grant.confirm(actor=alice.actor, binding=pending)


def test_a_binding_that_was_confirmed_meanwhile_is_not_given_up(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    pending = github.finish(alice.actor, github.begin(alice.actor, instance))
    grant.confirm(actor=alice.actor, binding=pending)
    assert pending.status == "pending"  # as the second browser still sees it
    assert refused(lambda: grant.discard(actor=alice.actor, binding=pending)).code == "X-STATE-02"
    assert live(instance)[0].status == "active"


def test_a_new_attempt_takes_the_place_of_one_that_nobody_confirmed(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    first = github.begin(alice.actor, instance)
    forgotten = github.finish(alice.actor, first, github.consent(first, "otto"))
    lost = opened(forgotten)
    second = github.finish(alice.actor, github.begin(alice.actor, instance))
    tasks.end_bindings()
    assert [row.pk for row in live(instance)] == [second.pk]
    assert (status(first), alive(github, lost), alive(github, opened(second))) == (
        "cancelled",
        False,
        True,
    )


# -- reconnect -----------------------------------------------------------------------------------


def test_the_same_account_is_renewed_in_place(
    github: GitHub, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    bound = github.bind(alice.actor, instance)
    before = opened(bound)
    attempt = github.begin(alice.actor, instance, reconnect=bound)
    renewed = github.finish(alice.actor, attempt)
    assert (renewed.pk, renewed.status, renewed.bound_at) == (bound.pk, "active", bound.bound_at)
    assert credential(renewed).generation == 2
    assert opened(renewed) != before
    assert (alive(github, before), alive(github, opened(renewed))) == (False, True)
    assert status(attempt) == "done"
    assert told(acme) == ["binding.bound", "binding.replaced"]


def test_another_account_is_refused_and_its_fresh_token_revoked(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    attempt = github.begin(alice.actor, instance, reconnect=bound)
    code = github.consent(attempt, "otto")
    refusal = refused(lambda: github.finish(alice.actor, attempt, code))
    assert (refusal.code, refusal.facts) == ("GH-ACC-01", {"new": "otto", "old": "octavia"})
    fresh = github.sandbox.account("github", "otto")["tokens"][-1]
    assert (fresh["kind"], fresh["state"]) == ("oauth", "revoked")
    assert alive(github, opened(bound))
    assert (status(attempt), problem(attempt)["code"]) == ("failed", "GH-ACC-01")
    assert credential(bound).generation == 1


def test_a_reconnect_keeps_what_the_binding_is_for(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    change.change(actor=alice.actor, binding=bound, changes={"mode": "manual"})
    attempt = github.begin(alice.actor, instance, reconnect=stored(bound))
    assert github.finish(alice.actor, attempt).mode == "manual"


def test_a_revoked_binding_comes_back_by_consent(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    with rls.fleet("a test condemns it"):
        Binding.objects.filter(pk=bound.pk).update(status="revoked", why="refused", suspicion=2)
    renewed = github.finish(alice.actor, github.begin(alice.actor, instance, reconnect=bound))
    assert (renewed.status, renewed.why, renewed.suspicion) == ("active", "", 0)


def test_only_what_was_consented_to_is_reconnected(
    github: GitHub,
    gitlab: GitLab,
    alice: Somebody,
    instance: Instance,
    second_instance: Instance,
) -> None:
    typed = gitlab.bind(alice.actor, instance)
    wrong = links.begin
    with pytest.raises(NotYours):
        wrong(actor=alice.actor, instance=instance, provider="github", reconnect=typed)
    bound = github.bind(alice.actor, instance)
    with pytest.raises(NotYours):
        wrong(actor=alice.actor, instance=second_instance, provider="github", reconnect=bound)
    refusal = refused(
        lambda: wrong(actor=alice.actor, instance=instance, provider="gitlab", reconnect=typed)
    )
    assert refusal.code == "X-STATE-02"


# -- what is refused -----------------------------------------------------------------------------


def test_a_second_account_is_refused_before_anybody_leaves(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    refusal = refused(lambda: github.begin(alice.actor, instance))
    assert (refusal.code, refusal.extra) == ("GH-DUP-01", {"binding": bound.public_id})


def test_a_second_account_that_came_back_late_is_refused_and_revoked(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    late = github.begin(alice.actor, instance)
    code = github.consent(late, "otto")
    github.bind(alice.actor, instance)
    assert refused(lambda: github.finish(alice.actor, late, code)).code == "GH-DUP-01"
    assert github.sandbox.account("github", "otto")["tokens"][-1]["state"] == "revoked"
    assert problem(late)["code"] == "GH-DUP-01"


def test_a_platform_that_does_not_know_our_app_is_named(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    attempt = github.begin(alice.actor, instance)
    code = github.consent(attempt)
    sealed.put_client_secret(attempt.host, "test-wrong-secret", now=timezone.now())
    assert refused(lambda: github.finish(alice.actor, attempt, code)).code == "GH-OAUTH-03"
    assert problem(attempt)["code"] == "GH-OAUTH-03"


def test_an_app_secret_that_does_not_open_is_a_wrong_app_and_no_crash(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    attempt = github.begin(alice.actor, instance)
    code = github.consent(attempt)
    other = CodeHost(id=github.host.pk)
    sealed.put_client_secret(other, "sandbox-client-secret", now=timezone.now())
    other.client_secret.ciphertext = other.client_secret.ciphertext[:-1] + b"\0"
    attempt.host.client_secret = other.client_secret
    assert refused(lambda: github.finish(alice.actor, attempt, code)).code == "GH-OAUTH-03"


def test_a_code_that_is_refused_binds_nothing(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    attempt = github.begin(alice.actor, instance)
    assert refused(lambda: github.finish(alice.actor, attempt, "invented")).code == "GH-OAUTH-04"
    assert live(instance) == []
    assert refused(lambda: github.waiting(attempt)).code == "GH-OAUTH-02"


def test_a_platform_that_is_away_when_we_come_back_is_told(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    attempt = github.begin(alice.actor, instance)
    code = github.consent(attempt)
    github.sandbox.stop()
    assert refused(lambda: github.finish(alice.actor, attempt, code)).code == "GH-OAUTH-05"


@pytest.mark.parametrize("fault", ["html", "bad_json"])
def test_an_answer_that_is_none_is_told_as_no_answer(
    github: GitHub, alice: Somebody, instance: Instance, fault: str
) -> None:
    attempt = github.begin(alice.actor, instance)
    code = github.consent(attempt)
    github.sandbox.fault("github", fault, "/login/oauth/access_token")
    assert refused(lambda: github.finish(alice.actor, attempt, code)).code == "GH-OAUTH-05"


def test_a_consent_that_lacks_a_right_is_refused_and_revoked(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    github.sandbox.fault("github", "grant_scopes", value="read:org")
    attempt = github.begin(alice.actor, instance)
    refusal = refused(lambda: github.finish(alice.actor, attempt))
    assert refusal.code == "GH-SCOPE-01"
    assert refusal.steps is not None
    assert github.sandbox.account("github", "octavia")["tokens"][-1]["state"] == "revoked"


# -- attempts ------------------------------------------------------------------------------------


def test_an_attempt_waits_ten_minutes(github: GitHub, alice: Somebody, instance: Instance) -> None:
    attempt = github.begin(alice.actor, instance)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert refused(lambda: github.waiting(attempt)).code == "GH-OAUTH-02"
        assert status(attempt) == "expired"


def test_an_attempt_that_was_withdrawn_is_over(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    attempt = github.begin(alice.actor, instance)
    with rls.tenant(attempt.tenant_id):
        links.cancel(authorization=attempt)
    assert refused(lambda: github.waiting(attempt)).code == "GH-OAUTH-02"
    assert status(attempt) == "cancelled"


def test_a_link_is_found_by_its_code_inside_its_tenant_only(
    github: GitHub, alice: Somebody, mallory: Somebody, instance: Instance
) -> None:
    begun = links.begin(actor=alice.actor, instance=instance, provider="github")
    assert links.tenant_of(begun.code) == alice.tenant.pk
    assert begun.code not in repr(begun)
    with rls.tenant(alice.tenant.pk):
        found = links.by_code(tenant_id=alice.tenant.pk, code=begun.code)
        assert found.pk == begun.authorization.pk
        with pytest.raises(NotYours):
            links.by_code(tenant_id=alice.tenant.pk, code=begun.code[:-1] + "!")
    with rls.tenant(mallory.tenant.pk), pytest.raises(NotYours):
        links.by_code(tenant_id=mallory.tenant.pk, code=begun.code)
    assert links.tenant_of("no code at all") is None


def test_a_host_without_an_app_is_not_offered_for_consent(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    with rls.fleet("an operator forgets the app"):
        CodeHost.objects.filter(pk=github.host.pk).update(client_id="")
    begin = links.begin
    unnamed = refused(lambda: begin(actor=alice.actor, instance=instance, provider="github"))
    assert unnamed.code == "GH-OFF-01"
    named = refused(
        lambda: begin(
            actor=alice.actor, instance=instance, provider="github", host="github-sandbox"
        )
    )
    assert named.code == "X-HOST-01"


def test_unbinding_by_default_revokes_what_was_minted_for_us(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    secret = opened(bound)
    unbind.unbind(actor=alice.actor, binding=bound)
    tasks.end_bindings()
    assert not alive(github, secret)
