"""The project as an app: its templates' tags, its commands, its start-up checks."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from portal.ground.grants import grant_framework_tables


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        post_migrate.connect(grant_framework_tables, dispatch_uid="mooring-grants")
