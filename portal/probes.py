"""Questions to the things this server stands on; each answer is "" or one short sentence.

Asked by `/readyz` and by `manage.py check --deploy`. No answer holds an address or a secret.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerAway

from bindings.models import CodeHost, Credential
from bindings.services.custody import sealed
from portal.celery import app
from portal.ground import redis, rls

_WORKER_SECONDS = 0.5
_AWAY = "The database does not answer."

# A table with a column tenant_id is a tenant's. It needs row security that binds its owner too,
# and a policy for the role of one tenant.
_OPEN_TABLES = """
SELECT c.relname FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND NOT (
       c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
         SELECT FROM pg_policy p WHERE p.polrelid = c.oid
            AND 'mooring_app'::regrole = ANY (p.polroles)))
 ORDER BY c.relname
"""
_ROLE = """
SELECT r.rolsuper OR r.rolbypassrls OR r.rolinherit,
       EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p'))
  FROM pg_roles r WHERE r.rolname = session_user
"""


def database() -> str:
    """Does it answer?"""
    try:
        _rows("SELECT 1")
    except DatabaseError:
        return _AWAY
    return ""


def migrations() -> str:
    """Has every migration this code knows been run?"""
    try:
        done = MigrationRecorder(connection).applied_migrations()
    except DatabaseError:
        return _AWAY
    waiting = len(_known_migrations() - set(done))
    return f"Migrations to run: {waiting}." if waiting else ""


def row_security() -> str:
    """Are tenants held apart by the database, and can we not get around it?"""
    try:
        ((powerful, owns),) = _rows(_ROLE)
        tables = [name for (name,) in _rows(_OPEN_TABLES)]
    except DatabaseError:
        return _AWAY
    if powerful or owns:
        return "The database role may pass by row security: connect as mooring_login."
    return f"Tables without row security: {', '.join(tables)}." if tables else ""


def keys() -> str:
    """Does the key ring seal and open, and does it hold every key that credentials need?"""
    try:
        canary = CodeHost()
        sealed.put_client_secret(canary, "canary", now=timezone.now())
        if sealed.client_secret(canary) != "canary":
            return "The key ring does not open what it sealed."
        missing = _key_ids() - {entry.partition(":")[0] for entry in _ring()}
    except DatabaseError:
        return _AWAY
    except ValueError:  # BadKeyRing, which only custody may name
        return "MOORING_KEYS cannot be used."
    return f"Keys missing from MOORING_KEYS: {', '.join(sorted(missing))}." if missing else ""


def queue() -> str:
    """Does the broker take jobs?"""
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=1, interval_start=0)
    except (BrokerAway, redis.Away, OSError):
        return "The queue does not answer: jobs wait for the next tick."
    return ""


def worker() -> str:
    """Is anybody there to do jobs?"""
    try:
        alive = app.control.inspect(timeout=_WORKER_SECONDS, limit=1).ping()
    except (BrokerAway, redis.Away, OSError):
        return "The queue does not answer."
    return "" if alive else "No worker answers."


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@lru_cache(maxsize=1)
def _known_migrations() -> frozenset[tuple[str, str]]:
    loader = MigrationLoader(None)
    return frozenset(loader.disk_migrations)


def _ring() -> list[str]:
    return [entry.strip() for entry in settings.MOORING_KEYS.split(",")]


def _key_ids() -> set[str]:
    """The keys that rows are sealed with: one look into the index for each, however many rows."""
    found: set[str] = set()
    after = ""
    with rls.fleet("which keys are needed"):
        sealed_rows = Credential.objects.exclude(access=None).order_by("key_id")
        while True:
            next_key = sealed_rows.filter(key_id__gt=after).values_list("key_id", flat=True)[:1]
            if not (known := list(next_key)):
                return found
            after = known[0]
            found.add(after)
