"""Registry instances of all tenants: read-only, with the way to what is bound to each."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from bindings.admin import shown
from bindings.admin.fleet import TenantRows
from portal.tenants.models import Instance


@admin.register(Instance)
class InstanceAdmin(TenantRows):
    what = "instance"
    list_display = ("name", "tenant", "region", "created_at", "closed_at", "bound")
    ordering = ("-id",)
    search_fields = ("=name",)
    search_help_text = "The exact name of an instance."
    fields = (
        *("public_id", "tenant", "name", "display_name", "region", "labels", "created_at"),
        *("updated_at", "closed_at", "bound"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instance]:
        rows: QuerySet[Instance] = super().get_queryset(request)
        return rows.select_related("tenant")

    @admin.display(description="id")
    def public_id(self, instance: Instance) -> str:
        return instance.public_id

    @admin.display(description="bindings")
    def bound(self, instance: Instance) -> SafeString:
        lists = reverse("admin:bindings_binding_changelist")
        return shown.link(f"{lists}?q={instance.public_id}", "Show")
