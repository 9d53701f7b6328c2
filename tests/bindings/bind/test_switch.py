"""Switching accounts: compared first, then unbound and bound in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from bindings import tasks
from bindings.models import Authorization, Binding, Ending
from bindings.services.bind import aside as aside_
from bindings.services.bind import links, switch, unbind
from bindings.services.browse import refs, repositories, usage
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.api import rows
from tests.bindings.oauth.browser import dead_tokens
from tests.bindings.sources import GitHub, GitLab, events, live, opened, refused, stored, told
from tests.people import Somebody


def builds_from(binding: Binding, *paths: str) -> None:
    """A build has asked for these repositories."""
    repositories.repositories(binding=binding)
    for path in paths:
        refs.resolve(binding=binding, repository=path, ref="main")


def alone(gitlab: GitLab, path: str = "build-bot/own") -> str:
    """A repository that only build-bot sees."""
    (made,) = gitlab.sandbox.add_repositories(
        "gitlab", "build-bot", count=1, prefix="own", visibility="private"
    )
    return str(made["path"])


def switch_to(
    gitlab: GitLab, actor: Any, instance: Instance, old: Binding, login: str = "ann", **more: Any
) -> Binding:
    return switch.with_token(
        actor=actor, instance=instance, replaces=old, ask=gitlab.ask(login=login), **more
    ).binding


# -- with a token ---------------------------------------------------------------------------------


def test_another_account_takes_over_in_one_step(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance, acme: Tenant
) -> None:
    bound = switch_to(gitlab, alice.actor, instance, binding)
    assert [one.pk for one in live(instance)] == [bound.pk]
    assert (bound.account_login, opened(bound)) == ("ann", gitlab.token(login="ann"))
    assert stored(binding).unbound_at is not None
    assert told(acme) == ["binding.bound", "binding.unbound", "binding.bound"]
    assert events(acme)[-1].data["replaces"] == binding.public_id
    tasks.end_bindings()
    assert gitlab.sandbox.token_facts("gitlab", "build-bot")["state"] == "active"


def test_what_the_new_account_cannot_see_is_named_and_nothing_changes(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance
) -> None:
    own = alone(gitlab)
    builds_from(binding, own)
    refusal = refused(lambda: switch_to(gitlab, alice.actor, instance, binding))
    assert (refusal.code, refusal.facts) == ("GL-ACC-04", {"new": "ann", "n": "1"})
    missing = [{"path": own, "triggers": 0}]
    assert refusal.extra == {"comparison": {"in_use": 1, "visible": 0, "missing": missing}}
    assert [one.pk for one in live(instance)] == [binding.pk]
    bound = switch_to(gitlab, alice.actor, instance, binding, accept_missing=True)
    assert [one.pk for one in live(instance)] == [bound.pk]


def test_what_both_see_is_no_reason_to_ask(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance
) -> None:
    gitlab.sandbox.set_role("gitlab", "ann", "maintain", repository="platform/api")
    builds_from(binding, "platform/api")
    assert switch_to(gitlab, alice.actor, instance, binding).account_login == "ann"


@pytest.mark.parametrize("fault", ["status:502", "reset", "bad_json"])
def test_a_comparison_that_fails_half_way_leaves_the_old_one(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance, fault: str, acme: Tenant
) -> None:
    builds_from(binding, "platform/api", alone(gitlab))
    with rls.tenant(binding.tenant_id):
        number = usage.in_use(binding)[0].remote_id
    gitlab.fault(fault, f"/api/v4/projects/{number}")
    refusal = refused(
        lambda: switch_to(gitlab, alice.actor, instance, binding, accept_missing=True)
    )
    assert refusal.code.startswith(("GL-API", "GL-NET"))
    assert [one.pk for one in live(instance)] == [binding.pk]
    assert (opened(binding), told(acme)) == (gitlab.token(), ["binding.bound"])


def test_a_token_that_fails_leaves_the_old_one(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance
) -> None:
    ask = gitlab.ask("registry")
    call: Callable[[], Any] = lambda: switch.with_token(  # noqa: E731
        actor=alice.actor, instance=instance, replaces=binding, ask=ask
    )
    refusal = refused(call)
    assert (refusal.code, refusal.steps is not None) == ("GL-SCOPE-01", True)
    assert [one.pk for one in live(instance)] == [binding.pk]


def test_the_same_account_only_gets_a_new_token(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance
) -> None:
    fresh = gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")
    ask = gitlab.ask(token=fresh)
    bound = switch.with_token(actor=alice.actor, instance=instance, replaces=binding, ask=ask)
    assert (bound.binding.pk, opened(binding)) == (binding.pk, fresh)


def test_two_who_switch_at_once_leave_one_binding(
    gitlab: GitLab, alice: Somebody, binding: Binding, instance: Instance
) -> None:
    actor = alice.actor

    def go(_: int) -> str:
        try:
            return switch_to(gitlab, actor, instance, binding).public_id
        except Refusal as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        came = sorted(threads.map(go, range(3)))
    assert [one.public_id for one in live(instance)] == [c for c in came if c.startswith("bnd_")]
    assert came.count("X-FOUND-01") == 2


def test_only_a_binding_of_this_place_is_switched(
    gitlab: GitLab, alice: Somebody, binding: Binding, second_instance: Instance
) -> None:
    with pytest.raises(NotYours):
        switch_to(gitlab, alice.actor, second_instance, binding)
    with rls.tenant(binding.tenant_id):
        account = rows.cloud_account(binding.instance.tenant, binding.host)
        Binding.objects.filter(pk=binding.pk).update(kind="platform", platform_account=account)
    call: Callable[[], Any] = lambda: switch_to(  # noqa: E731
        gitlab, alice.actor, binding.instance, stored(binding)
    )
    assert refused(call).code == "GL-LOCK-01"


# -- by consent -----------------------------------------------------------------------------------


def come_back(
    github: GitHub, alice: Somebody, instance: Instance, old: Binding, login: str = "otto"
) -> Binding:
    attempt = github.begin(alice.actor, instance, replaces=old)
    return github.finish(alice.actor, attempt, github.consent(attempt, login))


def test_a_consented_account_waits_beside_the_bound_one(
    github: GitHub, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    old = github.bind(alice.actor, instance)
    dead = dead_tokens(github.sandbox, "octavia")
    aside = come_back(github, alice, instance, old)
    assert [one.pk for one in live(instance)] == [old.pk]
    found = switch.waiting(old)
    assert found is not None
    assert (found.binding.pk, found.attempt.status) == (aside.pk, "confirming")
    assert switch.look(binding=old, other=found.binding).missing == ()
    bound = switch.take_over(actor=alice.actor, binding=old, other=found.binding)
    assert [one.pk for one in live(instance)] == [aside.pk]
    row = stored(bound)
    assert (row.status, row.bound_by_id, row.unbound_at) == ("active", alice.person.pk, None)
    assert row.schedule.next_check_at is not None
    assert told(acme) == ["binding.bound", "binding.unbound", "binding.bound"]
    assert switch.waiting(old) is None
    tasks.end_bindings()
    assert dead_tokens(github.sandbox, "octavia") == dead + 1
    assert dead_tokens(github.sandbox, "otto") == 0
    # What once waited is unbound like any other.
    unbind.unbind(actor=alice.actor, binding=row)
    tasks.end_bindings()
    assert dead_tokens(github.sandbox, "otto") == 1


def test_who_keeps_the_old_one_gives_the_new_one_back(
    github: GitHub, alice: Somebody, instance: Instance, acme: Tenant
) -> None:
    old = github.bind(alice.actor, instance)
    dead = dead_tokens(github.sandbox, "octavia")
    aside = come_back(github, alice, instance, old)
    aside_.give_up(aside=aside)
    tasks.end_bindings()
    now = [dead_tokens(github.sandbox, login) for login in ("otto", "octavia")]
    assert now == [1, dead]
    assert ([one.pk for one in live(instance)], told(acme)) == ([old.pk], ["binding.bound"])
    call: Callable[[], Any] = lambda: switch.take_over(  # noqa: E731
        actor=alice.actor, binding=old, other=aside
    )
    assert refused(call).code == "GH-OAUTH-02"


def test_after_ten_minutes_the_waiting_account_is_given_back(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    old = github.bind(alice.actor, instance)
    aside = come_back(github, alice, instance, old)
    tasks.end_bindings()
    assert dead_tokens(github.sandbox, "otto") == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        assert switch.waiting(old) is None
        call: Callable[[], Any] = lambda: switch.take_over(  # noqa: E731
            actor=alice.actor, binding=old, other=aside
        )
        assert refused(call).code == "GH-OAUTH-02"
        tasks.end_bindings()
    assert dead_tokens(github.sandbox, "otto") == 1
    with rls.tenant(instance.tenant_id):
        assert Authorization.objects.of(instance.tenant_id).order_by("id").last().status == (
            "expired"
        )
        assert Ending.objects.of(instance.tenant_id).get(pk=aside.pk).finished_at is not None


def test_the_bound_account_that_comes_back_is_only_renewed(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    old = github.bind(alice.actor, instance)
    before, dead = opened(old), dead_tokens(github.sandbox, "octavia")
    same = come_back(github, alice, instance, old, "octavia")
    assert (same.pk, same.status) == (old.pk, "active")
    assert opened(old) != before
    assert dead_tokens(github.sandbox, "octavia") == dead + 1


def test_what_a_consented_account_cannot_see_is_named(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    old = github.bind(alice.actor, instance)
    (made,) = github.sandbox.add_repositories(
        "github", "octavia", count=1, prefix="own", visibility="private"
    )
    builds_from(old, str(made["path"]))
    aside = come_back(github, alice, instance, old)
    call: Callable[[], Any] = lambda: switch.take_over(  # noqa: E731
        actor=alice.actor, binding=old, other=aside
    )
    refusal = refused(call)
    assert (refusal.code, refusal.extra["comparison"]["in_use"]) == ("GH-ACC-04", 1)
    assert [one.pk for one in live(instance)] == [old.pk]
    switch.take_over(actor=alice.actor, binding=old, other=aside, accept_missing=True)
    assert [one.pk for one in live(instance)] == [aside.pk]


def test_a_pending_binding_is_not_switched(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    pending = github.finish(alice.actor, github.begin(alice.actor, instance))
    call: Callable[[], Any] = lambda: links.begin(  # noqa: E731
        actor=alice.actor, instance=instance, provider="github", replaces=pending
    )
    assert refused(call).code == "X-STATE-01"
