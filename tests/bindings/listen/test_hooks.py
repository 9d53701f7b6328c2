"""Webhooks as people want them, at every platform: exactly one, with a secret of its own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from bindings.models import Binding, Head, Hook
from bindings.services.custody import sealed
from bindings.services.listen import hooks, reconcile
from bindings.services.tell import webhooks
from portal.ground import rls
from portal.ground.refusals import Refusal
from providers.catalogue import REGISTRY
from providers.errors import DeliveryRefused
from providers.types import Can, HookKey
from tests.bindings.listen.conftest import Listening, again
from tests.bindings.seven import ACCOUNTS
from tests.hosts import Heard
from tests.people import Somebody

PROOFS = {
    "github": "hmac",
    "gitlab": "signed",
    "gitee": "time",
    "bitbucket": "hmac",
    "codearts": "token",
    "codeup": "token",
    "gitea": "hmac",
}


def proves(hook: Hook, heard: Heard) -> bool:
    """Is this delivery proven by what we keep?"""
    now = timezone.now()
    key = HookKey(
        sealed.shared_secrets(hook, now=now), "signed" if hook.proof == "signed" else "plain"
    )
    try:
        REGISTRY[hook.binding.provider].verify(heard.headers, heard.body, key, now=now.timestamp())
    except DeliveryRefused:
        return False
    return True


@pytest.mark.parametrize("provider", sorted(ACCOUNTS))
def test_a_webhook_lives_at_every_platform(
    listening: Listening, alice: Somebody, receiver, provider: str
):
    binding, repository = listening.bind(provider), listening.repository(provider)
    hook, made = hooks.add(actor=alice.actor, binding=binding, repository=repository)
    (there,) = listening.hooks(provider)
    assert made
    assert there["url"] == webhooks.url_of(hook)
    assert (hook.proof, hook.status) == (PROOFS[provider], "unverified")
    assert hook.made_by == alice.person.pk
    assert hook.baseline_at is not None
    with rls.tenant(binding.tenant_id):
        assert Head.objects.of(binding.tenant_id).filter(hook=hook, ref="refs/heads/main").exists()

    same, made = hooks.add(actor=alice.actor, binding=binding, repository=repository)
    assert (same.pk, made, len(listening.hooks(provider))) == (hook.pk, False, 1)

    listening.sandbox.push(provider, repository)
    assert proves(hook, receiver.wait(1)[0])

    repaired = hooks.repair(actor=alice.actor, hook=hook)
    before, after = sealed_now(hook), sealed_now(repaired)
    assert before[0] == after[1]
    assert before[0] != after[0]
    assert repaired.previous_until <= timezone.now() + timedelta(hours=24)
    listening.sandbox.push(provider, repository)
    assert proves(again(hook), receiver.wait(2)[1])

    if Can.TEST_HOOK in REGISTRY[provider].spec.capabilities:
        hooks.test(actor=alice.actor, hook=hook)
        assert proves(again(hook), receiver.wait(3)[2])
    else:
        with pytest.raises(Refusal) as refused:
            hooks.test(actor=alice.actor, hook=hook)
        assert refused.value.code == f"{REGISTRY[provider].spec.prefix}-HOOK-08"

    hooks.remove(actor=alice.actor, hook=hook)
    assert again(hook).status == "removed"
    assert listening.hooks(provider) == []


# -- exactly one, whatever happens ---------------------------------------------------------------


def test_an_answer_that_gets_lost_leaves_exactly_one(listening: Listening, alice: Somebody):
    listening.sandbox.fault("gitlab", "lost_answer", path="**/hooks", method="POST", times=1)
    hook, made = added(listening, alice)
    (there,) = listening.hooks("gitlab")
    assert made
    assert hook.remote_id == str(there["id"])


def test_what_failed_is_not_found_later(listening: Listening, alice: Somebody):
    """The answer is lost, and so is every question after it: the webhook may be there."""
    binding = listening.bind("gitlab")
    listening.sandbox.fault("gitlab", "lost_answer", path="**/hooks", method="POST")
    listening.sandbox.fault("gitlab", "status:502", path="**/hooks", method="GET", after=1)
    with pytest.raises(Refusal) as refused:
        added(listening, alice, binding=binding)
    assert refused.value.code == "GL-API-03"
    assert len(listening.hooks("gitlab")) == 1
    (row,) = rows(binding)
    assert row.status == "removing"
    listening.sandbox.clear_faults()
    reconcile.run(threads=1)
    assert listening.hooks("gitlab") == []
    assert again(row).status == "removed"
    assert added(listening, alice, binding=binding)[1]


def test_a_crash_between_wish_and_answer_is_made_good(listening: Listening, alice: Somebody):
    """The process died after the host had it, and before we wrote that down."""
    hook, _ = added(listening, alice)
    with rls.tenant(hook.tenant_id):
        mine = Hook.objects.of(hook.tenant_id).filter(pk=hook.pk)
        mine.update(remote_id="", check_at=timezone.now() - timedelta(seconds=1))
    reconcile.run(threads=1)
    (there,) = listening.hooks("gitlab")
    assert again(hook).remote_id == str(there["id"])


def test_two_people_at_once_get_the_same_one(listening: Listening, alice: Somebody, bob: Somebody):
    binding = listening.bind("gitlab")
    listening.sandbox.fault("gitlab", "slow", path="**/hooks", method="GET", value=0.3)

    def one(somebody: Somebody) -> tuple[str, bool]:
        try:
            hook, made = added(listening, somebody, binding=binding)
            return hook.public_id, made
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as crew:
        answers = list(crew.map(one, (alice, bob)))
    assert len(listening.hooks("gitlab")) == 1
    assert len({public_id for public_id, _ in answers}) == 1
    assert sorted(made for _, made in answers) == [False, True]


# -- said before the button ------------------------------------------------------------------------


def test_a_role_that_is_too_low_is_named_with_the_one_needed(listening: Listening, alice: Somebody):
    refusal = refused_for(listening, alice, "platform/reports")
    assert refusal.code == "GL-HOOK-02"
    said = refusal.facts
    assert (said["role"], said["needed"]) == ("Developer", "Maintainer")
    assert rows_of(alice) == []


def test_a_full_repository_says_how_many_it_holds(listening: Listening, alice: Somebody):
    listening.sandbox.fault(
        "gitlab",
        "body",
        path="**/hooks",
        method="POST",
        value={"status": 422, "body": FULL},
    )
    refusal = refused_for(listening, alice, "platform/api")
    assert (refusal.code, refusal.facts["n"]) == ("GL-HOOK-05", "100")
    assert [row.status for row in rows_of(alice)] == ["removed"]


@pytest.mark.parametrize("profile", ["seed", "extended"])
def test_a_subgroup_is_manual_under_seed_alone(
    listening: Listening, alice: Somebody, settings, profile: str
):
    settings.MOORING_PROFILE = profile
    if profile == "seed":
        assert refused_for(listening, alice, "platform/images/runner").code == "GL-HOOK-07"
        assert listening.hooks("gitlab") == []
    else:
        assert added(listening, alice, repository="platform/images/runner")[1]


def test_a_binding_for_manual_builds_has_none(listening: Listening, alice: Somebody):
    binding = listening.bind("gitlab", mode="manual")
    assert refused_for(listening, alice, "platform/api", binding).code == "GL-SCOPE-02"


@pytest.mark.parametrize(
    ("repository", "code"),
    [("platform/old-site", "GL-REPO-03"), ("build-bot/scratch", "GL-REPO-04")],
    ids=["archived", "empty"],
)
def test_what_cannot_be_built_has_none(
    listening: Listening, alice: Somebody, repository: str, code: str
):
    assert refused_for(listening, alice, repository).code == code


def test_what_cannot_be_used_now_says_so(listening: Listening, alice: Somebody):
    revoked = listening.bind("gitlab", status="revoked")
    assert refused_for(listening, alice, "platform/api", revoked).code == "X-STATE-01"
    hook, _ = added(listening, alice)
    hooks.remove(actor=alice.actor, hook=hook)
    for act in (hooks.repair, hooks.test):
        with pytest.raises(Refusal) as refused:
            act(actor=alice.actor, hook=hook)
        assert refused.value.code == "X-STATE-01"
    hooks.remove(actor=alice.actor, hook=hook)


def test_what_the_host_cannot_remove_now_it_removes_later(listening: Listening, alice: Somebody):
    hook, _ = added(listening, alice)
    listening.sandbox.fault("gitlab", "status:502", path="**/hooks/*", method="DELETE")
    hooks.remove(actor=alice.actor, hook=hook)
    assert again(hook).status == "removing"
    listening.sandbox.clear_faults()
    reconcile.run(threads=1)
    assert (again(hook).status, listening.hooks("gitlab")) == ("removed", [])


def test_a_test_of_one_that_is_gone_has_it_made_again(listening: Listening, alice: Somebody):
    hook, _ = added(listening, alice)
    (there,) = listening.hooks("gitlab")
    listening.sandbox.change_hook("gitlab", there["id"], deleted=True)
    with pytest.raises(Refusal) as refused:
        hooks.test(actor=alice.actor, hook=hook)
    assert refused.value.code == "X-STATE-01"
    assert reconcile.run(threads=1) == {"mended": 1}


FULL = json.dumps({"error": "Maximum number of project hooks (100) exceeded"})


def added(
    listening: Listening,
    somebody: Somebody,
    *,
    binding: Binding | None = None,
    repository: str = "platform/api",
) -> tuple[Hook, bool]:
    return hooks.add(
        actor=somebody.actor, binding=binding or listening.bind("gitlab"), repository=repository
    )


def refused_for(
    listening: Listening, somebody: Somebody, repository: str, binding: Binding | None = None
) -> Refusal:
    with pytest.raises(Refusal) as refused:
        added(listening, somebody, binding=binding, repository=repository)
    return refused.value


def rows(binding: Binding) -> list[Hook]:
    return [row for row in rows_of_tenant(binding.tenant_id) if row.binding_id == binding.pk]


def rows_of(somebody: Somebody) -> list[Hook]:
    return rows_of_tenant(somebody.tenant.pk)


def rows_of_tenant(tenant_id: UUID) -> list[Hook]:
    with rls.tenant(tenant_id):
        return list(Hook.objects.of(tenant_id))


def sealed_now(hook: Hook) -> tuple[str, ...]:
    return sealed.shared_secrets(hook, now=timezone.now())
