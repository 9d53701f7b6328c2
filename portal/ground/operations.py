"""Migration operations that hold tenancy in the database: keys, row security and grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.migrations.operations.special import RunSQL

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
        policies = {"one_tenant": ("mooring_app", mine)}
        if fleet:
            policies["all_rows"] = ("mooring_fleet", "true")
        if login:
            policies["leads_to_tenant"] = ("mooring_login", "true")
        made = (
            f"CREATE POLICY {name} ON {table} TO {role} USING ({rows}) WITH CHECK ({rows})"
            for name, (role, rows) in policies.items()
        )
        super().__init__(
            [
                f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
                f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
                *made,
            ],
            [
                *(f"DROP POLICY {name} ON {table}" for name in policies),
                f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            ],
        )


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
    """Rows of this table are never changed and never removed by us, whatever our code tries."""

    def __init__(self, table: str) -> None:
        super().__init__(
            [
                f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$"
                f" BEGIN RAISE EXCEPTION '{table} is append-only'"
                " USING ERRCODE = 'restrict_violation'; END $$",
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
                f" FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only()",
            ],
            [f"DROP TRIGGER append_only ON {table}", f"DROP FUNCTION {table}_is_append_only()"],
        )


def sql(*statements: str, reverse: Sequence[str] = ()) -> RunSQL:
    """Plain statements of a migration."""
    backwards: Any = list(reverse) if reverse else RunSQL.noop
    return RunSQL(list(statements), backwards)
