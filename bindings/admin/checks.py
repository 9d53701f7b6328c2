"""Checks that changed something, and what unbindings still have to do: read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from bindings.admin import shown
from bindings.admin.filters import Choices
from bindings.admin.fleet import TenantRows
from bindings.models import Binding, Check, Ending
from bindings.services.keep import figures, steps
from bindings.state import State


class OutcomeFilter(SimpleListFilter):
    title, parameter_name = "outcome", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(word, word) for word in ("running", "ok", "warn", "failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() else queryset


class WorkFilter(SimpleListFilter):
    title, parameter_name = "work", "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("open", "Still to do"), ("left", "Left to a person")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Ending]) -> QuerySet[Ending]:
        if self.value() == "open":
            return queryset.filter(finished_at=None)
        if self.value() == "left":
            return queryset.filter(pk__in=figures.left_to_people(timezone.now()).values("pk"))
        return queryset


@admin.register(Check)
class CheckAdmin(TenantRows):
    what = "check"
    list_display = ("public_id", "tenant", "account", "cause", "status", "code", "word", "ms", "at")
    list_filter = (OutcomeFilter,)
    filters = ("tenant", "binding")
    ordering = ("-id",)
    fields = (
        *("public_id", "tenant", "account", "cause", "status", "code", "word", "started_at"),
        *("finished_at", "ms", "ladder"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Check]:
        rows: QuerySet[Check] = super().get_queryset(request)
        return rows.select_related("tenant", "binding")

    @admin.display(description="id")
    def public_id(self, check: Check) -> str:
        return check.public_id

    @admin.display(description="account")
    def account(self, check: Check) -> SafeString:
        return _binding_link(check.binding)

    @admin.display(description="state then")
    def word(self, check: Check) -> SafeString | str:
        return shown.pill(State(check.state)) if check.state else shown.NOTHING

    @admin.display(description="begun")
    def at(self, check: Check) -> SafeString | str:
        return shown.moment(check.started_at)

    @admin.display(description="steps")
    def ladder(self, check: Check) -> SafeString:
        climbed = (steps.read(stored) for stored in check.steps)
        return shown.rows(
            (steps.TITLES[step.key], step.status, steps.say(step) or shown.NOTHING)
            for step in climbed
        )


@admin.register(Ending)
class EndingAdmin(TenantRows):
    what = "receipt"
    list_display = ("account", "tenant", "by_whom", "attempts", "next_try", "gives_up", "finished")
    list_filter = (WorkFilter,)
    ordering = ("-pk",)
    fields = (
        "account",
        "tenant",
        "by_whom",
        "attempts",
        "next_try",
        "gives_up",
        "finished",
        "items",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Ending]:
        rows: QuerySet[Ending] = super().get_queryset(request)
        return rows.select_related("tenant", "binding")

    @admin.display(description="account")
    def account(self, ending: Ending) -> SafeString:
        return _binding_link(ending.binding)

    @admin.display(description="unbound by")
    def by_whom(self, ending: Ending) -> str:
        return str(ending.by.get("name", ""))

    @admin.display(description="next try")
    def next_try(self, ending: Ending) -> SafeString | str:
        return shown.NOTHING if ending.finished_at else shown.moment(ending.next_try_at)

    @admin.display(description="gives up")
    def gives_up(self, ending: Ending) -> SafeString | str:
        return shown.moment(ending.give_up_at)

    @admin.display
    def finished(self, ending: Ending) -> SafeString | str:
        return shown.moment(ending.finished_at)

    @admin.display
    def items(self, ending: Ending) -> SafeString:
        return shown.rows(
            (item["action"], item["status"], item.get("url") or shown.NOTHING)
            for item in ending.steps
        )


def _binding_link(binding: Binding) -> SafeString:
    where = reverse("admin:bindings_binding_change", args=[binding.pk])
    return shown.link(where, f"{binding.account_login or binding.public_id} ({binding.provider})")
