"""Readers' balances, and a microtransaction for every transfer."""

from django.db import models

from database.amounts import amount_constraint
from database.keys import make_key


class Balance(models.Model):
    """A reader's prepaid balance: the one row that a charge locks."""

    user = models.OneToOneField("users.User", on_delete=models.PROTECT, primary_key=True, related_name="balance")
    balance_msat = models.BigIntegerField(default=0)
    frozen_at = models.DateTimeField(null=True, blank=True, help_text="Set when an undone deposit was already spent.")

    class Meta:
        ordering = ["user"]
        constraints = [amount_constraint(name="payouts_balance_not_negative", field="balance_msat")]

    def __str__(self) -> str:
        return f"{self.balance_msat} msat"


class Entitlement(models.Model):
    """A reader's right to repeat a transfer within its window, up to three times the blob's length.

    It is made by a transfer that was paid, or that was counted against its link's maximum. An anonymous reader of the
    latter has a pass for it, of which the SHA-256 is kept.
    """

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    payer = models.ForeignKey("users.User", on_delete=models.PROTECT, null=True, related_name="entitlements")
    pass_sha256 = models.BinaryField(max_length=32, null=True, unique=True)
    link = models.ForeignKey("storage.Link", on_delete=models.PROTECT, related_name="entitlements")
    number = models.PositiveIntegerField(help_text="Counts a payer's entitlements to a link, from 0.")
    transfer_id = models.UUIDField(unique=True, help_text="The transfer that was paid or counted.")
    bytes_allowed = models.BigIntegerField(help_text="0 once its transfer is refunded.")
    bytes_served = models.BigIntegerField(default=0, help_text="Sent, or reserved by a transfer that is under way.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ["-starts_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["payer", "link", "number"], name="payouts_entitlement_once"),
            models.CheckConstraint(
                name="payouts_entitlement_has_a_reader",
                condition=models.Q(payer=None, pass_sha256__isnull=False)
                | models.Q(payer__isnull=False, pass_sha256=None),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class OpenTransfer(models.Model):
    """A transfer under an entitlement whose bytes are being sent; the row goes when it is closed, so it closes once."""

    transfer_id = models.UUIDField(primary_key=True, editable=False)
    entitlement = models.ForeignKey(Entitlement, on_delete=models.PROTECT, related_name="open_transfers")
    reserved_bytes = models.BigIntegerField(help_text="Counted as served until the transfer is closed.")
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["-opened_at", "-transfer_id"]
        indexes = [models.Index(fields=["opened_at"], name="payouts_open_transfer_opened")]

    def __str__(self) -> str:
        return str(self.transfer_id)


class Microtransaction(models.Model):
    """What one transfer was charged, and under which split policy. Append-only.

    No foreign keys: they cost 3.6 times the insert, and a distributed engine could not keep them.
    """

    class Reason(models.TextChoices):
        PRICE = "PRICE", "charged the link's price"
        FREE = "FREE", "the price is zero"
        OWNER = "OWNER", "the link's owner"
        ENTITLED = "ENTITLED", "repeats a paid transfer"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False, help_text="Also the transfer's id.")
    payer_id = models.UUIDField(null=True, help_text="Empty for an anonymous transfer, which is free.")
    link_id = models.UUIDField()
    record_id = models.UUIDField()
    work_id = models.UUIDField()
    policy_id = models.UUIDField()
    uploader_id = models.UUIDField()
    affiliate_id = models.UUIDField(null=True)
    window = models.BigIntegerField(help_text="The settlement window's number.")
    amount_msat = models.BigIntegerField()
    reason = models.CharField(max_length=8, choices=Reason.choices)
    nonce_sha256 = models.BinaryField(max_length=32, help_text="SHA-256 of the payer's 32-byte nonce.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["window"], name="payouts_micro_window"),
            models.Index(fields=["payer_id", "-created_at"], name="payouts_micro_payer"),
        ]
        constraints = [amount_constraint(name="payouts_micro_amount_not_negative", field="amount_msat")]

    def __str__(self) -> str:
        return f"{self.amount_msat} msat {self.reason.lower()}"


class Refund(models.Model):
    """The whole price returned for a transfer that the server failed to serve. Append-only.

    It repeats what the microtransaction was counted under, so that settling needs no join.
    """

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    microtransaction_id = models.UUIDField(unique=True)
    payer_id = models.UUIDField()
    record_id = models.UUIDField()
    work_id = models.UUIDField()
    policy_id = models.UUIDField()
    uploader_id = models.UUIDField()
    affiliate_id = models.UUIDField(null=True)
    window = models.BigIntegerField()
    amount_msat = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["window"], name="payouts_refund_window")]
        constraints = [amount_constraint(name="payouts_refund_amount_positive", field="amount_msat", minimum=1)]

    def __str__(self) -> str:
        return f"{self.amount_msat} msat"
