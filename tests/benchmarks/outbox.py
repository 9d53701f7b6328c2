"""An outbox full of events for many builders, made as the product makes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.utils import timezone

from bindings.models import Dispatch, Endpoint
from bindings.services.custody import sealed
from bindings.services.tell import outbox, signing
from portal.ground import rls
from portal.tenants.models import Tenant
from portal.tenants.services.events import Entry
from tests import factories

SIZE = 2048
_HANGS = "hangs"


@lru_cache(maxsize=1)
def tenant() -> Tenant:
    return factories.tenant("bench", factories.person("bench"))


def seed(urls: Sequence[str], each: int, *, hung: str = "") -> int:
    """`each` events of 2 KB for every one of these builders, each of its own ref, and nothing
    else; how many. `hung`: the same for this one, which is not counted."""
    now, owner = timezone.now(), tenant()
    with rls.tenant(owner.pk):
        old = Endpoint.objects.of(owner)
        old._raw_delete(old.db)
        named = {str(n): url for n, url in enumerate(urls)} | ({_HANGS: hung} if hung else {})
        rows = [
            Endpoint(tenant=owner, name=name, url=url, kinds=["build.*"])
            for name, url in named.items()
        ]
        for row in rows:
            sealed.put_shared_secret(row, signing.new_secret(), now=now)
        Endpoint.objects.bulk_create(rows)
        outbox.record([_entry(owner, n, now) for n in range(each)])
    return each * len(urls)


def _entry(owner: Tenant, n: int, now: datetime) -> Entry:
    data: dict[str, Any] = {"repository": {"id": f"rep_{n}"}, "ref": "refs/heads/main"}
    data["filler"] = "x" * (SIZE - 300)
    return Entry(tenant_id=owner.pk, type="build.push", actor=outbox.SYSTEM, at=now, data=data)


def taken() -> list[datetime]:
    """When the builders that answer took each event."""
    with rls.tenant(tenant().pk):
        rows = Dispatch.objects.of(tenant()).filter(state="delivered")
        answered = rows.exclude(endpoint__name=_HANGS)
        times = answered.values_list("delivered_at", flat=True)
        return [at for at in times if at is not None]
