"""The address platforms deliver to. No trailing slash."""

from __future__ import annotations

from django.urls import path

from bindings.inbound import views

urlpatterns = [path("<str:hook>", views.receive, name="receive-hook")]
