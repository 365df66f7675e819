"""The register, its sealed batches, and the anchors that publish their commitments in Bitcoin."""

from django.db import models

from database.amounts import amount_constraint
from database.keys import make_key


class Register(models.Model):
    """One chain of anchors, identified for ever by its network and first outpoint.

    A network's registers succeed each other in one line; the one without a successor is active.
    """

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    network = models.CharField(max_length=10)
    first_txid = models.CharField(max_length=64)
    first_vout = models.PositiveIntegerField()
    first_value_sat = models.BigIntegerField()
    first_script = models.BinaryField(max_length=22, help_text="The anchor key's P2WPKH script that it was paid to.")
    founded_at = models.DateTimeField()
    succeeds = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="successor",
        help_text="The register before it, whose key was lost. Nothing proves the succession.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network"], name="registry_register_one_original", condition=models.Q(succeeds=None)
            ),
            models.UniqueConstraint(
                fields=["network", "first_txid", "first_vout"], name="registry_register_outpoint_once"
            ),
            amount_constraint(name="registry_register_first_value_not_negative", field="first_value_sat"),
        ]

    def __str__(self) -> str:
        return f"{self.network}:{self.first_txid}:{self.first_vout}"


class Batch(models.Model):
    """Ordered leaves under one Merkle root.

    OPEN while records get their places in it, chunk by chunk: it has no root and no commitment yet. SEALED is for ever.
    """

    class State(models.TextChoices):
        OPEN = "OPEN"
        SEALED = "SEALED"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    register = models.ForeignKey(Register, on_delete=models.PROTECT, related_name="batches")
    seq = models.BigIntegerField()
    first_index = models.BigIntegerField()
    size = models.BigIntegerField(help_text="Leaves that it holds; grows while the batch is OPEN.")
    size_final = models.BigIntegerField(help_text="Leaves that it takes in all, fixed when it is opened.")
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    previous_commitment = models.BinaryField(max_length=32)
    opened_at = models.DateTimeField()
    # What is below is empty while the batch is OPEN.
    root = models.BinaryField(max_length=32, default=b"")
    subtree_roots = models.BinaryField(default=b"", help_text="32 bytes for each 1,024 leaves, in order.")
    recent_block_hash = models.CharField(max_length=64, blank=True)
    commitment = models.BinaryField(max_length=32, default=b"")
    sealed_at = models.DateTimeField(null=True)
    continues = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="continued_by",
        help_text="A batch of the register before, never mined there, whose leaves this one commits to again.",
    )

    class Meta:
        ordering = ["-seq"]
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["root"], name="registry_batch_root")]
        constraints = [
            models.UniqueConstraint(fields=["register", "seq"], name="registry_batch_seq_once"),
            models.UniqueConstraint(fields=["register", "first_index"], name="registry_batch_first_index_once"),
            models.UniqueConstraint(
                fields=["commitment"], name="registry_batch_commitment_once", condition=models.Q(state="SEALED")
            ),
            models.UniqueConstraint(
                fields=["register"], name="registry_batch_one_open", condition=models.Q(state="OPEN")
            ),
            amount_constraint(name="registry_batch_size_positive", field="size", minimum=1),
            models.CheckConstraint(
                name="registry_batch_size_in_range", condition=models.Q(size__lte=models.F("size_final"))
            ),
            models.CheckConstraint(
                name="registry_batch_sealed_whole",
                condition=models.Q(
                    state="OPEN", root=b"", subtree_roots=b"", recent_block_hash="", commitment=b"", sealed_at=None
                )
                | (
                    models.Q(state="SEALED", size=models.F("size_final"), sealed_at__isnull=False)
                    & ~models.Q(root=b"")
                    & ~models.Q(subtree_roots=b"")
                    & ~models.Q(recent_block_hash="")
                    & ~models.Q(commitment=b"")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.seq}"


class Anchor(models.Model):
    """The transaction that publishes a batch's commitment, in the version that counts now."""

    class State(models.TextChoices):
        SIGNED = "SIGNED"
        BROADCAST = "BROADCAST"
        MINED = "MINED"
        FINAL = "FINAL"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    batch = models.OneToOneField(Batch, on_delete=models.PROTECT, related_name="anchor")
    state = models.CharField(max_length=9, choices=State.choices, default=State.SIGNED)
    current = models.ForeignKey("registry.AnchorTransaction", on_delete=models.PROTECT, null=True, related_name="+")
    height = models.PositiveIntegerField(null=True)
    block_hash = models.CharField(max_length=64, blank=True)
    waiting_from_height = models.PositiveIntegerField(
        null=True,
        help_text=(
            "The followed height when the present version was first offered, or again after its block left: "
            "the deadline counts from there."
        ),
    )
    refusal = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="The version that the node refuses and why, as it was reported; empty while it refuses none.",
    )
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-batch__seq"]
        indexes = [
            models.Index(fields=["block_hash"], name="registry_anchor_block_hash"),
            # What every sweep and every block asks for: few rows, however many are FINAL.
            models.Index(fields=["batch"], name="registry_anchor_unmined", condition=models.Q(height=None)),
            models.Index(fields=["height"], name="registry_anchor_mined", condition=models.Q(state="MINED")),
        ]
        constraints = [
            models.CheckConstraint(
                name="registry_anchor_mined_in_a_block",
                condition=models.Q(state__in=["SIGNED", "BROADCAST"], height=None, block_hash="")
                | (models.Q(state__in=["MINED", "FINAL"], height__isnull=False) & ~models.Q(block_hash="")),
            ),
        ]

    def __str__(self) -> str:
        return f"anchor of {self.batch_id}"


class AnchorTransaction(models.Model):
    """One version of an anchor's transaction, stored before it is sent and kept for ever."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    anchor = models.ForeignKey(Anchor, on_delete=models.PROTECT, related_name="transactions")
    version = models.PositiveIntegerField()
    txid = models.CharField(max_length=64, unique=True)
    raw = models.BinaryField()
    fee_sat = models.BigIntegerField()
    continuation_sat = models.BigIntegerField(help_text="Value of vout[0], which the next anchor spends.")
    # The block's data that a proof needs, kept when the version is mined so that a proof never asks the node.
    block_header = models.BinaryField(max_length=80, null=True)
    block_index = models.PositiveIntegerField(null=True)
    block_path = models.BinaryField(null=True, help_text="Concatenated 32-byte sibling hashes, lowest first.")
    signed_at = models.DateTimeField()

    class Meta:
        ordering = ["anchor", "version"]
        indexes = [models.Index(fields=["signed_at"], name="registry_anchor_signed_at")]
        constraints = [
            models.UniqueConstraint(fields=["anchor", "version"], name="registry_anchor_version_once"),
            amount_constraint(name="registry_anchor_fee_not_negative", field="fee_sat"),
            amount_constraint(name="registry_anchor_continuation_positive", field="continuation_sat", minimum=1),
        ]

    def __str__(self) -> str:
        return self.txid


class AnchorScript(models.Model):
    """A script of an anchor key that a register uses, so that every worker knows which outputs are the anchors'."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    register = models.ForeignKey(Register, on_delete=models.PROTECT, related_name="scripts")
    script = models.BinaryField(max_length=22)
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["register", "script"], name="registry_anchor_script_once"),
        ]

    def __str__(self) -> str:
        return bytes(self.script).hex()


