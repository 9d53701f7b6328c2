"""What people are told and how: lines they read, mails, preferences, calendar addresses."""

import django.db.models.deletion
import django.utils.timezone
import portal.ground.ids
from django.conf import settings
from django.db import migrations, models

from portal.ground.operations import Grant, RowSecurity, TenantKey


class Migration(migrations.Migration):

    dependencies = [
        ('bindings', '0005_accounts'),
        ('tenants', '0003_telling'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Feed',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('digest', models.BinaryField(max_length=32, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name='Mail',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('topic', models.CharField(max_length=20)),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_at', models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Preference',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('topic', models.CharField(choices=[('broken', 'broken'), ('ends_later', 'ends_later'), ('ends_soon', 'ends_soon'), ('permission', 'permission'), ('unreachable', 'unreachable'), ('recovered', 'recovered'), ('plumbing', 'plumbing'), ('changes', 'changes')], max_length=20)),
                ('channel', models.CharField(choices=[('mail', 'mail'), ('digest', 'digest'), ('portal', 'portal'), ('none', 'none')], max_length=10)),
            ],
        ),
        migrations.CreateModel(
            name='Telling',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('kind', models.CharField(max_length=40)),
                ('step', models.SmallIntegerField(default=0)),
                ('host_id', models.UUIDField(null=True)),
                ('channel', models.CharField(choices=[('mail', 'mail'), ('digest', 'digest'), ('portal', 'portal'), ('none', 'none')], max_length=10)),
                ('many', models.PositiveIntegerField(default=1)),
                ('opened_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('read_at', models.DateTimeField(blank=True, null=True)),
                ('mail_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Told',
            fields=[
                ('id', models.UUIDField(default=portal.ground.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='notice',
            name='data',
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name='notice',
            name='told_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='notice',
            name='binding',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='bindings.binding'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('told_at', None)), fields=['tenant', 'opened_at'], name='notice_waiting'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='notice_tenant_id'),
        ),
        migrations.AddField(
            model_name='feed',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant'),
        ),
        migrations.AddField(
            model_name='feed',
            name='token',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.servicetoken'),
        ),
        migrations.AddField(
            model_name='feed',
            name='user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='mail',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant'),
        ),
        migrations.AddField(
            model_name='mail',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='preference',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='telling',
            name='mail',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='tellings', to='bindings.mail'),
        ),
        migrations.AddField(
            model_name='telling',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant'),
        ),
        migrations.AddField(
            model_name='telling',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='told',
            name='notice',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='told', to='bindings.notice'),
        ),
        migrations.AddField(
            model_name='told',
            name='telling',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='told', to='bindings.telling'),
        ),
        migrations.AddField(
            model_name='told',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant'),
        ),
        migrations.AddField(
            model_name='told',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='feed_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.UniqueConstraint(fields=('tenant', 'user'), name='feed_of_person'),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.UniqueConstraint(fields=('tenant', 'token'), name='feed_of_token'),
        ),
        migrations.AddConstraint(
            model_name='feed',
            constraint=models.CheckConstraint(condition=models.Q(('user', None), ('token', None), _connector='XOR'), name='feed_of_one'),
        ),
        migrations.AddIndex(
            model_name='mail',
            index=models.Index(condition=models.Q(('next_at', None), _negated=True), fields=['next_at'], name='mail_due'),
        ),
        migrations.AddIndex(
            model_name='mail',
            index=models.Index(fields=['created_at'], name='mail_age'),
        ),
        migrations.AddConstraint(
            model_name='mail',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='mail_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='preference',
            constraint=models.UniqueConstraint(fields=('user', 'topic'), name='preference_once'),
        ),
        migrations.AddIndex(
            model_name='telling',
            index=models.Index(fields=['tenant', 'user', 'opened_at'], name='telling_of'),
        ),
        migrations.AddIndex(
            model_name='telling',
            index=models.Index(condition=models.Q(('mail', None), models.Q(('mail_at', None), _negated=True)), fields=['mail_at'], name='telling_due'),
        ),
        migrations.AddIndex(
            model_name='telling',
            index=models.Index(fields=['created_at'], name='telling_age'),
        ),
        migrations.AddConstraint(
            model_name='telling',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='telling_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='told',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='told_tenant_id'),
        ),
        migrations.AddConstraint(
            model_name='told',
            constraint=models.UniqueConstraint(fields=('user', 'notice', 'at'), name='told_once'),
        ),
        TenantKey("bindings_telling", "mail_id", "bindings_mail"),
        TenantKey("bindings_told", "telling_id", "bindings_telling"),
        TenantKey("bindings_told", "notice_id", "bindings_notice"),
        TenantKey("bindings_feed", "token_id", "tenants_servicetoken"),
        # The fleet only finds which tenants have something to tell, removes what is old, and
        # follows the key of a link; whom and how is decided inside each tenant.
        RowSecurity("bindings_mail"),
        Grant("bindings_mail", app="SELECT, INSERT, UPDATE", fleet="SELECT, DELETE"),
        RowSecurity("bindings_telling"),
        Grant(
            "bindings_telling", app="SELECT, INSERT, UPDATE, DELETE", fleet="SELECT, DELETE"
        ),
        RowSecurity("bindings_told", fleet=False),
        Grant("bindings_told", app="SELECT, INSERT, UPDATE"),
        RowSecurity("bindings_feed"),
        Grant("bindings_feed", app="SELECT, INSERT, UPDATE, DELETE", fleet="SELECT"),
        # Of a person, not of a tenant: the same in all of theirs.
        Grant(
            "bindings_preference", login="SELECT, INSERT, UPDATE, DELETE", app="SELECT"
        ),
    ]
