"""The site map on one screen."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from portal import health, mailbox
from portal.tenants import signin

signin.guard(admin.site)

urlpatterns = [
    path("hooks/", include("bindings.inbound.urls")),  # first: the busiest address
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.measured),
    path("mailbox/", mailbox.page),
    # Not allauth.urls: its pages for signing in with a code host stay shut (providers.md 11.2).
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("admin/", include("bindings.admin.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("bindings.api.urls")),
    path("", include("portal.tenants.urls")),
    path("", include("bindings.urls")),
]

handler400 = "portal.ground.rest.edges.bad_request"
handler403 = "portal.ground.refused.forbidden"
handler404 = "portal.ground.rest.edges.not_found"
handler500 = "portal.ground.rest.edges.crashed"
