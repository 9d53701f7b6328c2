"""Scopes: the only way to open a transaction, and what decides which rows it can see.

A connection belongs to `mooring_login`, which may read no tenant table. Inside `tenant(id)` a
transaction is `mooring_app` and sees one tenant; inside `fleet(why)` it is `mooring_fleet` and sees
all rows of the tables and columns granted to it. Outside any scope only the tables that lead to a
tenant can be read. See `security.md` 7 for the measurements behind each statement.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction

log = logging.getLogger(__name__)

_SCOPE = "_mooring_scope"
_TURNS = 7  # keeps these locks apart from those of `only_one`


class WrongScope(RuntimeError):
    """A scope was opened inside one that cannot hold it: a bug, never a user's mistake."""


@contextmanager
def tenant(tenant_id: UUID) -> Iterator[None]:
    """A transaction that sees one tenant. Joins an open scope of the same tenant; another's, or
    the fleet's, is refused with WrongScope."""
    scope = current()
    if scope == str(tenant_id):
        yield
        return
    if scope is not None:
        raise WrongScope(f"the scope of {scope} is open")
    with _scope(str(tenant_id), "mooring_app", str(tenant_id)):
        yield


@contextmanager
def alone(tenant_id: UUID) -> Iterator[None]:
    """Like `tenant`, but insists on being outermost: when it ends, its work is committed."""
    if current() is not None:
        raise WrongScope("this step has to commit by itself")
    with transaction.atomic(durable=True), tenant(tenant_id):
        yield


@contextmanager
def fleet(why: str) -> Iterator[None]:
    """A transaction over all tenants, within the fleet's grants. `why` goes into the log."""
    scope = current()
    if scope == "fleet":
        yield
        return
    if scope is not None:
        raise WrongScope(f"the scope of {scope} is open")
    log.debug("fleet scope: %s", why)
    with _scope("fleet", "mooring_fleet", ""):
        yield


@contextmanager
def login() -> Iterator[None]:
    """A transaction of the login role: people, memberships, service tokens, Django's tables."""
    if current() is not None:
        raise WrongScope(f"the scope of {current()} is open")
    with transaction.atomic():
        yield


@contextmanager
def attempt() -> Iterator[None]:
    """A savepoint around a statement whose refusal by the database is an answer, not an end."""
    with transaction.atomic():
        yield


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """True for the first who is here; a second copy gets False and should leave.

    A session lock on a connection of its own process: it ends with the connection, so a killed
    worker blocks nobody.
    """
    key = zlib.crc32(name.encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        (mine,) = cursor.fetchone()
        try:
            yield bool(mine)
        finally:
            if mine:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def in_turn(name: str) -> None:
    """Wait until no other transaction is in the turn of this name; held until this one ends.
    Needs an open transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_TURNS, _number(name)])


def current() -> str | None:
    """The tenant's id, "fleet", or None outside any scope."""
    scope: str | None = getattr(connection, _SCOPE, None)
    return scope


def is_open() -> bool:
    """Is any transaction open? Then no code host may be asked."""
    return bool(connection.in_atomic_block)


def let_go() -> None:
    """Give this thread's connection back: what follows takes long. The next scope takes a new one.
    Inside a transaction nothing happens."""
    if not connection.in_atomic_block:
        connection.close()


def after(work: Callable[[], object]) -> None:
    """Run `work` once the outermost transaction has committed; at once when none is open."""
    transaction.on_commit(work)


@contextmanager
def _scope(name: str, role: str, tenant_setting: str) -> Iterator[None]:
    inside_another = connection.in_atomic_block
    with transaction.atomic():
        _become(role, tenant_setting)
        setattr(connection, _SCOPE, name)
        try:
            yield
        finally:
            setattr(connection, _SCOPE, None)
        if inside_another:
            # SET LOCAL outlives a released savepoint; only a rollback to it undoes the setting.
            _become("none", "")


def _number(name: str) -> int:
    """A name as PostgreSQL's advisory locks want it: 32 bits, signed."""
    return zlib.crc32(name.encode()) - (1 << 31)


def _become(role: str, tenant_setting: str) -> None:
    with connection.cursor() as cursor:
        # One round trip. "true" ends the setting with the transaction: a session-wide SET
        # leaked rows to the next user of the connection (security.md 7, measured).
        cursor.execute(
            "SELECT set_config('role', %s, true), set_config('app.tenant', %s, true)",
            [role, tenant_setting],
        )
