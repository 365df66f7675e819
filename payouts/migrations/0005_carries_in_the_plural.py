"""The admin calls more than one carry "carries"."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('payouts', '0004_open_transfers'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='carry',
            options={'verbose_name_plural': 'carries'},
        ),
    ]
