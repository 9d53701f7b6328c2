"""Many bindings of one host, as binds would leave them, and a clock that a test moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from bindings.models import Binding, CodeHost, Credential, Schedule
from bindings.services.custody import sealed
from portal.ground import ids, rls
from portal.tenants.models import Instance, Tenant
from providers.catalogue import REGISTRY
from providers.types import Credential as Secret
from providers.types import Method
from tests.bindings.sources import GitLab

QUICK = {"per_minute": 100_000}
PROVEN = {"ok": True, "code": None, "proven_at": "2026-11-21T06:40:00+00:00"}


@dataclass
class Clock:
    """Now, until somebody moves it."""

    now: datetime = field(default_factory=timezone.now)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: Any) -> datetime:
        self.now += timedelta(**span)
        return self.now


def host(gitlab: GitLab, slug: str = "our-gitlab", **more: Any) -> CodeHost:
    """An operator's GitLab: the sandbox, or whatever `base_url` says."""
    facts = {"provider": "gitlab", "label": slug, "base_url": gitlab.base_url, **QUICK} | more
    facts["api_url"] = REGISTRY[facts["provider"]].api_url(facts["base_url"])
    with rls.fleet("a test's host"):
        return CodeHost.objects.create(slug=slug, **facts)


def many(
    tenant: Tenant,
    at: CodeHost,
    count: int,
    *,
    token: str = "",
    tokens: Sequence[str] = (),
    due: datetime | None = None,
    **more: Any,
) -> list[Binding]:
    """`count` live bindings of one account, each with its own instance, due now."""
    now = timezone.now()
    names = [f"{at.slug[:20]}-{ids.public('x', ids.uuid7())[-10:]}-{n:03}" for n in range(count)]
    places = [Instance(tenant=tenant, name=name[:40], region="default") for name in names]
    facts: dict[str, Any] = {
        "status": "active",
        "kind": "token",
        "account_id": "42",
        "account_login": "build-bot",
        "username": "build-bot",
        "quality": "never",
        "proofs": dict.fromkeys(("list", "refs", "clone", "hooks"), PROVEN),
        "bound_at": now,
    } | more
    rows = [
        Binding(tenant=tenant, instance=place, host=at, provider=at.provider, **facts)
        for place in places
    ]
    secrets = list(tokens) or [token] * count
    with rls.tenant(tenant.pk):
        Instance.objects.bulk_create(places)
        Binding.objects.bulk_create(rows)
        pairs = zip(rows, secrets, strict=True)
        Credential.objects.bulk_create(_credential(row, secret, now) for row, secret in pairs)
        Schedule.objects.bulk_create(
            Schedule(binding=row, host_id=at.pk, next_check_at=due or now - timedelta(minutes=1))
            for row in rows
        )
    return rows


def _credential(row: Binding, secret: str, now: datetime) -> Credential:
    made = Credential(binding=row, tenant_id=row.tenant_id)
    value = Secret(secret or "glpat-test-nobodys", scopes=frozenset({"api"}), kind=Method(row.kind))
    sealed.put(made, value, now=now)
    return made


def states(rows: Sequence[Binding]) -> dict[str, int]:
    """How many of these read how: "active/ok"."""
    found: dict[str, int] = {}
    with rls.fleet("a test looks"):
        kept = Binding.objects.filter(pk__in=[row.pk for row in rows])
        for status, reach in kept.values_list("status", "reach"):
            word = f"{status}/{reach}"
            found[word] = found.get(word, 0) + 1
    return found


def due(rows: Sequence[Binding], now: datetime) -> int:
    """How many of these are due."""
    with rls.fleet("a test looks"):
        keys = [row.pk for row in rows]
        return Schedule.objects.filter(pk__in=keys, next_check_at__lte=now).count()


def reload(at: CodeHost) -> CodeHost:
    with rls.fleet("a test looks"):
        return CodeHost.objects.get(pk=at.pk)


def plan(row: Binding) -> Schedule:
    with rls.fleet("a test looks"):
        return Schedule.objects.get(pk=row.pk)


def outside(gitlab: GitLab, name: str = "slow", **more: Any) -> CodeHost:
    """A GitLab of a made-up name, which a FakeNetwork leads to a far end."""
    return host(gitlab, name, base_url=f"http://{name}.example.com", **more)


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once this is true."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)
