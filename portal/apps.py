"""The project as an app: its commands, its templates' tags, and the queue its jobs go to."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from portal import celery
from portal.ground import metrics
from portal.ground.grants import grant_framework_tables


class PortalConfig(AppConfig):
    name = "portal"
    queue = celery.app  # imported in every process, or jobs would go to Celery's default broker

    def ready(self) -> None:
        from portal import checks, readings  # these read models, which are not there before
        from portal.tenants.services import tenants

        post_migrate.connect(grant_framework_tables, dispatch_uid="mooring-grants")
        checks.put_in_place()
        metrics.read_with(readings.read)
        tenants.count_attention_with(readings.need_attention)
