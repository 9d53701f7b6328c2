"""Webhooks as people want them, at every platform: exactly one, with a secret of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bindings.models import Head, Hook
from bindings.services.custody import sealed
from bindings.services.listen import hooks, standing
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
    assert there["url"] == standing.url_of(hook)
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


def sealed_now(hook: Hook) -> tuple[str, ...]:
    return sealed.shared_secrets(hook, now=timezone.now())
