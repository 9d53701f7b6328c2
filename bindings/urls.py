"""All addresses of the product below the site's root."""

from django.urls import include, path

urlpatterns = [
    path("", include("bindings.gitproxy.urls")),
    path("", include("bindings.oauth.urls")),
    path("", include("bindings.web.urls")),
]
