"""One account a platform in each instance, also when several people bind at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from bindings.models import Binding, CodeHost, Credential, Schedule
from bindings.problems import AlreadyBound
from bindings.services.bind import change, instances, unbind
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance
from tests.bindings.sources import (
    GitLab,
    live,
    stored,
)
from tests.people import Somebody

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