class AnchorCoin(models.Model):
    """An output paid to an anchor key, found by following the chain: what can top up the anchors' funds.

    Continuations are not among them, except one that a transaction which is no anchor has spent: it has no height.
    A reorganisation empties what the block that left had filled.
    """

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    network = models.CharField(max_length=10)
    txid = models.CharField(max_length=64)
    vout = models.PositiveIntegerField()
    value_sat = models.BigIntegerField()
    script = models.BinaryField(max_length=22)
    is_coinbase = models.BooleanField()
    height = models.PositiveIntegerField(null=True)
    block_hash = models.CharField(max_length=64, blank=True)
    # Only a spend in a block counts; which of our versions it was, if it was one, the txid says.
    spent_txid = models.CharField(max_length=64, blank=True)
    spent_block_hash = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-height"]
        constraints = [
            models.UniqueConstraint(fields=["network", "txid", "vout"], name="registry_anchor_coin_once"),
            amount_constraint(name="registry_anchor_coin_value_not_negative", field="value_sat"),
            models.CheckConstraint(
                name="registry_anchor_coin_in_a_block",
                condition=models.Q(height=None, block_hash="")
                | (models.Q(height__isnull=False) & ~models.Q(block_hash="")),
            ),
            models.CheckConstraint(
                name="registry_anchor_coin_spent_in_a_block",
                condition=models.Q(spent_txid="", spent_block_hash="")
                | (~models.Q(spent_txid="") & ~models.Q(spent_block_hash="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.txid}:{self.vout}"
