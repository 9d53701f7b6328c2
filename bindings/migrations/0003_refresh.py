"""Renewal of credentials: when each is due, and the intent of every request that may spend one.

Additive: a server of before goes on beside it. Pairs it had stored are due at once.
"""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

from portal.ground.operations import Grant, RowSecurity, TenantKey, sql


class Migration(migrations.Migration):
    dependencies: ClassVar = [("bindings", "0002_security"), ("tenants", "0002_security")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="RefreshIntent",
            fields=[
                (
                    "binding",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="intent",
                        serialize=False,
                        to="bindings.binding",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[("refresh", "Refresh"), ("rotate", "Rotate")], max_length=10
                    ),
                ),
                ("generation", models.PositiveIntegerField()),
                ("attempt", models.UUIDField()),
                ("worker", models.CharField(max_length=100)),
                ("started_at", models.DateTimeField()),
                ("deadline", models.DateTimeField()),
            ],
        ),
        migrations.AddConstraint(
            model_name="refreshintent",
            constraint=models.UniqueConstraint(
                fields=("tenant", "binding"), name="refresh_intent_tenant_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="refreshintent",
            constraint=models.CheckConstraint(
                condition=models.Q(("purpose__in", ["refresh", "rotate"])),
                name="refresh_intent_purpose",
            ),
        ),
        migrations.AddField(
            model_name="codehost",
            name="renew_after",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="redirect_uri",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="credential",
            name="renew_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="renew_failing_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="renew_failures",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="credential",
            name="renew_refused_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                models.F("renew_at"),
                condition=models.Q(("renew_at__isnull", False)),
                name="credential_renewal",
            ),
        ),
        TenantKey("bindings_refreshintent", "binding_id", "bindings_binding"),
        RowSecurity("bindings_refreshintent"),
        Grant(
            "bindings_refreshintent",
            app="SELECT, INSERT, UPDATE, DELETE",
            fleet="SELECT, DELETE",
        ),
        # The sweep lets a pair be refreshed at once whose access token was refused.
        sql(
            "GRANT UPDATE (renew_at) ON bindings_credential TO mooring_fleet",
            reverse=["REVOKE UPDATE (renew_at) ON bindings_credential FROM mooring_fleet"],
        ),
        sql(
            "ALTER TABLE bindings_credential NO FORCE ROW LEVEL SECURITY",
            "UPDATE bindings_credential SET renew_at = now() WHERE refresh IS NOT NULL",
            "ALTER TABLE bindings_credential FORCE ROW LEVEL SECURITY",
        ),
    ]
