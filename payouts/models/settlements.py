"""Settlement windows, what each gave to whom, the remainders carried between them, and statements."""

from django.db import models

from database.amounts import AMOUNT_MAX, amount_constraint
from database.keys import make_key


class SettlementWindow(models.Model):
    """A window of microtransactions. Numbers have no gaps; exactly one window is OPEN."""

    class State(models.TextChoices):
        OPEN = "OPEN"
        CLOSED = "CLOSED"
        SETTLED = "SETTLED"

    number = models.BigIntegerField(primary_key=True)
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    count = models.BigIntegerField(null=True, help_text="Leaves of the settlement tree.")
    sum_msat = models.BigIntegerField(null=True)
    root = models.BinaryField(max_length=32, null=True)
    refund_count = models.BigIntegerField(null=True)
    refund_sum_msat = models.BigIntegerField(null=True)
    refund_root = models.BinaryField(max_length=32, null=True)
    record = models.OneToOneField("registry.Record", on_delete=models.PROTECT, null=True, related_name="settlement")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["state"], name="payouts_window_one_open", condition=models.Q(state="OPEN")),
            amount_constraint(name="payouts_window_sum", field="sum_msat", is_optional=True),
            amount_constraint(name="payouts_window_refund_sum", field="refund_sum_msat", is_optional=True),
        ]

    def __str__(self) -> str:
        return f"window {self.number}"


class Carry(models.Model):
    """One payee's exact entitlement under one policy line so far: whole millisatoshi and a remainder in 10^10ths."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    policy = models.ForeignKey("registry.SplitPolicy", on_delete=models.PROTECT, related_name="carries")
    record = models.ForeignKey("registry.Record", on_delete=models.PROTECT, related_name="carries")
    affiliate_id = models.UUIDField(null=True)
    position = models.PositiveSmallIntegerField(help_text="The policy line's position.")
    account = models.ForeignKey("payouts.LedgerAccount", on_delete=models.PROTECT, related_name="carries")
    entitled_msat = models.BigIntegerField(default=0)
    remainder = models.BigIntegerField(default=0)
    posted_msat = models.BigIntegerField(default=0)
    closed_at = models.DateTimeField(null=True, help_text="When the policy's last remainders were given out.")

    class Meta:
        verbose_name_plural = "carries"
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "record", "affiliate_id", "position"], name="payouts_carry_once_affiliate"
            ),
            models.UniqueConstraint(
                fields=["policy", "record", "position"],
                name="payouts_carry_once",
                condition=models.Q(affiliate_id=None),
            ),
            amount_constraint(name="payouts_carry_entitled", field="entitled_msat"),
            amount_constraint(name="payouts_carry_posted", field="posted_msat"),
            models.CheckConstraint(
                name="payouts_carry_remainder_in_range",
                condition=models.Q(remainder__gte=0, remainder__lt=10**10),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.posted_msat} msat"


class SettlementLine(models.Model):
    """What one window gave to one account under one policy line for one record. Append-only."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    window = models.ForeignKey(SettlementWindow, on_delete=models.PROTECT, related_name="lines")
    account = models.ForeignKey("payouts.LedgerAccount", on_delete=models.PROTECT, related_name="settlement_lines")
    work = models.ForeignKey("registry.Work", on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey("registry.SplitPolicy", on_delete=models.PROTECT, related_name="+")
    record = models.ForeignKey("registry.Record", on_delete=models.PROTECT, related_name="+")
    affiliate_id = models.UUIDField(null=True)
    position = models.PositiveSmallIntegerField()
    transfer_count = models.BigIntegerField()
    gross_msat = models.BigIntegerField(help_text="What the transfers were charged, less refunds.")
    amount_msat = models.BigIntegerField(help_text="What the account got; below zero only where refunds outweigh.")

    class Meta:
        ordering = ["window", "work", "position", "id"]
        constraints = [
            amount_constraint(name="payouts_line_gross", field="gross_msat", minimum=-AMOUNT_MAX),
            amount_constraint(name="payouts_line_amount", field="amount_msat", minimum=-AMOUNT_MAX),
        ]

    def __str__(self) -> str:
        return f"{self.amount_msat} msat"


class Statement(models.Model):
    """What one payee earned in a run of settled windows. Append-only; registered as a record."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    account = models.ForeignKey("payouts.LedgerAccount", on_delete=models.PROTECT, related_name="statements")
    number = models.PositiveIntegerField(help_text="Counts the account's statements, from 0.")
    first_window = models.BigIntegerField()
    last_window = models.BigIntegerField()
    total_msat = models.BigIntegerField()
    record = models.OneToOneField("registry.Record", on_delete=models.PROTECT, related_name="statement")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-made_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="payouts_statement_number_once"),
            amount_constraint(name="payouts_statement_total", field="total_msat", minimum=-AMOUNT_MAX),
        ]

    def __str__(self) -> str:
        return f"statement {self.number}"
