"""Bindings and the people they hang on: who left, and how often one account is bound."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from bindings.models import Binding
from bindings.models.bindings import Kind
from bindings.services.tell import outbox
from portal.ground import rls
from portal.tenants.access import Actor
from portal.tenants.models import Membership
from providers.catalogue import REGISTRY


def stays() -> Exists:
    """Is the person who bound it still in the tenant? For rows of Binding."""
    return Exists(
        Membership.objects.filter(
            tenant=OuterRef("tenant"), user=OuterRef("bound_by"), left_at=None
        )
    )


def flag(member: Membership, *, actor: Actor, now: datetime) -> None:
    """Somebody has left: what they bound keeps working, and the log tells the admins once.

    Called in the transaction in which they leave. Needs the tenant's scope.
    """
    rows = (
        Binding.objects.of(member.tenant_id)
        .filter(bound_by=member.user_id, unbound_at=None)
        .exclude(kind=Kind.PLATFORM)
        .order_by("id")
    )
    told = [
        outbox.entry(
            "binding.orphaned", binding=row, actor=actor.event(), at=now, bound_by=row.bound_by_name
        )
        for row in rows
    ]
    if told:
        outbox.record(told)


def crowd(binding: Binding) -> dict[str, Any] | None:
    """The facts of a warning when this account is bound here more often than its platform keeps
    tokens for one account and app; None when it is not. Where else is never said. Opens the
    tenant's scope."""
    most = REGISTRY[binding.provider].spec.tokens_per_account
    if not most or binding.kind != Kind.OAUTH:
        return None
    with rls.tenant(binding.tenant_id):
        others = (
            Binding.objects.of(binding.tenant_id)
            .filter(host_id=binding.host_id, account_id=binding.account_id)
            .filter(kind=Kind.OAUTH, unbound_at=None)
            .exclude(pk=binding.pk)
            .count()
        )
    return {"n": str(others + 1)} if others >= most else None
