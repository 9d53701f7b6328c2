"""What a binding is for: webhooks, deliveries, triggers, the outbox and leases. Additive."""

import bindings.models.fields
import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import portal.ground.ids
from django.db import migrations, models

from portal.ground.operations import Grant, RowSecurity, TenantKey

_SECRETS = "secret, previous_secret, previous_until, key_id"
_HOOK = f"{_SECRETS}, remote_id, status, status_since, trouble, checked_at, check_at, failures, heard_at, baseline_at"
_ENDPOINT = f"{_SECRETS}, enabled, why, disabled_at, failing_since, last_delivery_at, version"


class Migration(migrations.Migration):

    dependencies = [
        ('bindings', '0007_drill'),
        ('tenants', '0003_telling'),
    ]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('name', models.CharField(max_length=80)),
                ('url', models.CharField(max_length=2000)),
                ('secret', bindings.models.fields.SealedField(null=True)),
                ('previous_secret', bindings.models.fields.SealedField(null=True)),
                ('previous_until', models.DateTimeField(blank=True, null=True)),
                ('key_id', models.CharField(blank=True, max_length=20)),
                ('secret_set_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('kinds', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)),
                ('instances', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), blank=True, null=True, size=None)),
                ('enabled', models.BooleanField(default=True)),
                ('why', models.CharField(blank=True, max_length=20)),
                ('disabled_at', models.DateTimeField(blank=True, null=True)),
                ('failing_since', models.DateTimeField(blank=True, null=True)),
                ('last_delivery_at', models.DateTimeField(blank=True, null=True)),
                ('made_by', models.UUIDField(blank=True, null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Dispatch',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('lane', models.CharField(blank=True, max_length=500)),
                ('seq', models.BigIntegerField()),
                ('body', models.TextField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('delivered', 'Delivered'), ('abandoned', 'Abandoned')], default='waiting', max_length=10)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('attempts', models.JSONField(default=list)),
                ('next_at', models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ('delivered_at', models.DateTimeField(blank=True, null=True)),
                ('event', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.event')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('endpoint', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='dispatches', to='bindings.endpoint')),
            ],
        ),
        migrations.CreateModel(
            name='Hook',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('remote_id', models.CharField(blank=True, max_length=200)),
                ('secret', bindings.models.fields.SealedField(null=True)),
                ('previous_secret', bindings.models.fields.SealedField(null=True)),
                ('previous_until', models.DateTimeField(blank=True, null=True)),
                ('key_id', models.CharField(blank=True, max_length=20)),
                ('proof', models.CharField(choices=[('hmac', 'Body'), ('signed', 'Id, time and body'), ('time', 'Time only'), ('token', 'Shared word')], max_length=10)),
                ('status', models.CharField(choices=[('unverified', 'Nothing received yet'), ('active', 'Active'), ('missing', 'Gone at the platform'), ('mismatch', 'Secret or address differs'), ('disabled', 'Switched off by the platform'), ('failing', 'Failing'), ('removing', 'Being removed'), ('removed', 'Removed')], default='unverified', max_length=12)),
                ('status_since', models.DateTimeField(default=django.utils.timezone.now)),
                ('trouble', models.CharField(blank=True, max_length=40)),
                ('checked_at', models.DateTimeField(blank=True, null=True)),
                ('check_at', models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ('failures', models.PositiveSmallIntegerField(default=0)),
                ('heard_at', models.DateTimeField(blank=True, null=True)),
                ('baseline_at', models.DateTimeField(blank=True, null=True)),
                ('made_by', models.UUIDField(blank=True, null=True)),
                ('binding', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='hooks', to='bindings.binding')),
                ('repository', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='hooks', to='bindings.repository')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Head',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('ref', models.CharField(max_length=400)),
                ('sha', models.CharField(max_length=64)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('hook', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='heads', to='bindings.hook')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('key', models.CharField(max_length=200, null=True)),
                ('body_hash', models.BinaryField(max_length=32, null=True)),
                ('event', models.CharField(blank=True, max_length=80)),
                ('headers', models.JSONField(default=dict)),
                ('body', models.BinaryField(default=bytes)),
                ('origin', models.CharField(choices=[('provider', 'Sent by the platform'), ('recovered', 'Found by comparing heads')], default='provider', max_length=10)),
                ('signature', models.CharField(choices=[('valid', 'Valid'), ('mismatch', 'Mismatch'), ('missing', 'Missing'), ('stale', 'Stale')], default='valid', max_length=10)),
                ('outcome', models.CharField(choices=[('queued', 'Queued'), ('matched', 'Matched'), ('no_trigger', 'No trigger'), ('ignored', 'Ignored'), ('unreadable', 'Unreadable'), ('unconfirmed', 'Unconfirmed'), ('refused', 'Refused'), ('failed', 'Failed')], default='queued', max_length=12)),
                ('trouble', models.CharField(blank=True, max_length=40)),
                ('refs', models.JSONField(default=list)),
                ('events', models.JSONField(default=list)),
                ('duplicates', models.PositiveIntegerField(default=0)),
                ('replays', models.PositiveIntegerField(default=0)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_at', models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('processed_at', models.DateTimeField(blank=True, null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('hook', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='bindings.hook')),
            ],
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('kind', models.CharField(choices=[('proxied', 'Through the git proxy'), ('provider_token', 'Minted by the platform')], max_length=20)),
                ('path', models.CharField(max_length=1000)),
                ('digest', models.BinaryField(max_length=32, null=True, unique=True)),
                ('remote_id', models.CharField(blank=True, max_length=200)),
                ('build', models.CharField(blank=True, max_length=100)),
                ('issued_to', models.JSONField(default=dict)),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('uses', models.PositiveIntegerField(default=0)),
                ('bytes', models.PositiveBigIntegerField(default=0)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('binding', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='leases', to='bindings.binding')),
                ('repository', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='leases', to='bindings.repository')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Trigger',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('name', models.CharField(max_length=80)),
                ('mode', models.CharField(choices=[('automatic', 'Automatic'), ('manual', 'Manual')], default='automatic', max_length=10)),
                ('enabled', models.BooleanField(default=True)),
                ('branches', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=None)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), blank=True, default=list, size=None)),
                ('variables', models.JSONField(blank=True, default=dict)),
                ('endpoints', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), blank=True, null=True, size=None)),
                ('waiting_since', models.DateTimeField(blank=True, null=True)),
                ('last_event_at', models.DateTimeField(blank=True, null=True)),
                ('made_by', models.UUIDField(blank=True, null=True)),
                ('version', models.PositiveIntegerField(default=1)),
                ('instance', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='triggers', to='tenants.instance')),
                ('repository', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='triggers', to='bindings.repository')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Firing',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('ref', models.CharField(max_length=400)),
                ('sha', models.CharField(max_length=64)),
                ('event', models.UUIDField()),
                ('manual', models.BooleanField(default=False)),
                ('delivery', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='firings', to='bindings.delivery')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('trigger', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='firings', to='bindings.trigger')),
            ],
        ),
        migrations.AddConstraint(
            model_name='endpoint',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='endpoint_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='endpoint',
            constraint=models.UniqueConstraint(fields=('tenant', 'name'), name='endpoint_name'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['endpoint', 'next_at'], name='dispatch_due'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['endpoint', 'seq'], name='dispatch_order'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(condition=models.Q(('state', 'abandoned')), fields=['created_at'], name='dispatch_dead'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(fields=['endpoint', '-created_at'], name='dispatch_of_endpoint'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(fields=['created_at'], name='dispatch_age'),
        ),
        migrations.AddConstraint(
            model_name='dispatch',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='dispatch_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='dispatch',
            constraint=models.UniqueConstraint(fields=('event', 'endpoint'), name='dispatch_once'),
        ),
        migrations.AddConstraint(
            model_name='dispatch',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'delivered', 'abandoned'])), name='dispatch_state'),
        ),
        migrations.AddIndex(
            model_name='hook',
            index=models.Index(condition=models.Q(models.Q(('status', 'removed'), _negated=True), ('check_at__isnull', False)), fields=['check_at'], name='hook_due'),
        ),
        migrations.AddConstraint(
            model_name='hook',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='hook_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='hook',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'removed'), _negated=True), fields=('binding', 'repository'), name='hook_once'),
        ),
        migrations.AddConstraint(
            model_name='hook',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['unverified', 'active', 'missing', 'mismatch', 'disabled', 'failing', 'removing', 'removed'])), name='hook_status'),
        ),
        migrations.AddConstraint(
            model_name='hook',
            constraint=models.CheckConstraint(condition=models.Q(('proof__in', ['hmac', 'signed', 'time', 'token'])), name='hook_proof'),
        ),
        migrations.AddConstraint(
            model_name='head',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='head_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='head',
            constraint=models.UniqueConstraint(fields=('hook', 'ref'), name='head_once'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('next_at__isnull', False)), fields=['next_at'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('next_at__isnull', False)), fields=['hook', 'received_at'], name='delivery_in_turn'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['hook', 'received_at'], name='delivery_of_hook'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['received_at'], name='delivery_age'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='delivery_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('hook', 'key'), name='delivery_once'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('body_hash__isnull', False)), fields=('hook', 'body_hash'), name='delivery_body_once'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('origin__in', ['provider', 'recovered'])), name='delivery_origin'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['queued', 'matched', 'no_trigger', 'ignored', 'unreadable', 'unconfirmed', 'refused', 'failed'])), name='delivery_outcome'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('signature__in', ['valid', 'mismatch', 'missing', 'stale'])), name='delivery_signature'),
        ),
        migrations.AddIndex(
            model_name='lease',
            index=models.Index(condition=models.Q(('ended_at', None), ('revoked_at', None)), fields=['binding', 'expires_at'], name='lease_live'),
        ),
        migrations.AddIndex(
            model_name='lease',
            index=models.Index(fields=['created_at'], name='lease_age'),
        ),
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='lease_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['proxied', 'provider_token'])), name='lease_kind'),
        ),
        migrations.AddIndex(
            model_name='trigger',
            index=models.Index(condition=models.Q(('enabled', True)), fields=['repository'], name='trigger_of_repository'),
        ),
        migrations.AddIndex(
            model_name='trigger',
            index=models.Index(condition=models.Q(('waiting_since__isnull', False)), fields=['waiting_since'], name='trigger_waiting'),
        ),
        migrations.AddConstraint(
            model_name='trigger',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='trigger_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='trigger',
            constraint=models.UniqueConstraint(fields=('instance', 'name'), name='trigger_name'),
        ),
        migrations.AddConstraint(
            model_name='trigger',
            constraint=models.CheckConstraint(condition=models.Q(('mode__in', ['automatic', 'manual'])), name='trigger_mode'),
        ),
        migrations.AddConstraint(
            model_name='firing',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='firing_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='firing',
            constraint=models.UniqueConstraint(condition=models.Q(('manual', False)), fields=('trigger', 'ref', 'sha'), name='firing_once'),
        ),
        *(
            TenantKey(f"bindings_{table}", f"{parent}_id", target)
            for table, parent, target in (
                ("hook", "binding", "bindings_binding"),
                ("hook", "repository", "bindings_repository"),
                ("head", "hook", "bindings_hook"),
                ("delivery", "hook", "bindings_hook"),
                ("trigger", "instance", "tenants_instance"),
                ("trigger", "repository", "bindings_repository"),
                ("firing", "trigger", "bindings_trigger"),
                ("dispatch", "event", "tenants_event"),
                ("dispatch", "endpoint", "bindings_endpoint"),
                ("lease", "binding", "bindings_binding"),
                ("lease", "repository", "bindings_repository"),
            )
        ),
        # Deliveries go after 30 days; what they fired stays, so that it is not fired again.
        TenantKey(
            "bindings_firing",
            "delivery_id",
            "bindings_delivery",
            on_delete="SET NULL (delivery_id)",
        ),
        # The fleet receives, compares and relays for all tenants; leases are none of its business.
        RowSecurity("bindings_hook"),
        Grant(
            "bindings_hook",
            app="SELECT, INSERT, UPDATE",
            fleet=f"SELECT, UPDATE ({_HOOK})",
        ),
        RowSecurity("bindings_head", fleet=False),
        Grant("bindings_head", app="SELECT, INSERT, UPDATE, DELETE"),
        RowSecurity("bindings_delivery"),
        Grant(
            "bindings_delivery",
            app="SELECT, INSERT, UPDATE",
            fleet="SELECT, INSERT, UPDATE, DELETE",
        ),
        RowSecurity("bindings_trigger"),
        Grant(
            "bindings_trigger", app="SELECT, INSERT, UPDATE, DELETE", fleet="SELECT, DELETE"
        ),
        RowSecurity("bindings_firing"),
        Grant("bindings_firing", app="SELECT, INSERT", fleet="SELECT, DELETE"),
        RowSecurity("bindings_endpoint"),
        Grant(
            "bindings_endpoint",
            app="SELECT, INSERT, UPDATE, DELETE",
            fleet=f"SELECT, UPDATE ({_ENDPOINT})",
        ),
        RowSecurity("bindings_dispatch"),
        Grant(
            "bindings_dispatch",
            app="SELECT, INSERT, UPDATE",
            fleet="SELECT, INSERT, UPDATE, DELETE",
        ),
        RowSecurity("bindings_lease", fleet=False),
        Grant("bindings_lease", app="SELECT, INSERT, UPDATE, DELETE"),
    ]
