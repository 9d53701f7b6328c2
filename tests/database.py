"""The database and Redis as tests see them (loaded by `tests/embedded.py`).

Tables are made by mooring_owner and tests connect as mooring_login, so row security holds in tests
as it does in production. Tests commit for real; what a test left behind is removed after it by the
superuser.

    db, or the mark django_db   the database; `transactional_db` is the same here
    superuser                   a psycopg connection that row security does not bind
    services                    the running servers, for tests that stop or ask them
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis

from tests.embedded import SERVICES, Services

# Django fills these while it migrates, and no test writes them.
_FIXED_TABLES = ["django_migrations", "django_content_type", "auth_permission"]


class Cleaner:
    """Brings the tables back to what the migrations made."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self.session = session
        # No triggers: append-only tables empty too, and keys are not checked row by row.
        session.execute("SET session_replication_role = replica")
        session.execute("SET lock_timeout = '5s'")
        session.execute("DROP SCHEMA IF EXISTS kept CASCADE")
        session.execute("CREATE SCHEMA kept")
        self.tables = self._tables()
        self.kept = self._filled(self.tables)
        for table in self.kept:
            session.execute(f'CREATE TABLE kept."{table}" AS TABLE public."{table}"')

    def clean(self) -> None:
        """Remove what the test left; give back the rows that migrations wrote."""
        statements = [f'DELETE FROM public."{table}"' for table in self._filled(self.tables)]
        statements += [
            f'INSERT INTO public."{table}" OVERRIDING SYSTEM VALUE SELECT * FROM kept."{table}"'
            for table in self.kept
        ]
        if statements:
            self.session.execute("; ".join(statements))

    def _tables(self) -> list[str]:
        rows = self.session.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename <> ALL(%s) ORDER BY tablename",
            [_FIXED_TABLES],
        )
        return [name for (name,) in rows]

    def _filled(self, tables: list[str]) -> list[str]:
        asked = " UNION ALL ".join(
            f"(SELECT '{table}' FROM public.\"{table}\" LIMIT 1)" for table in tables
        )
        return [name for (name,) in self.session.execute(asked)]


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config) -> Services:
    """The servers of this run."""
    return pytestconfig.stash[SERVICES]


@pytest.fixture(scope="session")
def django_db_setup(
    services: Services, django_test_environment: None, django_db_blocker: Any
) -> Iterator[Cleaner]:
    """The tables, made by the owner in the private server."""
    from django.core.management import call_command
    from django.db import connections

    with services.postgres.connect() as session, django_db_blocker.unblock():
        call_command("migrate", verbosity=0, skip_checks=True)
        connections["owner"].close()
        yield Cleaner(session)
        connections.close_all()


@pytest.fixture
def _django_db_helper(django_db_setup: Cleaner, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's, which wraps the test in a transaction or flushes the tables.

    Inside a transaction, "commits by itself" and "no network in a transaction" would not be what
    they are; and mooring_login may not flush.
    """
    from django.db import connection

    with django_db_blocker.unblock():
        yield
        left_open = connection.in_atomic_block
        if left_open:
            connection.close()
    django_db_setup.clean()
    assert not left_open, "the test left a transaction open"


@pytest.fixture
def superuser(db: None, services: Services) -> Iterator[psycopg.Connection[Any]]:
    """A connection that row security does not bind; each statement commits."""
    with services.postgres.connect() as session:
        yield session


@pytest.fixture(autouse=True)
def _empty_redis(services: Services) -> None:
    """Every test begins with an empty Redis."""
    assert services.redis
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as session:
        session.flushall()
