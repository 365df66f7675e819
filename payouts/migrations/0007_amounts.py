"""Amounts that are not known at first are stored as integers once they are."""

from django.db import migrations, models

from database.amounts import IsStoredAsInteger


def optional_amount(field: str) -> models.Q:
    """Return the condition on a column of an amount that may be NULL."""
    return models.Q(
        (field, None), models.Q((f"{field}__gte", 0), IsStoredAsInteger(models.F(field))), _connector=models.Q.OR
    )


class Migration(migrations.Migration):

    dependencies = [
        ('payouts', '0006_cursor_of_a_network'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='payoutbatch',
            constraint=models.CheckConstraint(
                condition=optional_amount('fee_sat'), name='payouts_batch_fee_not_negative'
            ),
        ),
        migrations.AddConstraint(
            model_name='settlementwindow',
            constraint=models.CheckConstraint(condition=optional_amount('sum_msat'), name='payouts_window_sum'),
        ),
        migrations.AddConstraint(
            model_name='settlementwindow',
            constraint=models.CheckConstraint(
                condition=optional_amount('refund_sum_msat'), name='payouts_window_refund_sum'
            ),
        ),
    ]
