"""What of a binding is in use: the one place that says so.

A repository is in use when it has a webhook of the binding or a trigger, or a build has asked for
it in the last 30 days. Impact, replacement and switch all know of it from here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from bindings.models import Binding, Hook, Repository, Trigger
from bindings.models.hooks import HookStatus
from portal.ground import rls
from portal.tenants.models import TenantQuerySet
from providers.base import Provider
from providers.errors import MissingScope, NotFound, ProviderError
from providers.fanout import fan_out
from providers.types import Repository as Seen

LATELY = timedelta(days=30)
STAMP_EVERY = timedelta(days=1)
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Used:
    """A repository in use, by the platform's own number."""

    remote_id: str
    path: str
    triggers: int = 0
    last_event_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much of what is in use another credential can see."""

    in_use: int
    missing: tuple[Used, ...] = ()

    @property
    def visible(self) -> int:
        return self.in_use - len(self.missing)

    def shown(self) -> dict[str, Any]:
        """As the API has it."""
        missing = [{"path": one.path, "triggers": one.triggers} for one in self.missing]
        return {"in_use": self.in_use, "visible": self.visible, "missing": missing}


def in_use(binding: Binding) -> list[Used]:
    """The repositories of a binding that are in use, by path. Needs a scope."""
    since = timezone.now() - LATELY
    fired: dict[UUID, list[datetime | None]] = defaultdict(list)
    for repository, last in triggers_of(binding).values_list("repository_id", "last_event_at"):
        fired[repository].append(last)
    hooked = Exists(_hooks(binding).filter(repository=OuterRef("pk")))
    rows = (
        Repository.objects.of(binding.tenant_id)
        .filter(Q(used_at__gt=since) | Q(pk__in=list(fired)) | hooked)
        .filter(instance_id=binding.instance_id, host_id=binding.host_id)
        .order_by("path")
    )
    return [
        Used(
            row.remote_id,
            row.path,
            len(fired[row.pk]),
            max(filter(None, fired[row.pk]), default=None),
        )
        for row in rows
    ]


def triggers_of(binding: Binding) -> TenantQuerySet[Trigger]:
    """The triggers a binding serves; none that wait for another one. Needs a scope."""
    return Trigger.objects.of(binding.tenant_id).filter(
        instance_id=binding.instance_id,
        repository__host_id=binding.host_id,
        waiting_since=None,
    )


def served(tenant_id: UUID, instances: Collection[UUID]) -> Counter[tuple[UUID, UUID]]:
    """(instance, code host) → how many triggers are served there. Needs a scope."""
    rows = Trigger.objects.of(tenant_id).filter(instance_id__in=instances, waiting_since=None)
    return Counter(rows.values_list("instance_id", "repository__host_id"))


def _hooks(binding: Binding) -> TenantQuerySet[Hook]:
    leaving = (HookStatus.REMOVING, HookStatus.REMOVED)
    return Hook.objects.of(binding.tenant_id).filter(binding=binding).exclude(status__in=leaving)


def note(*, binding: Binding, remote_id: str) -> None:
    """A build asked for this repository: written down once a day. Opens the tenant's scope."""
    now = timezone.now()
    with rls.tenant(binding.tenant_id):
        rows = Repository.objects.of(binding.tenant_id).filter(
            instance_id=binding.instance_id, host_id=binding.host_id, remote_id=remote_id
        )
        rows.exclude(used_at__gt=now - STAMP_EVERY).update(used_at=now)


def compare(used: Sequence[Used], provider: Provider, *, by_path: bool = False) -> Comparison:
    """Which of these the account behind `provider` can see; `by_path` at another server, which has
    numbers of its own. Asks once for each.

    Raises ProviderError when the platform does not say: what could not be asked for would else pass
    for what cannot be seen.
    """

    def ask(one: Used) -> Seen:
        return provider.repository(one.path if by_path else one.remote_id)

    missing: list[Used] = []
    for one, answer in fan_out(used, ask, threads=_AT_ONCE):
        if isinstance(answer, NotFound | MissingScope):
            missing.append(one)
        elif isinstance(answer, ProviderError):
            raise answer
    return Comparison(len(used), tuple(sorted(missing, key=lambda one: one.path)))
