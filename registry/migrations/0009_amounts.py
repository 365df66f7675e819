"""The value that a register was founded on is stored as an integer, as every amount is."""

from importlib import import_module

from django.db import migrations, models

from database.amounts import IsStoredAsInteger
from database.append_only import RemoveTriggers

TRIGGERS = import_module("registry.migrations.0004_registers_and_coins").REGISTER_TRIGGERS


class Migration(migrations.Migration):
    """SQLite makes the table anew for a constraint, and its triggers go with the old one."""

    dependencies = [
        ('registry', '0008_waiting_anchors'),
    ]

    operations = [
        RemoveTriggers(TRIGGERS),
        migrations.AddConstraint(
            model_name='register',
            constraint=models.CheckConstraint(
                condition=models.Q(('first_value_sat__gte', 0), IsStoredAsInteger(models.F('first_value_sat'))),
                name='registry_register_first_value_not_negative',
            ),
        ),
        TRIGGERS,
    ]
