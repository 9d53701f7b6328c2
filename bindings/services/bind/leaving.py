"""The webhooks of a binding that ends: counted, removed at the host, named in the receipt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bindings.models import Binding, Ending, Hook
from bindings.models.hooks import HookStatus
from bindings.services.custody import sealed
from bindings.services.custody.use import provider_at
from bindings.services.listen import remote, standing
from portal.ground import ids, rls
from portal.ground.refusals import Refusal
from portal.tenants.models import TenantQuerySet
from providers.base import Provider
from providers.catalogue import REGISTRY
from providers.errors import MissingScope, NotFound, NotSupported, ProviderError, TokenRejected
from providers.types import Credential as Secret

ACTION = "remove_webhook"
AT_ONCE = 200.0
"""Seconds of one try; shorter than the lease of an ending."""
_SURE = 2
"""A refusal of the credential counts when it is heard again."""


def count(binding: Binding) -> int:
    """How many webhooks would be removed. Needs a scope."""
    return len(_hooks(binding).values_list("pk"))


def begin(binding: Binding, now: datetime) -> list[dict[str, Any]]:
    """From now on nothing is accepted from these webhooks; what the receipt says of each. Needs the
    tenant's scope."""
    rows = list(_hooks(binding).select_related("repository").order_by("repository__path"))
    _hooks(binding).exclude(status=HookStatus.REMOVING).update(
        status=HookStatus.REMOVING, status_since=now
    )
    _hooks(binding).update(check_at=None, trouble="")
    page_of = REGISTRY[binding.provider].hooks_page
    return [
        {
            "action": ACTION,
            "repository": row.repository.path,
            "status": "pending",
            "detail": None,
            "url": (row.repository.web_url and page_of(row.repository.web_url)) or None,
            "hook": row.public_id,
        }
        for row in rows
    ]


def left(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The webhooks that are still to be removed."""
    return [step for step in steps if step["action"] == ACTION and step["status"] == "pending"]


def work_off(ending: Ending, secret: Secret | None, *, steps: Sequence[dict[str, Any]]) -> None:
    """Try to remove what is left, and write into `steps` what came of it. Without a credential it
    is left to a person."""
    until = time.monotonic() + AT_ONCE
    provider = None if secret is None else provider_at(ending.binding.host, secret)
    for step in left(steps):
        if time.monotonic() > until:
            return
        hook = _hook(ending, step)
        if hook is None:
            step["status"] = "done"
        elif provider is None:
            give_up(ending, [step])
        elif not _removed(ending, provider, hook, step):
            return


def give_up(ending: Ending, steps: Sequence[dict[str, Any]]) -> None:
    """Leave to a person what could not be removed; its page is in the receipt."""
    for step in left(steps):
        step["status"] = "manual"
        if (hook := _hook(ending, step)) is not None:
            remote.gone(hook)


def shown(step: dict[str, Any]) -> dict[str, Any]:
    """An item of the receipt as people see it."""
    return {name: value for name, value in step.items() if name != "hook"}


def _removed(ending: Ending, provider: Provider, hook: Hook, step: dict[str, Any]) -> bool:
    """Remove one; False when there is no sense in asking for the next one now."""
    try:
        with remote.alone_with(hook.binding_id, hook.repository_id):
            remote.removed_at(provider, hook)
    except (MissingScope, NotFound, NotSupported):
        give_up(ending, [step])
        return True
    except TokenRejected:
        if ending.attempts >= _SURE:
            give_up(ending, [step])
        return ending.attempts >= _SURE
    except (ProviderError, Refusal, sealed.Undecryptable):
        return False
    remote.gone(hook)
    step["status"] = "done"
    return True


def _hooks(binding: Binding) -> TenantQuerySet[Hook]:
    rows = Hook.objects.of(binding.tenant_id).filter(binding=binding)
    return rows.exclude(status=HookStatus.REMOVED)


def _hook(ending: Ending, step: dict[str, Any]) -> Hook | None:
    key = ids.key(Hook.PREFIX, step["hook"])
    with rls.tenant(ending.tenant_id):
        row = standing.lock(Hook(pk=key, tenant_id=ending.tenant_id))
    return None if row is None or row.status == HookStatus.REMOVED else row
