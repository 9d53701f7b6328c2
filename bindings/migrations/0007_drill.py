"""Fire drills: their table, and the marks on what they touch."""

import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
import portal.ground.ids
from django.db import migrations, models


from portal.ground.operations import Grant, RowSecurity, TenantKey


class Migration(migrations.Migration):

    dependencies = [
        ('bindings', '0002_security'),
        ('tenants', '0002_security'),
    ]

    operations = [
        migrations.AddField(
            model_name='binding',
            name='drill',
            field=models.CharField(blank=True, db_default='', default='', max_length=20),
        ),
        migrations.AddField(
            model_name='check',
            name='drill',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name='Drill',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('scenario', models.CharField(max_length=20)),
                ('by', models.JSONField(default=dict)),
                ('begun_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('until', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('kept', models.JSONField(default=dict)),
                ('report', models.JSONField(blank=True, default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('binding', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='drills', to='bindings.binding')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('ended_at', None)), fields=['until'], name='drill_running'), models.Index(fields=['tenant', 'binding', '-begun_at'], name='drill_of_binding')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'id'), name='drill_tenant_id'), models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('binding',), name='one_running_drill')],
            },
        ),
        TenantKey("bindings_drill", "binding_id", "bindings_binding"),
        RowSecurity("bindings_drill"),
        # The fleet finds those whose hour is over; each is ended in its tenant's own scope.
        Grant("bindings_drill", app="SELECT, INSERT, UPDATE", fleet="SELECT, DELETE"),
    ]
