"""Tenants, memberships and API tokens in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.tenants.admin.base import Listed, Seen
from portal.tenants.models import Membership, ServiceToken, Tenant


@admin.register(Tenant)
class TenantAdmin(Listed):
    """Rename, or see who and what a tenant is. Tenants are opened with their first owner, by
    `portal.tenants.services.tenants`."""

    list_display = ("name", "slug", "created_at", "suspended_at", "log")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "created_at", "suspended_at")
    readonly_fields = ("slug", "created_at", "suspended_at")

    @admin.display(description="event log")
    def log(self, tenant: Tenant) -> SafeString:
        where = f"{reverse('admin:tenants_event_changelist')}?tenant__id__exact={tenant.pk}"
        return format_html('<a href="{}">{}</a>', where, "Open")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Membership)
class MembershipAdmin(Seen):
    """Who is where. Changed by the tenants themselves."""

    list_display = ("user", "tenant", "role", "created_at", "seen_at", "left_at")
    list_filter = ("role",)
    search_fields = ("user__email", "user__name", "tenant__slug")
    list_select_related = ("user", "tenant")
    fields = ("user", "tenant", "role", "created_at", "seen_at", "left_at")


@admin.register(ServiceToken)
class ServiceTokenAdmin(Seen):
    """API tokens: what they may and when they were used; neither secret nor digest."""

    list_display = ("name", "tenant", "hint", "role", "used_at", "expires_at", "revoked_at")
    list_filter = ("role",)
    search_fields = ("name", "tenant__slug", "hint")
    list_select_related = ("tenant",)
    fields = (
        *("name", "tenant", "hint", "role", "scopes", "networks", "owner", "made_by"),
        *("created_at", "used_at", "expires_at", "revoked_at"),
    )
