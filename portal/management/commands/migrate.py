"""`manage.py migrate` as the owner of the tables; everything else connects as mooring_login."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    """Django's command on the database connection `owner`."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        owner = connections[options["database"]]
        with owner.cursor() as cursor:
            if "django_migrations" in owner.introspection.table_names(cursor):  # not with --plan
                # "Has every migration run?" is asked by /readyz and makemigrations.
                cursor.execute("GRANT SELECT ON django_migrations TO mooring_login")
