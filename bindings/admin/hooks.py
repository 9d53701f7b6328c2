"""Webhooks of all tenants, the unhealthy ones behind one filter: read-only, without a secret."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bindings.admin import shown
from bindings.admin.filters import Choices
from bindings.admin.fleet import TenantRows
from bindings.models import Hook
from bindings.models.hooks import HookStatus
from bindings.services.browse.specs import LABELS
from bindings.services.keep import figures

_TONES = {
    HookStatus.ACTIVE: "ok",
    HookStatus.UNVERIFIED: "info",
    HookStatus.REMOVING: "",
    HookStatus.REMOVED: "",
}


class HealthFilter(SimpleListFilter):
    """Those that are there, unless somebody asks for one status."""

    title, parameter_name = "health", "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("unhealthy", "Unhealthy"), *((one.value, one.label) for one in HookStatus)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Hook]) -> QuerySet[Hook]:
        wanted = self.value()
        if wanted == "unhealthy":
            return figures.unhealthy(queryset)
        if wanted in HookStatus.values:
            return queryset.filter(status=wanted)
        return queryset.exclude(status=HookStatus.REMOVED)


@admin.register(Hook)
class HookAdmin(TenantRows):
    what = "webhook"
    list_display = ("public_id", "tenant", "account", "path", "word", "why", "heard", "compared")
    list_filter = (HealthFilter,)
    filters = ("tenant", "binding")
    ordering = ("-id",)
    fields = (
        *("public_id", "tenant", "account", "path", "word", "why", "since", "remote_id", "proof"),
        *("heard", "compared", "next_look", "failures"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hook]:
        rows: QuerySet[Hook] = super().get_queryset(request)
        related = rows.select_related("tenant", "binding", "repository")
        return related.defer("secret", "previous_secret")

    @admin.display(description="id")
    def public_id(self, hook: Hook) -> str:
        return hook.public_id

    @admin.display(description="account")
    def account(self, hook: Hook) -> SafeString:
        where = reverse("admin:bindings_binding_change", args=[hook.binding_id])
        platform = LABELS[hook.binding.provider]
        return shown.link(where, f"{hook.binding.account_login} ({platform})")

    @admin.display(description="repository")
    def path(self, hook: Hook) -> str:
        return hook.repository.path

    @admin.display(description="status")
    def word(self, hook: Hook) -> SafeString:
        status = HookStatus(hook.status)
        tone = _TONES.get(status, "bad")
        return format_html('<span class="pill {}">{}</span>', tone, status.label)

    @admin.display(description="trouble")
    def why(self, hook: Hook) -> str:
        return hook.trouble or shown.NOTHING

    @admin.display(description="since")
    def since(self, hook: Hook) -> SafeString | str:
        return shown.moment(hook.status_since)

    @admin.display(description="last delivery")
    def heard(self, hook: Hook) -> SafeString | str:
        return shown.moment(hook.heard_at)

    @admin.display(description="compared")
    def compared(self, hook: Hook) -> SafeString | str:
        return shown.moment(hook.checked_at)

    @admin.display(description="next comparison")
    def next_look(self, hook: Hook) -> SafeString | str:
        return shown.moment(hook.check_at)
