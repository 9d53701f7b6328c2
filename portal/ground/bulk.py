"""Statements that carry or return thousands of values: bound by the server, in binary.

Django binds on the client, as text: for a batch of a sweep that was a tenth of all its time. The
connection, its transaction, its role and its log are Django's own; `%b` marks a binary parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.pq import Format


def execute(statement: str, given: Mapping[str, Any] | Sequence[Any]) -> CursorWrapper:
    """Run one statement in the open scope (`rls`); the cursor gives its rows. Raises Django's
    database errors."""
    bare = psycopg.Cursor(connection.connection)
    bare.format = Format.BINARY
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    cursor = wrap(bare)  # type: ignore[arg-type]  # the stubs want a wrapper to wrap
    cursor.execute(statement, given)
    return cursor
