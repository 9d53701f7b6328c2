"""Keys, row security and grants of tenancy; held by the database from the first day."""

from typing import ClassVar

from django.db import migrations

from portal.ground.operations import AppendOnly, Grant, RowSecurity, sql

_PERSON = "SELECT (id, email, name, language, zone, is_active)"
_ALL = "SELECT, INSERT, UPDATE, DELETE"

_OWNER_STAYS = """
CREATE FUNCTION tenants_an_owner_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM tenants_tenant WHERE id = OLD.tenant_id) AND NOT EXISTS (
    SELECT FROM tenants_membership
    WHERE tenant_id = OLD.tenant_id AND role = 'owner' AND left_at IS NULL
  ) THEN
    RAISE EXCEPTION 'a tenant needs at least one owner'
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'an_owner_stays';
  END IF;
  RETURN NULL;
END $$
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tenants", "0001_initial")]

    operations: ClassVar = [
        sql(
            "GRANT USAGE ON SCHEMA public TO mooring_login, mooring_app, mooring_fleet",
            reverse=["REVOKE USAGE ON SCHEMA public FROM mooring_app, mooring_fleet"],
        ),
        # Outside row security, because it is asked before the tenant is known.
        Grant("tenants_user", login=_ALL, app=_PERSON, fleet=_PERSON),
        Grant("tenants_user_groups", login=_ALL),
        Grant("tenants_user_user_permissions", login=_ALL),
        # These lead to the tenant: the login role sees all of them, a tenant its own.
        RowSecurity(
            "tenants_tenant",
            mine="id = nullif(current_setting('app.tenant', true), '')::uuid",
            login=True,
        ),
        Grant(
            "tenants_tenant",
            login="SELECT, INSERT, UPDATE",
            app="SELECT",
            fleet="SELECT, UPDATE (name, suspended_at)",
        ),
        RowSecurity("tenants_membership", fleet=False, login=True),
        Grant(
            "tenants_membership",
            login="SELECT, INSERT, UPDATE",
            app="SELECT, INSERT, UPDATE",
        ),
        RowSecurity("tenants_invitation", fleet=False, login=True),
        Grant(
            "tenants_invitation",
            login="SELECT, INSERT, UPDATE",
            app="SELECT, INSERT, UPDATE",
        ),
        RowSecurity("tenants_servicetoken", fleet=False, login=True),
        Grant(
            "tenants_servicetoken",
            login="SELECT, INSERT, UPDATE",
            app="SELECT, INSERT, UPDATE",
        ),
        # Only inside a scope.
        RowSecurity("tenants_instance"),
        Grant("tenants_instance", app="SELECT, INSERT, UPDATE", fleet="SELECT"),
        RowSecurity("tenants_event"),
        Grant("tenants_event", app="SELECT, INSERT", fleet="SELECT, INSERT"),
        AppendOnly("tenants_event"),
        RowSecurity("tenants_chainhead"),
        Grant("tenants_chainhead", app="SELECT, INSERT, UPDATE", fleet="SELECT, INSERT, UPDATE"),
        RowSecurity("tenants_reply"),
        Grant("tenants_reply", app=_ALL, fleet="SELECT, DELETE"),
        sql(
            _OWNER_STAYS,
            "CREATE CONSTRAINT TRIGGER an_owner_stays AFTER UPDATE OR DELETE ON tenants_membership"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            " WHEN (OLD.role = 'owner' AND OLD.left_at IS NULL)"
            " EXECUTE FUNCTION tenants_an_owner_stays()",
            reverse=[
                "DROP TRIGGER an_owner_stays ON tenants_membership",
                "DROP FUNCTION tenants_an_owner_stays()",
            ],
        ),
    ]
