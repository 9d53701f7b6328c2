"""Django's own tables belong to the login role: sessions, sign-in, the admin's log."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections

OURS = frozenset({"tenants", "bindings"})
"""Apps whose grants stand in their own migrations."""


def grant_framework_tables(sender: AppConfig, using: str, **_: Any) -> None:
    """After migrating an app that is not ours, let the login role use its tables.

    A signal, because those apps add tables in migrations that know nothing of our roles.
    """
    if sender.label in OURS or connections[using].vendor != "postgresql":
        return
    with connections[using].cursor() as cursor:
        for model in sender.get_models(include_auto_created=True):
            table = connections[using].ops.quote_name(model._meta.db_table)
            cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO mooring_login")
