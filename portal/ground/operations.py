"""Migration operations that hold tenancy in the database: keys, row security, grants, append-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.migrations.operations.special import RunSQL

ROLES = ("mooring_login", "mooring_app", "mooring_fleet")
_MINE = "tenant_id = nullif(current_setting('app.tenant', true), '')::uuid"


class TenantKey(RunSQL):
    """A composite foreign key (tenant_id, parent) → parent (tenant_id, id).

    Row security does not guard foreign keys: a plain one accepted another tenant's row
    (security.md 7, measured). Put `db_constraint=False` on the Django field.
    """

    def __init__(self, table: str, column: str, parent: str, *, on_delete: str = "CASCADE") -> None:
        name = f"{table}_{column}_tenant_fk"
        super().__init__(
            f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (tenant_id, {column})"
            f" REFERENCES {parent} (tenant_id, id) ON DELETE {on_delete}",
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
        )


class RowSecurity(RunSQL):
    """Row security, forced, on a tenant table. `mine` is the condition for one tenant.

    `login=True` is for the tables that lead to the tenant: the login role sees all of them.
    """

    def __init__(
        self, table: str, *, mine: str = _MINE, fleet: bool = True, login: bool = False
    ) -> None:
        forward = [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY one_tenant ON {table} TO mooring_app USING ({mine}) WITH CHECK ({mine})",
        ]
        if fleet:
            forward.append(
                f"CREATE POLICY all_rows ON {table} TO mooring_fleet USING (true) WITH CHECK (true)"
            )
        if login:
            forward.append(
                f"CREATE POLICY leads_to_tenant ON {table} TO mooring_login USING (true) WITH CHECK (true)"
            )
        backward = [
            f"DROP POLICY IF EXISTS {policy} ON {table}"
            for policy in ("one_tenant", "all_rows", "leads_to_tenant")
        ]
        backward += [
            f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        ]
        super().__init__(forward, backward)


class Grant(RunSQL):
    """Rights on one table: role="SELECT, INSERT", or role="SELECT (id, name)" for columns."""

    def __init__(self, table: str, **rights: str) -> None:
        unknown = set(rights) - {"login", "app", "fleet"}
        if unknown:
            raise ValueError(f"no such role: {sorted(unknown)}")
        super().__init__(
            [f"GRANT {what} ON {table} TO mooring_{role}" for role, what in rights.items()],
            [f"REVOKE ALL ON {table} FROM mooring_{role}" for role in rights],
        )


class AppendOnly(RunSQL):
    """Rows of this table are never changed and never removed, except by the retention function."""

    def __init__(self, table: str) -> None:
        super().__init__(
            [
                f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$"
                f" BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; END $$",
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
                f" FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only()",
            ],
            [f"DROP TRIGGER append_only ON {table}", f"DROP FUNCTION {table}_is_append_only()"],
        )


def in_words(values: Sequence[str]) -> str:
    """An SQL list of text values, for CHECK constraints made from an enum."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def sql(*statements: str, reverse: Sequence[str] = ()) -> RunSQL:
    """Plain statements of a migration."""
    backwards: Any = list(reverse) if reverse else RunSQL.noop
    return RunSQL(list(statements), backwards)
