"""Replacing the token of a binding: the same account in place, anything else not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Notice
from bindings.problems import OtherAccount
from bindings.services.bind import replace, unbind
from bindings.services.keep import ladder, pause
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from portal.tenants import access
from portal.tenants.models import Tenant
from tests.bindings.sources import (
    GitHub,
    GitLab,
    credential,
    opened,
    stored,
    told,
)
from tests.people import Somebody


def refused(call: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


@pytest.fixture
def fresh(gitlab: GitLab) -> str:
    """Another token of build-bot."""
    return gitlab.sandbox.new_token("gitlab", "build-bot", "fresh", ["api"], "2027-10-01")


def test_the_same_account_is_replaced_in_place(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str, acme: Tenant
) -> None:
    done = replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    row = stored(done.binding)
    assert (row.pk, row.bound_at, row.labels) == (binding.pk, binding.bound_at, binding.labels)
    assert (opened(row), credential(row).generation) == (fresh, 2)
    assert credential(row).replaced_at is not None
    assert credential(row).token_name == "fresh"
    assert row.version > binding.version
    assert told(acme) == ["binding.bound", "binding.replaced"]
    assert not done.old_revoked
    assert gitlab.sandbox.token_facts("gitlab", "build-bot")["state"] == "active"


def test_the_old_token_is_revoked_when_that_is_asked_for(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    done = replace.replace_token(actor=alice.actor, binding=binding, token=fresh, revoke_old=True)
    assert done.old_revoked
    assert gitlab.sandbox.token_facts("gitlab", "build-bot")["state"] == "revoked"
    assert opened(done.binding) == fresh


def test_a_token_that_replaces_itself_is_not_revoked(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    done = replace.replace_token(
        actor=alice.actor, binding=binding, token=gitlab.token(), revoke_old=True
    )
    assert (done.old_revoked, credential(done.binding).generation) == (False, 2)
    assert gitlab.sandbox.token_facts("gitlab", "build-bot")["state"] == "active"


def test_that_the_old_one_could_not_be_revoked_is_said(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    gitlab.fault("status:502", "/api/v4/personal_access_tokens/self", method="DELETE")
    done = replace.replace_token(actor=alice.actor, binding=binding, token=fresh, revoke_old=True)
    assert (done.old_revoked, opened(done.binding)) == (False, fresh)


def test_another_account_is_refused_and_the_old_token_serves_on(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    theirs = gitlab.token(login="ann")
    with pytest.raises(OtherAccount) as caught:
        replace.replace_token(actor=alice.actor, binding=binding, token=theirs, revoke_old=True)
    assert (caught.value.code, caught.value.field) == ("GL-ACC-01", "token")
    assert caught.value.facts == {"new": "ann", "old": "build-bot"}
    row = stored(binding)
    assert (opened(row), row.version) == (gitlab.token(), binding.version)
    assert gitlab.sandbox.token_facts("gitlab", "ann")["state"] == "active"


@pytest.mark.parametrize(
    ("name", "code"),
    [("revoked", "GL-TOK-01"), ("reduced", "GL-SCOPE-02"), ("deploy", "GL-TOK-03")],
)
def test_a_token_that_fails_the_test_leaves_the_old_one(
    gitlab: GitLab, alice: Somebody, binding: Binding, name: str, code: str
) -> None:
    new = gitlab.token(name)
    refusal = refused(lambda: replace.replace_token(actor=alice.actor, binding=binding, token=new))
    assert refusal.code == code
    assert refusal.steps is not None
    assert (opened(binding), credential(binding).generation) == (gitlab.token(), 1)


def test_a_dead_binding_comes_back_to_life(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    with rls.fleet("a test condemns it"):
        Binding.objects.filter(pk=binding.pk).update(
            status="revoked",
            why="refused",
            why_facts={"time": "then"},
            suspicion=2,
            refused_at=timezone.now(),
            reach="unreachable",
            reach_why="timeout",
        )
    replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    row = stored(binding)
    assert (row.status, row.why, row.suspicion, row.refused_at) == ("active", "", 0, None)
    assert (row.reach, row.reach_why, row.why_facts) == ("ok", "", {})
    assert row.schedule.next_check_at > timezone.now() + timedelta(hours=1)


def test_a_credential_that_does_not_open_can_be_replaced(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str, superuser: Any
) -> None:
    superuser.execute("UPDATE bindings_credential SET access = 'damaged'")
    done = replace.replace_token(actor=alice.actor, binding=binding, token=fresh, revoke_old=True)
    assert (opened(done.binding), done.old_revoked) == (fresh, False)


def test_the_new_end_is_warned_of_anew(gitlab: GitLab, alice: Somebody, binding: Binding) -> None:
    soon = (timezone.now() + timedelta(days=5)).date().isoformat()
    ending = gitlab.sandbox.new_token("gitlab", "build-bot", "soon", ["api"], soon)
    replace.replace_token(actor=alice.actor, binding=binding, token=ending)
    assert ladder.climb(timezone.now()) == 1
    assert ladder.climb(timezone.now()) == 0
    later = gitlab.sandbox.new_token("gitlab", "build-bot", "later", ["api"], soon)
    replace.replace_token(actor=alice.actor, binding=binding, token=later)
    with rls.tenant(alice.tenant.pk):
        assert not Notice.objects.of(alice.tenant).filter(closed_at=None).exists()
    assert ladder.climb(timezone.now()) == 1


def test_what_is_bound_by_consent_has_no_token_to_replace(
    github: GitHub, alice: Somebody, instance: Any
) -> None:
    bound = github.bind(alice.actor, instance)
    refusal = refused(
        lambda: replace.replace_token(actor=alice.actor, binding=bound, token="ghp_test0123456789")
    )
    assert refusal.code == "X-STATE-02"


def test_a_new_token_does_not_lift_an_operators_pause(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    paused = pause.suspend(actor=access.system(alice.tenant), binding=binding, reason="a drill")
    refusal = refused(lambda: replace.replace_token(actor=alice.actor, binding=paused, token=fresh))
    assert (refusal.code, refusal.extra) == ("X-STATE-01", {"state": "suspended"})
    late = refused(lambda: replace.replace_token(actor=alice.actor, binding=binding, token=fresh))
    assert late.code == "X-STATE-01"
    assert stored(binding).status == "suspended"


def test_a_person_ends_the_pause_of_a_changed_account(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    with rls.fleet("a test pauses it"):
        Binding.objects.filter(pk=binding.pk).update(
            status="suspended", why="identity_changed", before="active"
        )
    replace.replace_token(actor=alice.actor, binding=stored(binding), token=fresh)
    assert stored(binding).status == "active"


def test_what_has_ended_is_not_replaced(
    gitlab: GitLab, alice: Somebody, binding: Binding, fresh: str
) -> None:
    unbind.unbind(actor=alice.actor, binding=binding)
    with pytest.raises(NotYours):
        replace.replace_token(actor=alice.actor, binding=binding, token=fresh)
    assert credential(binding).generation == 1
