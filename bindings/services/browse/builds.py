"""What starts builds from each repository: its webhook, and how many triggers it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from django.db.models.expressions import RawSQL

from bindings.models import Binding
from bindings.models.hooks import Hook, HookStatus
from bindings.models.triggers import Trigger
from portal.ground import ids, rls


@dataclass(frozen=True, slots=True)
class Builds:
    """`hook`: the webhook a binding has there or wants there, None without one."""

    hook: Hook | None = None
    triggers: int = 0


NONE = Builds()


@lru_cache(maxsize=20_000)
def _key(public_id: str) -> UUID | None:
    return ids.key("rep", public_id)


def of(binding: Binding, repositories: Collection[str]) -> dict[str, Builds]:
    """`rep_` id → what starts builds there, for those of `repositories` where anything does. Two
    queries for however many. Opens the tenant's scope."""
    keys = {key: one for one in repositories if (key := _key(one)) is not None}
    # One parameter, not one for each: with hundreds those take longer than the query.
    these = RawSQL("SELECT unnest(%s::uuid[])", [list(keys)])
    with rls.tenant(binding.tenant_id):
        hooks = Hook.objects.of(binding.tenant_id).filter(binding=binding, repository__in=these)
        live = hooks.exclude(status=HookStatus.REMOVED).defer("secret", "previous_secret")
        hook_of = {hook.repository_id: hook for hook in live}
        triggers = Trigger.objects.of(binding.tenant_id).filter(repository__in=these)
        count_of: Counter[UUID] = Counter(triggers.values_list("repository_id", flat=True))
    return {keys[key]: Builds(hook_of.get(key), count_of[key]) for key in {*hook_of, *count_of}}
