"""A refused anchor is reported once: its row says what was."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0006_search_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='anchor',
            name='refusal',
            field=models.CharField(
                blank=True,
                db_default='',
                default='',
                help_text='The version that the node refuses and why, as it was reported; empty while it refuses none.',
                max_length=300,
            ),
        ),
    ]
