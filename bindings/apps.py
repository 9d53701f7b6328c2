"""The bindings app: the product itself."""

from django.apps import AppConfig


class BindingsConfig(AppConfig):
    name = "bindings"
    default_auto_field = "django.db.models.BigAutoField"
