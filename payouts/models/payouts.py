"""Payouts on chain: one movement of money out each, many in one transaction."""

from django.db import models

from database.amounts import amount_constraint
from database.keys import make_key


class PayoutAddress(models.Model):
    """Where a user is paid as an uploader. The newest row counts; earlier ones stay."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    user = models.ForeignKey("users.User", on_delete=models.PROTECT, related_name="payout_addresses")
    address = models.CharField(max_length=100)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "payout addresses"

    def __str__(self) -> str:
        return self.address


class PayoutBatch(models.Model):
    """One transaction that pays many payouts.

    PROPOSED waits for an approver where the total is above the limit. UNKNOWN was refused by the node: the same bytes
    are offered again until a block decides. FAILED without a txid was cancelled.
    """

    class State(models.TextChoices):
        PROPOSED = "PROPOSED"
        APPROVED = "APPROVED"
        SIGNED = "SIGNED"
        BROADCAST = "BROADCAST"
        UNKNOWN = "UNKNOWN"
        MINED = "MINED"
        PAID = "PAID"
        FAILED = "FAILED"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    state = models.CharField(max_length=9, choices=State.choices)
    total_sat = models.BigIntegerField()
    maker = models.ForeignKey(
        "users.User", on_delete=models.PROTECT, null=True, related_name="+", help_text="Empty if the schedule made it."
    )
    approver = models.ForeignKey("users.User", on_delete=models.PROTECT, null=True, related_name="+")
    txid = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001  "" would not be unique
    raw = models.BinaryField(null=True)
    fee_sat = models.BigIntegerField(null=True)
    change_index = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    block_hash = models.CharField(max_length=64, blank=True)
    times_paid = models.PositiveIntegerField(default=0, help_text="Numbers the entries' source keys over reorgs.")
    failure_reason = models.CharField(max_length=500, blank=True, help_text="Why a signed one can never be mined.")
    failed_by = models.ForeignKey(
        "users.User", on_delete=models.PROTECT, null=True, related_name="+", help_text="Who proved that, if not blocks."
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "payout batches"
        permissions = [
            ("approve_payoutbatch", "Can approve a payout batch"),
            ("cancel_payoutbatch", "Can cancel a payout batch"),
            ("fail_payoutbatch", "Can fail a payout batch that can never be mined"),
        ]
        constraints = [
            amount_constraint(name="payouts_batch_total_positive", field="total_sat", minimum=1),
            amount_constraint(name="payouts_batch_fee_not_negative", field="fee_sat", is_optional=True),
        ]

    def __str__(self) -> str:
        return self.txid or str(self.id)


class Payout(models.Model):
    """One movement of money out to one payee. It shares its batch's outcome."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    batch = models.ForeignKey(PayoutBatch, on_delete=models.PROTECT, related_name="payouts")
    account = models.ForeignKey("payouts.LedgerAccount", on_delete=models.PROTECT, related_name="payouts")
    address = models.CharField(max_length=100)
    amount_sat = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "account"], name="payouts_payout_once_in_batch"),
            amount_constraint(name="payouts_payout_amount_positive", field="amount_sat", minimum=1),
        ]

    def __str__(self) -> str:
        return f"{self.amount_sat} sat"
