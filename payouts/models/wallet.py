"""The payout wallet's side of the chain: addresses that readers deposit to, and the coins that arrived."""

from django.db import models

from database.amounts import amount_constraint
from database.keys import make_key


class DepositAddress(models.Model):
    """An address handed out to a reader, or to the operator for capital, derived from the wallet's public key."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    user = models.ForeignKey(
        "users.User",
        on_delete=models.PROTECT,
        null=True,
        related_name="deposit_addresses",
        help_text="Empty for the operator's own address.",
    )
    index = models.PositiveIntegerField(unique=True)
    script = models.BinaryField(max_length=34, unique=True)
    address = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deposit addresses"

    def __str__(self) -> str:
        return self.address


class WalletCoin(models.Model):
    """One output that pays the payout wallet."""

    class Kind(models.TextChoices):
        DEPOSIT = "DEPOSIT"
        CAPITAL = "CAPITAL"
        CHANGE = "CHANGE"
        UNKNOWN = "UNKNOWN", "to an address never handed out: reported, never credited"
        DUST = "DUST", "below the least deposit: reported, never credited"

    class State(models.TextChoices):
        SEEN = "SEEN", "in a block"
        CREDITED = "CREDITED", "deep enough, and posted"
        UNDONE = "UNDONE", "its block left the chain"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    txid = models.CharField(max_length=64)
    vout = models.PositiveIntegerField()
    value_sat = models.BigIntegerField()
    script = models.BinaryField(max_length=34)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.SEEN)
    is_internal = models.BooleanField(help_text="Whether the key is on the wallet's change branch.")
    index = models.PositiveIntegerField(help_text="The key's index on its branch.")
    deposit_address = models.ForeignKey(DepositAddress, on_delete=models.PROTECT, null=True, related_name="coins")
    height = models.PositiveIntegerField()
    block_hash = models.CharField(max_length=64)
    times_credited = models.PositiveIntegerField(default=0, help_text="Numbers the entries' source keys over reorgs.")
    spent_by = models.ForeignKey(
        "payouts.PayoutBatch",
        on_delete=models.PROTECT,
        null=True,
        related_name="inputs",
        help_text="The payout batch that has reserved or spent it.",
    )
    spent_txid = models.CharField(max_length=64, blank=True, help_text="The transaction in a block that spends it.")
    spent_height = models.PositiveIntegerField(null=True)
    parent_inputs = models.BinaryField(
        default=b"", help_text="What the transaction that made it spends: 36 bytes for each input, as on the wire."
    )
    conflict_txid = models.CharField(
        max_length=64, blank=True, help_text="A transaction in a block that spends what an undone coin's own one did."
    )
    conflict_height = models.PositiveIntegerField(null=True)
    is_coinbase = models.BooleanField(default=False, help_text="Such coins cannot be spent for 100 blocks.")
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-height", "txid", "vout"]
        constraints = [
            models.UniqueConstraint(fields=["txid", "vout"], name="payouts_coin_outpoint_once"),
            amount_constraint(name="payouts_coin_value_positive", field="value_sat", minimum=1),
        ]
        indexes = [
            models.Index(fields=["state"], name="payouts_coin_state"),
            models.Index(fields=["spent_height"], name="payouts_coin_spent_height"),
            models.Index(fields=["block_hash"], name="payouts_coin_block"),
        ]

    def __str__(self) -> str:
        return f"{self.txid}:{self.vout}"
