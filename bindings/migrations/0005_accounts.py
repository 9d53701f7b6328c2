"""Hand-off links without a server of their own, tokens that can be put back, what is in use."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

from portal.ground.operations import sql

_PUT_BACK = "previous, rollback_until"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("bindings", "0004_platform")]

    operations: ClassVar = [
        migrations.AlterField(
            "authorization",
            "host",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="bindings.codehost",
            ),
        ),
        migrations.AddField("credential", "previous", models.JSONField(blank=True, null=True)),
        migrations.AddIndex(
            "credential",
            models.Index(
                condition=models.Q(("rollback_until__isnull", False)),
                fields=["rollback_until"],
                name="credential_put_back",
            ),
        ),
        migrations.AddField(
            "repository", "used_at", models.DateTimeField(blank=True, null=True)
        ),
        # The upkeep job destroys a replaced token whose day has passed.
        sql(
            f"GRANT UPDATE ({_PUT_BACK}) ON bindings_credential TO mooring_fleet",
            reverse=[f"REVOKE UPDATE ({_PUT_BACK}) ON bindings_credential FROM mooring_fleet"],
        ),
    ]
