"""All below `/git/` is one view: it reads the address as it was sent."""

from django.urls import re_path

from bindings.gitproxy import views

urlpatterns = [re_path(r"^git/", views.git, name="git")]
