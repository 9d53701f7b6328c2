"""Where builders listen, and what is on its way to them or was given up: the dead letters."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from bindings.admin import shown
from bindings.admin.filters import Choices
from bindings.admin.fleet import TenantRows, acting_in, operator
from bindings.models import Dispatch, Endpoint
from bindings.models.outbox import DispatchState
from bindings.services.tell import relay
from portal.ground import rls
from portal.ground.refusals import NotYours

MOST = 500
"""More at once would keep a request busy for long."""


class StateFilter(SimpleListFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            (DispatchState.WAITING.value, "Waiting"),
            (DispatchState.ABANDONED.value, "Given up (dead letters)"),
            (DispatchState.DELIVERED.value, "Delivered"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class OffFilter(SimpleListFilter):
    title, parameter_name = "status", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("failing", "Failing"), ("off", "Off because it failed"), ("disabled", "Off")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "failing":
            return queryset.filter(enabled=True, failing_since__isnull=False)
        if self.value() == "off":
            return queryset.filter(enabled=False, why__in=("failures", "gone"))
        return queryset.filter(enabled=False) if self.value() == "disabled" else queryset


@admin.register(Endpoint)
class EndpointAdmin(TenantRows):
    what = "endpoint"
    list_display = ("public_id", "tenant", "name", "url", "status", "last_delivery", "sent")
    list_filter = (OffFilter,)
    filters = ("tenant",)
    ordering = ("-id",)
    fields = (
        *("public_id", "tenant", "name", "url", "kinds", "instances", "status", "failing_since"),
        *("disabled_at", "last_delivery", "secret_set_at", "previous_until", "key_id", "sent"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        rows: QuerySet[Endpoint] = super().get_queryset(request)
        return rows.select_related("tenant").defer("secret", "previous_secret")

    @admin.display(description="id")
    def public_id(self, endpoint: Endpoint) -> str:
        return endpoint.public_id

    @admin.display
    def status(self, endpoint: Endpoint) -> str:
        if not endpoint.enabled:
            return f"off ({endpoint.why})"
        return "active" if endpoint.failing_since is None else "failing"

    @admin.display(description="last taken")
    def last_delivery(self, endpoint: Endpoint) -> SafeString | str:
        return shown.moment(endpoint.last_delivery_at)

    @admin.display(description="events")
    def sent(self, endpoint: Endpoint) -> SafeString:
        lists = reverse("admin:bindings_dispatch_changelist")
        return shown.link(f"{lists}?endpoint__id__exact={endpoint.pk}", "Show")


@admin.action(description="Send once more", permissions=["act"])
def replay(_: Any, request: HttpRequest, chosen: QuerySet[Dispatch]) -> None:
    """Each of them now, under its old event id."""
    rows = list(chosen[: MOST + 1])
    if len(rows) > MOST:
        messages.error(request, f"Choose {MOST} events at most; nothing was done.")
        return

    def work() -> None:
        done = 0
        for row in rows:
            try:
                relay.replay(actor=acting_in(request, row.tenant), dispatch=row)
                done += 1
            except NotYours:
                continue  # gone meanwhile
        messages.success(request, f"To be sent once more: {done}.")

    rls.after(work)


@admin.register(Dispatch)
class DispatchAdmin(TenantRows):
    what = "outgoing event"
    list_display = (
        "public_id",
        "tenant",
        "to",
        "type",
        "state",
        "tries",
        "last_answer",
        "next_try",
    )
    list_filter = (StateFilter,)
    filters = ("tenant", "endpoint")
    ordering = ("-created_at", "-id")
    actions = (replay,)
    fields = (
        *("public_id", "tenant", "to", "event_id", "type", "lane", "state", "tries", "created_at"),
        *("next_try", "delivered_at", "ladder"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispatch]:
        rows: QuerySet[Dispatch] = super().get_queryset(request)
        return rows.select_related("tenant", "endpoint", "event").defer(
            "body", "event__data", "endpoint__secret", "endpoint__previous_secret"
        )

    def has_act_permission(self, request: HttpRequest) -> bool:
        """May this operator send events again?"""
        return operator(request).has_perm("bindings.change_dispatch")

    @admin.display(description="id")
    def public_id(self, dispatch: Dispatch) -> str:
        return dispatch.public_id

    @admin.display(description="endpoint")
    def to(self, dispatch: Dispatch) -> SafeString:
        where = reverse("admin:bindings_endpoint_change", args=[dispatch.endpoint_id])
        return shown.link(where, dispatch.endpoint.name)

    @admin.display(description="event")
    def type(self, dispatch: Dispatch) -> str:
        return dispatch.event.type

    @admin.display(description="last answer")
    def last_answer(self, dispatch: Dispatch) -> str:
        return _said(dispatch.attempts[-1]) if dispatch.attempts else shown.NOTHING

    @admin.display(description="next try")
    def next_try(self, dispatch: Dispatch) -> SafeString | str:
        waits = dispatch.state == DispatchState.WAITING
        return shown.moment(dispatch.next_at) if waits else shown.NOTHING

    @admin.display(description="attempts")
    def ladder(self, dispatch: Dispatch) -> SafeString:
        return shown.rows(
            (attempt["at"], f"{attempt['ms']} ms", _said(attempt)) for attempt in dispatch.attempts
        )


def _said(attempt: dict[str, Any]) -> str:
    """What an endpoint answered; of its text the first words."""
    words = (attempt.get("http_status"), attempt.get("error"))
    return " ".join(str(word) for word in words if word)[:200]
