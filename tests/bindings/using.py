"""What a binding is used by, as rows: repositories, hooks, deliveries, triggers, leases, endpoints.

For pages and lists; no code host is asked. Secrets are canaries: no page may show one.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from bindings.models import (
    Binding,
    Delivery,
    Dispatch,
    Endpoint,
    Firing,
    Hook,
    Lease,
    Repository,
    Trigger,
)
from bindings.services.custody import sealed
from portal.ground import bearer, ids, rls
from portal.tenants.models import Event, Tenant
from portal.tenants.services import events

HOOK_SECRET = "test-hook-secret-canary-4711"
ENDPOINT_SECRET = "whsec_dGVzdC1lbmRwb2ludC1zZWNyZXQtY2FuYXJ5LTQ3MTE="
LEASE_SECRET = "mrl_testLeasePasswordCanary4711"
SHA = "9c1e" * 10


def repository(binding: Binding, path: str = "platform/api", **more: Any) -> Repository:
    """A repository the instance knows."""
    with rls.tenant(binding.tenant_id):
        found = Repository.objects.of(binding.tenant_id).filter(path=path).first()
        return found or Repository.objects.create(
            tenant_id=binding.tenant_id,
            instance_id=binding.instance_id,
            host_id=binding.host_id,
            remote_id=path,
            path=path,
            clone_url=f"https://gitlab.example/{path}.git",
            web_url=f"https://gitlab.example/{path}",
            default_branch="main",
            **more,
        )


def hook(binding: Binding, path: str = "platform/api", **more: Any) -> Hook:
    """A webhook of ours at a repository."""
    facts = {"proof": "signed", "status": "active", "remote_id": "5512", **more}
    row = Hook(
        tenant_id=binding.tenant_id, binding=binding, repository=repository(binding, path), **facts
    )
    sealed.put_shared_secret(row, HOOK_SECRET, now=timezone.now())
    with rls.tenant(binding.tenant_id):
        row.save(force_insert=True)
    return row


def delivery(at: Hook, ref: str = "refs/heads/main", **more: Any) -> Delivery:
    """Something that came through a hook."""
    moved = [{"ref": ref, "before": "51d0" * 10, "after": SHA, "forced": False}] if ref else []
    payload = {"ref": ref, "after": SHA, "user": "<b>marta</b>", "project": {"path": "platform"}}
    facts: dict[str, Any] = {
        "key": ids.public("k", ids.uuid7())[-8:],
        "event": "push",
        "headers": {"X-Gitlab-Event": "Push Hook", "User-Agent": "<i>GitLab</i>"},
        "body": json.dumps(payload).encode(),
        "outcome": "no_trigger",
        "refs": moved,
        "next_at": None,
        "processed_at": timezone.now(),
        **more,
    }
    with rls.tenant(at.tenant_id):
        return Delivery.objects.create(tenant_id=at.tenant_id, hook=at, **facts)


def trigger(binding: Binding, name: str = "api main", **more: Any) -> Trigger:
    """A trigger of the instance the binding is of."""
    facts = {"branches": ["main", "release/*"], "tags": ["v*"], "variables": {"image": "acme/api"}}
    place = repository(binding, more.pop("path", "platform/api"))
    with rls.tenant(binding.tenant_id):
        return Trigger.objects.create(
            tenant_id=binding.tenant_id,
            instance_id=binding.instance_id,
            repository=place,
            name=name,
            **{**facts, **more},
        )


def firing(of: Trigger, brought: Delivery | None = None, **more: Any) -> Firing:
    """A build a trigger asked for."""
    facts = {"ref": "refs/heads/main", "sha": SHA, "event": ids.uuid7(), **more}
    with rls.tenant(of.tenant_id):
        return Firing.objects.create(tenant_id=of.tenant_id, trigger=of, delivery=brought, **facts)


def lease(binding: Binding, path: str = "platform/api", **more: Any) -> Lease:
    """A clone credential that can be used."""
    place = repository(binding, path)
    facts: dict[str, Any] = {
        "kind": "proxied",
        "digest": bearer.digest(f"{LEASE_SECRET}{ids.uuid7()}"),
        "build": "jenkins-2201",
        "issued_to": {"kind": "token", "id": "", "name": "jenkins-eu"},
        "expires_at": timezone.now() + timedelta(minutes=14),
        **more,
    }
    with rls.tenant(binding.tenant_id):
        return Lease.objects.create(
            tenant_id=binding.tenant_id, binding=binding, repository=place, path=path, **facts
        )


def endpoint(tenant: Tenant, name: str = "builder", **more: Any) -> Endpoint:
    """Where a builder listens."""
    facts: dict[str, Any] = {
        "url": "https://builder.example/mooring",
        "kinds": ["build.*", "binding.*"],
        **more,
    }
    row = Endpoint(tenant=tenant, name=name, **facts)
    sealed.put_shared_secret(row, ENDPOINT_SECRET, now=timezone.now())
    with rls.tenant(tenant.pk):
        row.save(force_insert=True)
    return row


def event(binding: Binding, type: str, **data: Any) -> Event:
    """Something that happened, in the log only."""
    about = {"id": binding.public_id, "provider": binding.provider, "account": "build-bot"}
    with rls.tenant(binding.tenant_id):
        return events.record(
            tenant_id=binding.tenant_id,
            type=type,
            actor=data.pop("actor", {"kind": "user", "id": "", "name": "Alice", "ip": "192.0.2.7"}),
            at=data.pop("at", timezone.now()),
            instance_id=binding.instance_id,
            binding_id=binding.pk,
            data={"binding": about, **data},
        )


def dispatch(told: Event, to: Endpoint, **more: Any) -> Dispatch:
    """An event on its way to an endpoint."""
    facts: dict[str, Any] = {
        "seq": told.seq,
        "state": "delivered",
        "tries": 1,
        "next_at": None,
        "body": "{}",
        **more,
    }
    with rls.tenant(told.tenant_id):
        return Dispatch.objects.create(tenant_id=told.tenant_id, event=told, endpoint=to, **facts)
