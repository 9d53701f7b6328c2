"""Changing what may be changed on a living binding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Notice
from bindings.services.bind import change, unbind
from bindings.services.keep import ladder
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants.models import Instance, Tenant
from tests.bindings.sources import GitHub, GitLab, credential, events, stored
from tests.people import Somebody


def refused(call: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def in_days(days: int) -> date:
    return timezone.now().date() + timedelta(days=days)


@pytest.fixture
def undated(gitlab: GitLab, alice: Somebody, instance: Instance) -> Binding:
    """A binding whose end the platform does not tell."""
    gitlab.fault("old_server")
    return gitlab.bind(alice.actor, instance)


def test_labels_are_replaced_as_a_whole_and_noted(
    alice: Somebody, binding: Binding, acme: Tenant
) -> None:
    changed = change.change(
        actor=alice.actor, binding=binding, changes={"labels": {"team": "images", "env": ""}}
    )
    assert stored(binding).labels == {"team": "images", "env": ""}
    assert changed.version == binding.version + 1
    last = events(acme)[-1]
    assert (last.type, last.data) == ("binding.changed", {"changed": ["labels"]})
    assert last.actor["id"] == alice.person.public_id


def test_what_has_ended_is_not_changed(alice: Somebody, binding: Binding) -> None:
    unbind.unbind(actor=alice.actor, binding=binding)
    with pytest.raises(NotYours):
        change.change(actor=alice.actor, binding=binding, changes={"labels": {}})


# -- mode ----------------------------------------------------------------------------------------


def test_a_full_binding_needs_the_right_to_add_webhooks(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    reduced = gitlab.bind(alice.actor, instance, "reduced", mode="manual")
    refusal = refused(
        lambda: change.change(actor=alice.actor, binding=reduced, changes={"mode": "full"})
    )
    assert (refusal.code, refusal.field) == ("GL-SCOPE-02", "mode")
    assert stored(reduced).mode == "manual"


def test_manual_and_full_go_both_ways_with_a_full_token(alice: Somebody, binding: Binding) -> None:
    for mode in ("manual", "full"):
        change.change(actor=alice.actor, binding=binding, changes={"mode": mode})
        assert (stored(binding).mode, stored(binding).status) == (mode, "active")


@pytest.mark.parametrize(("lost", "status"), [("hooks", "active"), ("clone", "insufficient")])
def test_manual_builds_mend_a_missing_hook_right_and_no_other(
    alice: Somebody, binding: Binding, lost: str, status: str
) -> None:
    proofs = {**binding.proofs, lost: {"ok": False, "code": "GL-SCOPE-02", "proven_at": None}}
    with rls.tenant(binding.tenant_id):
        Binding.objects.filter(pk=binding.pk).update(
            status="insufficient", why="scope", proofs=proofs
        )
    change.change(actor=alice.actor, binding=binding, changes={"mode": "manual"})
    assert stored(binding).status == status


def test_a_mended_binding_that_ends_soon_says_so(
    gitlab: GitLab, alice: Somebody, instance: Instance
) -> None:
    ending = gitlab.bind(alice.actor, instance, "ending")
    proofs = {**ending.proofs, "hooks": {"ok": False, "code": "GL-SCOPE-02", "proven_at": None}}
    with rls.tenant(ending.tenant_id):
        Binding.objects.filter(pk=ending.pk).update(
            status="insufficient", why="scope", proofs=proofs
        )
    change.change(actor=alice.actor, binding=ending, changes={"mode": "manual"})
    assert (stored(ending).status, stored(ending).why) == ("expiring", "ends_soon")


# -- the stated end ------------------------------------------------------------------------------


def test_an_unknown_end_can_be_stated_moved_and_taken_back(
    alice: Somebody, undated: Binding
) -> None:
    ends = in_days(20)
    change.change(actor=alice.actor, binding=undated, changes={"expires_on": ends})
    row = stored(undated)
    assert (row.status, row.quality, row.stated_by) == ("expiring", "stated", alice.person.name)
    assert row.expires_at == datetime(ends.year, ends.month, ends.day, tzinfo=UTC)
    assert (credential(row).expires_at, credential(row).quality) == (row.expires_at, "stated")

    change.change(actor=alice.actor, binding=undated, changes={"expires_on": in_days(200)})
    assert stored(undated).status == "active"

    change.change(actor=alice.actor, binding=undated, changes={"expires_on": None})
    row = stored(undated)
    assert (row.quality, row.expires_at, row.stated_by) == ("unknown", None, "")


def test_an_end_that_is_near_brings_the_next_check_forward(
    alice: Somebody, undated: Binding
) -> None:
    before = stored(undated).schedule.next_check_at
    change.change(actor=alice.actor, binding=undated, changes={"expires_on": in_days(3)})
    assert stored(undated).schedule.next_check_at < before
    assert stored(undated).schedule.next_check_at <= timezone.now() + timedelta(hours=14)


def test_an_end_that_the_platform_told_is_not_ours_to_change(
    alice: Somebody, binding: Binding
) -> None:
    refusal = refused(
        lambda: change.change(
            actor=alice.actor, binding=binding, changes={"expires_on": in_days(9)}
        )
    )
    assert (refusal.code, refusal.field) == ("X-STATE-02", "expires_on")


@pytest.mark.parametrize("days", [0, 4000])
def test_a_stated_end_has_limits(alice: Somebody, undated: Binding, days: int) -> None:
    refusal = refused(
        lambda: change.change(
            actor=alice.actor, binding=undated, changes={"expires_on": in_days(days)}
        )
    )
    assert refusal.code == "GL-EXP-02"


def test_a_moved_end_is_warned_of_again(alice: Somebody, undated: Binding) -> None:
    change.change(actor=alice.actor, binding=undated, changes={"expires_on": in_days(6)})
    assert ladder.climb(timezone.now()) == 1
    change.change(actor=alice.actor, binding=undated, changes={"expires_on": in_days(300)})
    assert ladder.climb(timezone.now()) == 0
    change.change(actor=alice.actor, binding=undated, changes={"expires_on": in_days(6)})
    assert ladder.climb(timezone.now()) == 1
    assert ladder.climb(timezone.now()) == 0
    with rls.tenant(alice.tenant.pk):
        (notice,) = Notice.objects.of(alice.tenant).filter(kind="expiring")
    assert (notice.step, notice.closed_at) == (7, None)


# -- names and renewal ---------------------------------------------------------------------------


def test_only_a_platform_that_asks_for_a_clone_name_has_one(
    alice: Somebody, binding: Binding
) -> None:
    refusal = refused(
        lambda: change.change(
            actor=alice.actor, binding=binding, changes={"clone_username": "somebody"}
        )
    )
    assert (refusal.code, refusal.field) == ("X-STATE-02", "clone_username")


def test_a_token_may_renew_itself_where_the_platform_can(alice: Somebody, binding: Binding) -> None:
    for wanted in (True, False):
        change.change(actor=alice.actor, binding=binding, changes={"auto_rotate": wanted})
        assert stored(binding).auto_rotate is wanted


def test_what_was_consented_to_renews_by_consent(
    github: GitHub, alice: Somebody, instance: Instance
) -> None:
    bound = github.bind(alice.actor, instance)
    refusal = refused(
        lambda: change.change(actor=alice.actor, binding=bound, changes={"auto_rotate": True})
    )
    assert (refusal.code, refusal.field) == ("X-STATE-02", "auto_rotate")
    change.change(actor=alice.actor, binding=bound, changes={"auto_rotate": False})


def test_of_several_changes_all_happen_or_none(alice: Somebody, binding: Binding) -> None:
    wanted = {"labels": {"a": "b"}, "clone_username": "x"}
    refused(lambda: change.change(actor=alice.actor, binding=binding, changes=wanted))
    assert (stored(binding).labels, stored(binding).version) == ({}, binding.version)
