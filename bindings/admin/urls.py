"""The operators' pages that are no lists; included before the lists of `admin.site`."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from bindings.admin import drill, health, keys

urlpatterns = [
    path("health/", admin.site.admin_view(health.page), name="operator_health"),
    path("drill/", admin.site.admin_view(drill.page), name="operator_drill"),
    path("keys/", admin.site.admin_view(keys.page), name="operator_keys"),
]
