"""Search finds batches by their root and anchors by their block, and following finds what a lost block held."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0005_submissions'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='anchor',
            index=models.Index(fields=['block_hash'], name='registry_anchor_block_hash'),
        ),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(fields=['root'], name='registry_batch_root'),
        ),
    ]
