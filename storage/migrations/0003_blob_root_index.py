"""Search finds a blob by its root, under which BitTorrent v2 clients know it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('storage', '0002_initial'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='blob',
            index=models.Index(fields=['root'], name='storage_blob_root'),
        ),
    ]
