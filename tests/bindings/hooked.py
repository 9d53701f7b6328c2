"""Hooks as the service leaves them, with a binding and a repository of any platform, and senders
who know the secret."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from bindings.models import Binding, CodeHost, Delivery, Hook, Repository, Trigger
from bindings.models.repositories import repository_key
from bindings.services.custody import sealed
from portal.ground import ids, rls
from portal.tenants.models import Event, Tenant
from providers.catalogue import REGISTRY
from tests.bindings import fleet

SECRET = "test-hook-secret-0123456789abcdef"
SHA, OTHER_SHA = "a" * 40, "b" * 40
PROOFS = {
    "github": "hmac",
    "gitlab": "token",
    "gitee": "time",
    "bitbucket": "hmac",
    "codeup": "token",
    "codearts": "token",
    "gitea": "hmac",
}


def host(provider: str) -> CodeHost:
    """A server of the platform that nobody reaches."""
    base = f"https://{provider}.example.net"
    facts = {"provider": provider, "label": provider, "base_url": base, **fleet.QUICK}
    with rls.fleet("a test's host"):
        found, _made = CodeHost.objects.get_or_create(
            slug=f"{provider}-hooked",
            defaults={**facts, "api_url": REGISTRY[provider].api_url(base)},
        )
    return found


def repository(binding: Binding, **more: Any) -> Repository:
    """A repository of the binding's instance, acme/app with the number 42."""
    facts = {
        "remote_id": "42",
        "path": "acme/app",
        "clone_url": f"{binding.host.base_url}/acme/app.git",
        "default_branch": "main",
    } | more
    key = repository_key(binding.instance_id, binding.host_id, facts["remote_id"])
    with rls.tenant(binding.tenant_id):
        return Repository.objects.create(
            id=key,
            tenant_id=binding.tenant_id,
            instance_id=binding.instance_id,
            host_id=binding.host_id,
            **facts,
        )


def hook(
    tenant: Tenant,
    provider: str = "github",
    *,
    secret: str = SECRET,
    former: str = "",
    former_until: datetime | None = None,
    binding: Binding | None = None,
    at: Repository | None = None,
    **more: Any,
) -> Hook:
    """A hook that receives; `former` was its secret before."""
    now = timezone.now()
    binding = binding or fleet.many(tenant, host(provider), 1)[0]
    at = at or repository(binding, **({"remote_id": "{42}"} if provider == "bitbucket" else {}))
    made = Hook(
        tenant=tenant,
        binding=binding,
        repository=at,
        remote_id="1",
        proof=more.pop("proof", PROOFS[provider]),
        **more,
    )
    for word in filter(None, (former, secret)):
        sealed.put_shared_secret(made, word, now=now)
    if former_until is not None:
        made.previous_until = former_until
    with rls.tenant(tenant.pk):
        made.save(force_insert=True)
    return made


def trigger(of: Hook, name: str = "app", **more: Any) -> Trigger:
    """An automatic trigger of the hook's repository; without patterns for its default branch."""
    with rls.tenant(of.tenant_id):
        return Trigger.objects.create(
            tenant_id=of.tenant_id,
            instance_id=of.binding.instance_id,
            repository_id=of.repository_id,
            name=name,
            **more,
        )


def github(
    payload: Mapping[str, Any] | bytes | None = None,
    *,
    secret: str = SECRET,
    delivery: str = "",
    event: str = "push",
) -> tuple[dict[str, str], bytes]:
    """(headers, body) of a delivery as GitHub signs it."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload or push()).encode()
    proof = hmac.digest(secret.encode(), body, "sha256").hex()
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery or str(ids.uuid7()),
        "x-hub-signature-256": f"sha256={proof}",
    }, body


def gitee(payload: Mapping[str, Any], *, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    """As Gitee signs: the time, not the body."""
    when = str(int(time.time() * 1000))
    proof = hmac.digest(secret.encode(), f"{when}\n{secret}".encode(), "sha256")
    return {
        "content-type": "application/json",
        "x-gitee-event": "Push Hook",
        "x-gitee-timestamp": when,
        "x-gitee-token": base64.b64encode(proof).decode(),
    }, json.dumps(payload).encode()


def push(ref: str = "refs/heads/main", after: str = SHA, **more: Any) -> dict[str, Any]:
    """What GitHub tells of a push to acme/app."""
    return {
        "ref": ref,
        "before": OTHER_SHA,
        "after": after,
        "repository": {"id": 42, "full_name": "acme/app"},
        "pusher": {"name": "alice"},
    } | more


def post(to: Hook | str, headers: Mapping[str, str], body: bytes, **more: Any) -> Any:
    """The answer to a delivery."""
    address = to if isinstance(to, str) else to.public_id
    given = dict(headers)
    media = given.pop("content-type", "application/json")
    return Client().generic("POST", f"/hooks/{address}", body, media, headers=given, **more)


def deliveries(of: Hook) -> list[Delivery]:
    """What the hook has had, oldest first."""
    with rls.fleet("a test looks"):
        return list(Delivery.objects.filter(hook=of).order_by("received_at", "id"))


def events(tenant: Tenant, prefix: str = "build.") -> list[Event]:
    """The tenant's events whose type begins so, oldest first."""
    with rls.tenant(tenant.pk):
        rows = Event.objects.of(tenant).filter(type__startswith=prefix)
        return list(rows.order_by("seq"))


def in_an_hour() -> datetime:
    return timezone.now() + timedelta(hours=1)
