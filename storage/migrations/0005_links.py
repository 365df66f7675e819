"""Links that end, blobs whose bytes are removed, readers' reports, and digests that are blocked."""

import database.amounts
import database.keys
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def release(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 - the hook's signature
    """Let links that were disabled before no longer keep their blobs, and let a sweep remove what was erased."""
    link = apps.get_model("storage", "Link")
    link.objects.filter(disabled_at__isnull=False).update(release_at=models.F("disabled_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('storage', '0004_quotas_and_digest_states'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BlockedDigest',
            fields=[
                ('id', models.UUIDField(default=database.keys.make_key, editable=False, primary_key=True, serialize=False)),
                ('sha256', models.BinaryField(max_length=32)),
                ('reason', models.TextField()),
                ('blocked_at', models.DateTimeField()),
                ('unblocked_reason', models.TextField(blank=True, default='')),
                ('unblocked_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-blocked_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Report',
            fields=[
                ('id', models.UUIDField(default=database.keys.make_key, editable=False, primary_key=True, serialize=False)),
                ('category', models.CharField(choices=[('copyright', "infringes my or somebody's rights"), ('abuse', 'shows the abuse of a child'), ('violence', 'calls for violence or terror'), ('privacy', 'exposes a person'), ('malware', 'harms computers or deceives'), ('other', 'is unlawful otherwise')], max_length=10)),
                ('sealed', models.BinaryField(help_text='An age file to the reviewers; empty if the reader sent no key.')),
                ('text', models.TextField(blank=True, help_text='What the reader wrote in the open.')),
                ('state', models.CharField(choices=[('OPEN', 'Open'), ('UPHELD', 'Upheld'), ('DISMISSED', 'Dismissed')], default='OPEN', max_length=10)),
                ('created_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('reason', models.TextField(blank=True, default='')),
            ],
            options={
                'ordering': ['created_at', 'id'],
            },
        ),
        migrations.AddField(
            model_name='blob',
            name='removed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='link',
            name='deleted_at',
            field=models.DateTimeField(blank=True, help_text='By the owner, or by a deletion token.', null=True),
        ),
        migrations.AddField(
            model_name='link',
            name='deletion_token_sha256',
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name='link',
            name='expires_at',
            field=models.DateTimeField(blank=True, help_text='From then on no transfer begins.', null=True),
        ),
        migrations.AddField(
            model_name='link',
            name='release_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='link',
            name='released_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='link',
            name='transfers_max',
            field=models.BigIntegerField(blank=True, help_text='Empty for any number.', null=True),
        ),
        migrations.AddField(
            model_name='link',
            name='transfers_used',
            field=models.BigIntegerField(default=0, help_text='Counted only while there is a maximum.'),
        ),
        migrations.AlterField(
            model_name='link',
            name='disabled_at',
            field=models.DateTimeField(blank=True, help_text='By a reviewer.', null=True),
        ),
        migrations.RunPython(release, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            model_name='blob',
            index=models.Index(condition=models.Q(('erased_at__isnull', False), ('removed_at', None)), fields=['erased_at'], name='storage_blob_to_remove'),
        ),
        migrations.AddIndex(
            model_name='link',
            index=models.Index(condition=models.Q(('released_at', None)), fields=['release_at', 'id'], name='storage_link_due'),
        ),
        migrations.AddIndex(
            model_name='link',
            index=models.Index(condition=models.Q(('release_at__isnull', False)), fields=['release_at'], name='storage_link_release'),
        ),
        migrations.AddConstraint(
            model_name='link',
            constraint=models.CheckConstraint(condition=models.Q(('transfers_used__gte', 0), database.amounts.IsStoredAsInteger(models.F('transfers_used'))), name='storage_link_used_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='link',
            constraint=models.CheckConstraint(condition=models.Q(('transfers_max', None), models.Q(('transfers_max__gte', 1), database.amounts.IsStoredAsInteger(models.F('transfers_max'))), _connector='OR'), name='storage_link_transfers_max_positive'),
        ),
        migrations.AddField(
            model_name='blockeddigest',
            name='blocked_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='blockeddigest',
            name='unblocked_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='report',
            name='decided_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='report',
            name='link',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reports', to='storage.link'),
        ),
        migrations.AddConstraint(
            model_name='blockeddigest',
            constraint=models.UniqueConstraint(condition=models.Q(('unblocked_at', None)), fields=('sha256',), name='storage_digest_blocked_once'),
        ),
        migrations.AddIndex(
            model_name='report',
            index=models.Index(condition=models.Q(('state', 'OPEN')), fields=['created_at', 'id'], name='storage_report_open'),
        ),
        migrations.AddConstraint(
            model_name='report',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('reason', ''), ('state', 'OPEN')), models.Q(models.Q(('state', 'OPEN'), _negated=True), ('decided_at__isnull', False), ('decided_by__isnull', False), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='storage_report_decided_with_reason'),
        ),
    ]
