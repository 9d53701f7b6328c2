"""The statement every use of a credential begins with: its row with binding and host, by key.

Written by hand because it is measured: made by the ORM on every use it was half the CPU of a small
clone (performance.md F4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Field, Model

from bindings.models.bindings import Binding
from bindings.models.credentials import Credential
from bindings.models.hosts import CodeHost

Row = TypeVar("Row", bound=Model)
Change = Callable[[Any], Any]


class Columns:
    """The columns of a model in a hand-written statement, and how its rows are made of them."""

    def __init__(self, model: type[Model], alias: str, wanted: str = "") -> None:
        names = wanted.split()
        fields = [f for f in model._meta.concrete_fields if not names or f.attname in names]
        self._names = [field.attname for field in fields]
        self._changes = [(at, _change(field)) for at, field in enumerate(fields) if _odd(field)]
        self.text = ", ".join(f"{alias}.{field.column}" for field in fields)
        self.count = len(fields)

    def row(self, model: type[Row], values: Sequence[Any]) -> Row:
        """A row as the ORM would have made it; it reads any other column when asked for it."""
        mine = list(values[: self.count])
        for at, change in self._changes:
            mine[at] = change(mine[at])
        return model.from_db(connection.alias, self._names, mine)


def _odd(field: Field[Any, Any]) -> bool:
    return bool(_converters(field))


def _converters(field: Field[Any, Any]) -> list[Any]:
    column = field.get_col("")
    return connection.ops.get_db_converters(column) + field.get_db_converters(connection)


def _change(field: Field[Any, Any]) -> Change:
    column, converters = field.get_col(""), _converters(field)

    def changed(value: Any) -> Any:
        for convert in converters:
            value = convert(value, column, connection)
        return value

    return changed


_CREDENTIAL = Columns(Credential, "credential")
_BINDING = Columns(Binding, "binding")
_HOST = Columns(CodeHost, "host")
_IN_USE = f"""
SELECT {_CREDENTIAL.text}, {_BINDING.text}, {_HOST.text}
  FROM bindings_credential AS credential
  JOIN bindings_binding AS binding ON binding.id = credential.binding_id
  JOIN bindings_codehost AS host ON host.id = binding.host_id
 WHERE credential.tenant_id = %s AND credential.binding_id = %s AND binding.unbound_at IS NULL
"""  # noqa: S608 - our own tables and columns


def credential_in_use(tenant_id: UUID, binding_id: UUID) -> Credential | None:
    """The credential of a live binding, with binding and host. Needs the tenant's scope."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_USE, [tenant_id, binding_id])
        values = cursor.fetchone()
    if values is None:
        return None
    found = _CREDENTIAL.row(Credential, values)
    values = values[_CREDENTIAL.count :]
    found.binding = _BINDING.row(Binding, values)
    found.binding.host = _HOST.row(CodeHost, values[_BINDING.count :])
    return found
