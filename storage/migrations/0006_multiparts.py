"""Uploads in parts, which go to the store without passing through this server."""

import database.amounts
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('storage', '0005_links'),
    ]

    operations = [
        migrations.AlterField(
            model_name='upload',
            name='state',
            field=models.CharField(choices=[('RECEIVING', 'Receiving'), ('IN_PARTS', 'In Parts'), ('RECEIVED', 'Received'), ('COMPLETED', 'Completed'), ('TERMINATED', 'Terminated')], default='RECEIVING', max_length=10),
        ),
        migrations.CreateModel(
            name='Multipart',
            fields=[
                ('upload', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='multipart', serialize=False, to='storage.upload')),
                ('state', models.CharField(choices=[('RECEIVING', 'Receiving'), ('CLOSED', 'Closed'), ('VERIFIED', 'Verified'), ('REFUSED', 'Refused'), ('ABANDONED', 'Abandoned')], default='RECEIVING', max_length=9)),
                ('part_bytes', models.BigIntegerField(help_text='Bytes of every part but the last.')),
                ('store_id', models.CharField(blank=True, help_text="The store's name of the upload.", max_length=1024)),
                ('sha256', models.BinaryField(help_text='As the client declared it.', max_length=32, null=True)),
                ('root', models.BinaryField(help_text='As the client declared it.', max_length=32, null=True)),
                ('fault', models.CharField(blank=True, choices=[('digest-mismatch', 'Digest Mismatch'), ('upload-lost', 'Upload Lost')], help_text='Why it was refused.', max_length=20)),
                ('lease_id', models.UUIDField(help_text='The worker that has it.', null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('cleared_at', models.DateTimeField(blank=True, help_text='Since when the store has nothing of it.', null=True)),
            ],
            options={
                'ordering': ['-upload__created_at', '-upload_id'],
                'indexes': [models.Index(condition=models.Q(('cleared_at', None)), fields=['state', 'closed_at'], name='storage_multipart_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('part_bytes__gte', 1), database.amounts.IsStoredAsInteger(models.F('part_bytes'))), name='storage_multipart_part_positive'), models.CheckConstraint(condition=models.Q(('state__in', ['RECEIVING', 'ABANDONED']), models.Q(('closed_at__isnull', False), ('root__isnull', False), ('sha256__isnull', False)), _connector='OR'), name='storage_multipart_declared_when_closed')],
            },
        ),
    ]
