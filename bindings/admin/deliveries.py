"""Received deliveries as operators see them: what became of each, no body and no header; Replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from bindings.admin import shown
from bindings.admin.filters import Choices
from bindings.admin.fleet import TenantRows, acting_in, operator
from bindings.models import Delivery
from bindings.models.hooks import Outcome
from bindings.services.listen import replay
from portal.ground import refusals, rls
from portal.ground.refusals import Refusal

MOST = 500
_UNREAD = ("body", "headers", "hook__secret", "hook__previous_secret")


class OutcomeFilter(SimpleListFilter):
    title, parameter_name = "outcome", "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(word.value, str(word.label)) for word in Outcome]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(outcome=self.value()) if self.value() else queryset


@admin.action(description="Replay", permissions=["act"])
def replay_chosen(_: Any, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
    """Each once more; refused ones are left as they are."""
    rows = list(chosen[: MOST + 1])
    if len(rows) > MOST:
        messages.error(request, f"Choose {MOST} deliveries at most; nothing was done.")
        return
    rls.after(lambda: _replay(request, rows))


def _replay(request: HttpRequest, rows: Sequence[Delivery]) -> None:
    left: list[str] = []
    for row in rows:
        try:
            replay.replay(actor=acting_in(request, row.tenant), delivery=row)
        except Refusal as refused:
            left.append(refusals.words(refused.code, refused.facts).detail)
    if well := len(rows) - len(left):
        messages.success(request, f"Replayed: {well}.")
    if left:
        messages.warning(request, f"Left as they are: {len(left)}. {left[0]}")


@admin.register(Delivery)
class DeliveryAdmin(TenantRows):
    what = "delivery"
    list_display = (
        *("public_id", "tenant", "repository", "event", "ref", "signature", "outcome"),
        *("duplicates", "at"),
    )
    list_filter = (OutcomeFilter,)
    filters = ("tenant", "hook")
    ordering = ("-id",)
    actions = (replay_chosen,)
    fields = (
        *("public_id", "tenant", "account", "repository", "event", "signature", "outcome"),
        *("trouble", "origin", "moved", "duplicates", "replays", "attempts", "at", "settled"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.select_related("tenant", "hook__binding", "hook__repository").defer(*_UNREAD)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """May this operator replay?"""
        return operator(request).has_perm("bindings.change_delivery")

    def binding_of(self, row: Model) -> UUID | None:
        return row.hook.binding_id if isinstance(row, Delivery) else None

    @admin.display(description="id")
    def public_id(self, delivery: Delivery) -> str:
        return delivery.public_id

    @admin.display(description="account")
    def account(self, delivery: Delivery) -> SafeString:
        binding = delivery.hook.binding
        where = reverse("admin:bindings_binding_change", args=[binding.pk])
        return shown.link(where, f"{binding.account_login} ({binding.provider})")

    @admin.display(description="repository")
    def repository(self, delivery: Delivery) -> str:
        return delivery.hook.repository.path

    @admin.display(description="ref")
    def ref(self, delivery: Delivery) -> str:
        return str(delivery.refs[0]["ref"]) if delivery.refs else shown.NOTHING

    @admin.display(description="refs")
    def moved(self, delivery: Delivery) -> SafeString:
        return shown.rows(
            (one["ref"], one["before"] or shown.NOTHING, one["after"] or shown.NOTHING)
            for one in delivery.refs
        )

    @admin.display(description="received")
    def at(self, delivery: Delivery) -> SafeString | str:
        return shown.moment(delivery.received_at)

    @admin.display(description="settled")
    def settled(self, delivery: Delivery) -> SafeString | str:
        return shown.moment(delivery.processed_at)
