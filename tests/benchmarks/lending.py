"""A binding of the host of benchmarks, and leases of its repositories."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone

from bindings.models import Binding, CodeHost, Credential, Repository, Schedule
from bindings.models.repositories import repository_key
from bindings.services.clone import leases
from bindings.services.custody import sealed
from portal.ground import rls
from portal.tenants import access
from portal.tenants.models import Instance, Tenant
from providers.types import Credential as Secret
from tests import factories

_here: dict[str, Binding] = {}


def seed(url: str, site: str) -> None:
    """One binding, proved, that has seen two repositories. Replaces the one before."""
    settings.MOORING_URL = site
    now, word = timezone.now(), url.rpartition(":")[2]
    owner = factories.person(f"bench{word}")
    tenant = factories.tenant(f"bench-{word}", owner)
    with rls.fleet("the host of a benchmark"):
        host = CodeHost.objects.create(
            slug=f"bench-{word}", provider="gitlab", label="bench", base_url=url, api_url=url
        )
    with rls.tenant(tenant.pk):
        place = Instance.objects.create(tenant=tenant, name="bench", region="default")
        binding = Binding.objects.create(
            tenant=tenant,
            instance=place,
            host=host,
            provider="gitlab",
            kind="token",
            status="active",
            account_id="42",
            account_login="bench",
            quality="never",
            bound_at=now - timedelta(minutes=1),
        )
        credential = Credential(binding=binding, tenant_id=tenant.pk)
        sealed.put(credential, Secret("glpat-test-bench", scopes=frozenset({"api"})), now=now)
        credential.save(force_insert=True)
        Schedule.objects.create(
            binding=binding, host_id=host.pk, next_check_at=now + timedelta(days=1)
        )
        for name in ("big", "small"):
            _see(tenant, binding, name, f"{url}/{name}.git")
    _here["binding"], _here["owner"] = binding, owner  # type: ignore[assignment]  # both stay


def _see(tenant: Tenant, binding: Binding, name: str, clone_url: str) -> None:
    Repository.objects.create(
        id=repository_key(binding.instance_id, binding.host_id, name),
        tenant=tenant,
        instance_id=binding.instance_id,
        host_id=binding.host_id,
        remote_id=name,
        path=name,
        clone_url=clone_url,
    )


def lease(repository: str) -> str:
    """Where git clones it from, with user and password."""
    binding = _here["binding"]
    actor = access.system(binding.tenant)
    made = leases.issue(actor=actor, binding=binding, repository=repository, seconds=3600)
    return made.url.replace("//", f"//{quote(made.username)}:{made.password}@", 1)
