"""Cloud accounts of tenants, and the bindings they bring."""

from typing import ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q

import bindings.models.fields
import portal.ground.ids
from portal.ground.operations import Grant, RowSecurity, TenantKey, sql


class Migration(migrations.Migration):
    dependencies: ClassVar = [("bindings", "0002_security"), ("tenants", "0002_security")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="PlatformAccount",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=portal.ground.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("secret", bindings.models.fields.SealedField(null=True)),
                ("key_id", models.CharField(max_length=32)),
                ("fingerprint", models.CharField(max_length=12)),
                ("entered_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("entered_by_name", models.CharField(blank=True, max_length=120)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("cloud_account", models.CharField(max_length=200)),
                ("account_id", models.CharField(max_length=200)),
                ("account_name", models.CharField(blank=True, max_length=200)),
                ("account_url", models.CharField(blank=True, max_length=500)),
                ("proofs", models.JSONField(default=dict)),
                ("repositories_seen", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="bindings.codehost",
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
            ],
            options={"verbose_name": "cloud account"},
        ),
        migrations.AddConstraint(
            model_name="platformaccount",
            constraint=models.UniqueConstraint(
                fields=["tenant", "host"], name="platform_account_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="platformaccount",
            constraint=models.UniqueConstraint(
                fields=["tenant", "id"], name="platform_account_tenant_id"
            ),
        ),
        migrations.AddField(
            model_name="binding",
            name="platform_account",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="bindings",
                to="bindings.platformaccount",
            ),
        ),
        migrations.AddConstraint(
            model_name="binding",
            constraint=models.CheckConstraint(
                condition=Q(kind="platform", platform_account__isnull=False)
                | Q(~Q(kind="platform"), platform_account__isnull=True),
                name="binding_platform_has_account",
            ),
        ),
        migrations.AddField(
            model_name="codehost",
            name="options",
            field=models.JSONField(blank=True, default=dict),
        ),
        sql(
            "ALTER TABLE bindings_codehost ALTER COLUMN options SET DEFAULT '{}'",
            reverse=["ALTER TABLE bindings_codehost ALTER COLUMN options DROP DEFAULT"],
        ),
        TenantKey("bindings_binding", "platform_account_id", "bindings_platformaccount"),
        RowSecurity("bindings_platformaccount"),
        Grant(
            "bindings_platformaccount",
            app="SELECT, INSERT, UPDATE",
            fleet="SELECT, UPDATE (secret, key_id)",
        ),
    ]
