"""Repositories an instance knows, offered while a path is typed: no platform is asked."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import F

from bindings.models import Binding, Repository
from portal.ground import rls

_MOST = 300


def paths(tenant_id: UUID, bindings: Iterable[Binding]) -> list[str]:
    """The paths of what these bindings of one instance can see, as far as it was listed; those in
    use first. Opens the tenant's scope."""
    live = list(bindings)
    with rls.tenant(tenant_id):
        rows = Repository.objects.of(tenant_id).filter(
            instance_id__in={one.instance_id for one in live},
            host_id__in={one.host_id for one in live},
            gone_at=None,
            archived=False,
        )
        first = (F("used_at").desc(nulls_last=True), "-seen_at")
        newest = rows.order_by(*first).values_list("path", flat=True)
        return sorted(set(newest[:_MOST]))
