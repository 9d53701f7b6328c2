"""Redis is away: deliveries are stored and answered all the same, and worked off."""

from __future__ import annotations

from typing import Any

from bindings.services.listen import work
from portal.tenants.models import Tenant
from tests.bindings import hooked


def test_a_delivery_is_stored_answered_and_built(acme: Tenant, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody listens there
    hook = hooked.hook(acme)
    hooked.trigger(hook)
    assert hooked.post(hook, *hooked.github()).status_code == 202
    work.run(budget_s=0, stopping=lambda: False)
    assert [event.type for event in hooked.events(acme)] == ["build.push"]
