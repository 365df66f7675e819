"""Sweeps find the anchors that wait, and blocks those that are to become final, without reading all that are."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0007_anchor_refusals'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='anchor',
            index=models.Index(condition=models.Q(('height', None)), fields=['batch'], name='registry_anchor_unmined'),
        ),
        migrations.AddIndex(
            model_name='anchor',
            index=models.Index(condition=models.Q(('state', 'MINED')), fields=['height'], name='registry_anchor_mined'),
        ),
    ]
