"""Addresses of the bind flow by redirect."""

from django.urls import path

from bindings.oauth import views

urlpatterns = [
    path(
        "t/<slug:tenant>/instances/<slug:name>/sources/<slug:provider>/start/",
        views.start,
        name="oauth_start",
    ),
    path("oauth/callback/<slug:host_slug>/", views.callback, name="oauth_callback"),
    path("i/<str:code>/", views.attempt, name="attempt"),
]
