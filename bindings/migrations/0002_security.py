"""Keys, row security and grants of the product; held by the database from the first day."""

from typing import ClassVar

from django.db import migrations

from portal.ground.operations import Grant, RowSecurity, TenantKey, sql

_ALL = "SELECT, INSERT, UPDATE, DELETE"
_MINE = "nullif(current_setting('app.tenant', true), '')::uuid"

_VERDICT = (
    "status, status_since, why, why_facts, before, before_why, reach, reach_since, reach_why,"
    " reach_facts, reach_until, suspicion, refused_at, first_failure_at, expires_at, quality,"
    " proofs, account_login, account_name, account_url, version"
)
_SEALED = "access, refresh, previous_access, previous_refresh, key_id"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("bindings", "0001_initial"), ("tenants", "0002_security")]

    operations: ClassVar = [
        TenantKey("bindings_binding", "instance_id", "tenants_instance"),
        sql(
            "ALTER TABLE bindings_binding ADD CONSTRAINT binding_host_of_provider"
            " FOREIGN KEY (host_id, provider) REFERENCES bindings_codehost (id, provider)",
            reverse=["ALTER TABLE bindings_binding DROP CONSTRAINT binding_host_of_provider"],
        ),
        TenantKey("bindings_credential", "binding_id", "bindings_binding"),
        TenantKey("bindings_check", "binding_id", "bindings_binding"),
        TenantKey("bindings_healthday", "binding_id", "bindings_binding"),
        TenantKey("bindings_notice", "binding_id", "bindings_binding"),
        TenantKey("bindings_ending", "binding_id", "bindings_binding"),
        TenantKey("bindings_repository", "instance_id", "tenants_instance"),
        TenantKey("bindings_authorization", "instance_id", "tenants_instance"),
        TenantKey("bindings_authorization", "binding_id", "bindings_binding"),
        TenantKey("bindings_authorization", "replaces_id", "bindings_binding"),
        # Code hosts: an operator's can be seen by all tenants but changed by none of them.
        sql(
            "ALTER TABLE bindings_codehost ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE bindings_codehost FORCE ROW LEVEL SECURITY",
            "CREATE POLICY seen ON bindings_codehost FOR SELECT TO mooring_app"
            f" USING (owner_id IS NULL OR owner_id = {_MINE})",
            "CREATE POLICY made ON bindings_codehost FOR INSERT TO mooring_app"
            f" WITH CHECK (owner_id = {_MINE})",
            "CREATE POLICY changed ON bindings_codehost FOR UPDATE TO mooring_app"
            f" USING (owner_id = {_MINE}) WITH CHECK (owner_id = {_MINE})",
            "CREATE POLICY all_rows ON bindings_codehost TO mooring_fleet"
            " USING (true) WITH CHECK (true)",
            reverse=[
                "DROP POLICY seen ON bindings_codehost",
                "DROP POLICY made ON bindings_codehost",
                "DROP POLICY changed ON bindings_codehost",
                "DROP POLICY all_rows ON bindings_codehost",
                "ALTER TABLE bindings_codehost NO FORCE ROW LEVEL SECURITY",
                "ALTER TABLE bindings_codehost DISABLE ROW LEVEL SECURITY",
            ],
        ),
        Grant("bindings_codehost", app="SELECT, INSERT, UPDATE", fleet=_ALL),
        RowSecurity("bindings_hostoffer"),
        Grant("bindings_hostoffer", app="SELECT", fleet=_ALL),
        RowSecurity("bindings_binding"),
        Grant(
            "bindings_binding",
            app="SELECT, INSERT, UPDATE",
            fleet=f"SELECT, UPDATE ({_VERDICT})",
        ),
        RowSecurity("bindings_credential"),
        Grant("bindings_credential", app=_ALL, fleet=f"SELECT, UPDATE ({_SEALED})"),
        # No tenant and no secret in it, so no row security either: see bindings.models.schedule.
        Grant("bindings_schedule", app=_ALL, fleet="SELECT, UPDATE"),
        sql(
            "ALTER TABLE bindings_schedule SET (fillfactor = 80,"
            " autovacuum_vacuum_scale_factor = 0.02)",
            reverse=[
                "ALTER TABLE bindings_schedule RESET (fillfactor, autovacuum_vacuum_scale_factor)"
            ],
        ),
        RowSecurity("bindings_check"),
        Grant("bindings_check", app=_ALL, fleet="SELECT, INSERT, DELETE"),
        RowSecurity("bindings_healthday"),
        Grant("bindings_healthday", app="SELECT", fleet="SELECT, INSERT, UPDATE, DELETE"),
        RowSecurity("bindings_repository"),
        Grant("bindings_repository", app=_ALL, fleet="SELECT, DELETE"),
        RowSecurity("bindings_notice"),
        Grant("bindings_notice", app="SELECT, INSERT, UPDATE", fleet="SELECT, INSERT, UPDATE"),
        RowSecurity("bindings_authorization"),
        Grant("bindings_authorization", app=_ALL, fleet="SELECT, DELETE"),
        RowSecurity("bindings_ending"),
        Grant("bindings_ending", app="SELECT, INSERT, UPDATE", fleet="SELECT, DELETE"),
    ]
