"""The one statement every API call begins with: a token by its digest, with tenant and owner.

Written by hand because it is measured (`performance.md` C4): built by the ORM on every call it
cost ten times the CPU.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import connection
from django.db.models import Model

from portal.tenants.models.people import User
from portal.tenants.models.tenants import Tenant
from portal.tenants.models.tokens import ServiceToken

Row = TypeVar("Row", bound=Model)


def _columns(model: type[Model]) -> list[str]:
    return [field.column for field in model._meta.concrete_fields if field.column]


_TOKEN, _TENANT = _columns(ServiceToken), _columns(Tenant)
_PERSON = [column for column in _columns(User) if column != "password"]
BY_DIGEST = """
SELECT {token}, {tenant}, member.role, {person}
  FROM tenants_servicetoken AS token
  JOIN tenants_tenant AS tenant ON tenant.id = token.tenant_id
  LEFT JOIN tenants_user AS person ON person.id = token.owner_id
  LEFT JOIN tenants_membership AS member ON member.left_at IS NULL
       AND member.tenant_id = token.tenant_id AND member.user_id = token.owner_id
 WHERE token.digest = %s
""".format(
    **{
        name: ", ".join(f"{name}.{column}" for column in columns)
        for name, columns in (("token", _TOKEN), ("tenant", _TENANT), ("person", _PERSON))
    }
)


def token_by_digest(digest: bytes) -> tuple[ServiceToken, str] | None:
    """The token with its tenant and owner, and the role its owner has now ("" without one).
    None when there is no such token. Needs no scope."""
    with connection.cursor() as cursor:
        cursor.execute(BY_DIGEST, [digest])
        row = cursor.fetchone()
    if row is None:
        return None
    token = _made(ServiceToken, _TOKEN, row)
    token.tenant = _made(Tenant, _TENANT, row[len(_TOKEN) :])
    role, person = row[len(_TOKEN) + len(_TENANT)], row[len(_TOKEN) + len(_TENANT) + 1 :]
    if token.owner_id is not None:
        token.owner = _made(User, _PERSON, person)
    return token, role or ""


def _made(model: type[Row], columns: list[str], row: tuple[object, ...]) -> Row:
    """A row as the ORM would have made it; it reads any other column when asked for it."""
    return model.from_db(connection.alias, columns, row[: len(columns)])
