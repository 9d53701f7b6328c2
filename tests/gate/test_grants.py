"""What each role of the database may do with each table of ours, as one table to read.

Row security itself is tested in `tests/portal/test_rls.py`; here a right cannot grow unseen.
S, I, U, D are SELECT, INSERT, UPDATE, DELETE; small letters: on some columns only.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.apps import apps

LOGIN, APP, FLEET = "mooring_login", "mooring_app", "mooring_fleet"
#                                      login   app     fleet
RIGHTS = {
    "tenants_user": ("SIUD", "s", "s"),
    "tenants_user_groups": ("SIUD", "", ""),
    "tenants_user_user_permissions": ("SIUD", "", ""),
    "tenants_tenant": ("SIU", "S", "Su"),
    "tenants_membership": ("SIU", "SIU", ""),
    "tenants_invitation": ("SIU", "SIU", ""),
    "tenants_servicetoken": ("SIU", "SIU", ""),
    "tenants_instance": ("", "SIU", "S"),
    "tenants_event": ("", "SI", "SI"),
    "tenants_chainhead": ("", "SIU", "SIU"),
    "tenants_reply": ("", "SIUD", "SD"),
    "bindings_codehost": ("", "SIU", "SIUD"),
    "bindings_hostoffer": ("", "S", "SIUD"),
    "bindings_platformaccount": ("", "SIU", "Su"),
    "bindings_binding": ("", "SIU", "Su"),
    "bindings_credential": ("", "SIUD", "Su"),
    "bindings_schedule": ("", "SIUD", "SU"),
    "bindings_check": ("", "SIUD", "SID"),
    "bindings_healthday": ("", "S", "SIUD"),
    "bindings_repository": ("", "SIUD", "SD"),
    "bindings_notice": ("", "SIU", "SIU"),
    "bindings_mail": ("", "SIU", "SD"),
    "bindings_telling": ("", "SIUD", "SD"),
    "bindings_told": ("", "SIU", ""),
    "bindings_preference": ("SIUD", "S", ""),
    "bindings_feed": ("", "SIUD", "S"),
    "bindings_authorization": ("", "SIUD", "SD"),
    "bindings_drill": ("", "SIU", "SD"),
    "bindings_ending": ("", "SIU", "SD"),
    "bindings_refreshintent": ("", "SIUD", "SD"),
    "bindings_hook": ("", "SIU", "Su"),
    "bindings_head": ("", "SIUD", ""),
    "bindings_delivery": ("", "SIU", "SIUD"),
    "bindings_trigger": ("", "SIUD", "SD"),
    "bindings_firing": ("", "SI", "SD"),
    "bindings_endpoint": ("", "SIUD", "Su"),
    "bindings_dispatch": ("", "SIU", "SIUD"),
    "bindings_lease": ("", "SIUD", ""),
}
_LETTERS = {"SELECT": "S", "INSERT": "I", "UPDATE": "U", "DELETE": "D"}
Superuser = psycopg.Connection[Any]


def rights(superuser: Superuser, role: str, table: str) -> str:
    """Own rights of one role: without those of the roles it may become."""
    whole = superuser.execute(
        "SELECT DISTINCT a.privilege_type FROM pg_class c, aclexplode(c.relacl) a"
        " WHERE c.relname = %s AND a.grantee = %s::regrole",
        [table, role],
    )
    some = superuser.execute(
        "SELECT DISTINCT a.privilege_type FROM pg_attribute t, aclexplode(t.attacl) a"
        " WHERE t.attrelid = %s::regclass AND a.grantee = %s::regrole",
        [table, role],
    )
    of_table = {name for (name,) in whole}
    of_columns = {name for (name,) in some} - of_table
    unknown = (of_table | of_columns) - set(_LETTERS)
    assert not unknown, (table, role, unknown)
    return "".join(
        letter if name in of_table else letter.lower()
        for name, letter in _LETTERS.items()
        if name in of_table | of_columns
    )


def test_every_table_is_in_the_table() -> None:
    ours = {
        model._meta.db_table
        for label in ("tenants", "bindings")
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    }
    assert ours == set(RIGHTS)


def test_each_role_has_these_rights_and_no_more(superuser: Superuser) -> None:
    found = {
        table: tuple(rights(superuser, role, table) for role in (LOGIN, APP, FLEET))
        for table in RIGHTS
    }
    assert found == RIGHTS


def test_nobody_gets_anything_by_being_somebody(superuser: Superuser) -> None:
    public = superuser.execute(
        "SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a"
        " WHERE a.grantee = 0 AND c.relnamespace = 'public'::regnamespace"
    )
    assert list(public) == []


def test_no_role_may_pass_row_security_by(superuser: Superuser) -> None:
    powerful = superuser.execute(
        "SELECT rolname FROM pg_roles WHERE rolname IN (%s, %s, %s, 'mooring_owner')"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)",
        [LOGIN, APP, FLEET],
    )
    assert list(powerful) == []


def test_the_fleet_changes_verdicts_and_ciphertext_only(superuser: Superuser) -> None:
    """Neither whose a binding is, nor whom it belongs to, nor where its token goes."""
    columns = superuser.execute(
        "SELECT t.attrelid::regclass::text, t.attname FROM pg_attribute t, aclexplode(t.attacl) a"
        " WHERE a.grantee = 'mooring_fleet'::regrole AND a.privilege_type = 'UPDATE'"
    )
    found: dict[str, set[str]] = {}
    for table, column in columns:
        found.setdefault(table, set()).add(column)
    fixed = {"id", "tenant_id", "instance_id", "host_id", "provider", "account_id", "kind"}
    assert not found["bindings_binding"] & (fixed | {"bound_by_id", "unbound_at", "labels"})
    assert found["bindings_credential"] == {
        *("access", "refresh", "previous_access", "previous_refresh", "key_id"),
        *("previous", "rollback_until", "renew_at"),
    }
    assert found["tenants_tenant"] == {"name", "suspended_at"}
