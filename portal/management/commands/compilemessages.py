"""`manage.py compilemessages` without gettext's programs, which a bare machine does not have."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal import catalogue


class Command(BaseCommand):
    help = "Makes the translations of the project ready for use."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        for path in catalogue.compile_all():
            self.stdout.write(str(path))
