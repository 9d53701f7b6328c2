"""Many bindings at once, for lists: rows as a bind leaves them, without a code host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from bindings.models import Binding, CodeHost, Credential, PlatformAccount, Schedule
from portal.ground import rls
from portal.tenants.models import Instance, Tenant

PROVEN = {"ok": True, "code": None, "proven_at": "2026-11-21T06:40:00.123456+00:00"}


def host(provider: str = "gitlab", **more: Any) -> CodeHost:
    """A server of the operator."""
    base = f"https://{provider}.example"
    facts = {"slug": f"{provider}-example", "base_url": base, "api_url": base, "label": base}
    with rls.fleet("a test's code host"):
        found = CodeHost.objects.filter(slug=more.get("slug", facts["slug"])).first()
        return found or CodeHost.objects.create(provider=provider, **{**facts, **more})


def binding(instance: Instance, provider: str = "gitlab", **more: Any) -> Binding:
    """One live binding; `more` are columns."""
    return bindings([instance], provider, **more)[0]


def bindings(instances: list[Instance], provider: str = "gitlab", **more: Any) -> list[Binding]:
    """One live binding for each instance."""
    server, now = host(provider), timezone.now()
    end = datetime.combine(now.date() + timedelta(days=200), datetime.min.time(), UTC)
    facts: dict[str, Any] = {
        "status": "active",
        "status_since": now,
        "reach_since": now,
        "kind": "token",
        "account_id": "42",
        "account_login": "build-bot",
        "account_name": "Build Bot",
        "account_url": "https://gitlab.example/build-bot",
        "username": "build-bot",
        "expires_at": end,
        "quality": "exact",
        "proofs": dict.fromkeys(("list", "refs", "clone", "hooks"), PROVEN),
        "bound_by_name": "Alice",
        "bound_at": now,
    }
    tenant = instances[0].tenant_id
    if more.get("kind") == "platform":
        facts["platform_account"] = cloud_account(instances[0].tenant, server)
    rows = [
        Binding(tenant_id=tenant, instance=one, host=server, provider=provider, **{**facts, **more})
        for one in instances
    ]
    secrets = [
        Credential(
            tenant_id=tenant,
            binding=row,
            key_id="test1",
            scopes=["api"],
            issued_at=now,
            expires_at=row.expires_at,
            quality=row.quality,
            fingerprint="3f9a1c02be77",
            token_id="481516",
            token_name="mooring",
        )
        for row in rows
    ]
    plans = [Schedule(binding=row, host_id=server.pk, checked_at=now) for row in rows]
    with rls.tenant(tenant):
        Binding.objects.bulk_create(rows)
        Credential.objects.bulk_create(secrets)
        Schedule.objects.bulk_create(plans)
    return rows


def cloud_account(tenant: Tenant, server: CodeHost, **more: Any) -> PlatformAccount:
    """The cloud account of a tenant, without keys that open."""
    facts = {"cloud_account": "build-bot", "account_id": "42", "key_id": "test1"}
    facts |= {"fingerprint": "3f9a1c02be77"} | more
    with rls.tenant(tenant.pk):
        found = PlatformAccount.objects.of(tenant).filter(host=server).first()
        return found or PlatformAccount.objects.create(tenant=tenant, host=server, **facts)


def instances(tenant: Tenant, count: int, word: str = "registry") -> list[Instance]:
    """Some instances with numbered names."""
    rows = [Instance(tenant=tenant, name=f"{word}-{n:04}", region="default") for n in range(count)]
    with rls.tenant(tenant.pk):
        return Instance.objects.bulk_create(rows)
