"""Wanted and actual webhooks, compared on a schedule; what has come apart is mended in place."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from bindings.models import Binding, Hook
from bindings.models.hooks import HookStatus
from portal.ground import jobs, rls


def run(*, budget_s: float = 55.0, stopping: Callable[[], bool] = lambda: False) -> int:
    """Compare what is due until nothing is left or `budget_s` has passed; how many."""
    return 0


def soon(binding: Binding) -> None:
    """Compare the webhooks of this binding next. Opens the tenant's scope."""
    with rls.tenant(binding.tenant_id):
        rows = Hook.objects.of(binding.tenant_id).filter(binding=binding, check_at__isnull=False)
        if rows.exclude(status=HookStatus.REMOVED).update(check_at=timezone.now()):
            jobs.start(jobs.Job.RECONCILE)
