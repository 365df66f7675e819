"""Blobs by digest, the uploads that make them, and the links that share them."""

from django.conf import settings
from django.db import models

from database.amounts import amount_constraint
from database.keys import make_key


class Blob(models.Model):
    """One stored ciphertext, named by its root and length. The row outlives the bytes."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    sha256 = models.BinaryField(max_length=32, unique=True)
    length = models.BigIntegerField(help_text="Bytes of ciphertext.")
    root = models.BinaryField(max_length=32, help_text="BitTorrent v2 pieces root.")
    storage_name = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["root"], name="storage_blob_root")]
        constraints = [amount_constraint(name="storage_blob_length_positive", field="length", minimum=1)]

    def __str__(self) -> str:
        return f"sha256:{bytes(self.sha256).hex()}"


class Upload(models.Model):
    """The resumable act that makes a blob: RECEIVING bytes, RECEIVED all of them, then COMPLETED by a link."""

    class State(models.TextChoices):
        RECEIVING = "RECEIVING"
        RECEIVED = "RECEIVED"
        COMPLETED = "COMPLETED"
        TERMINATED = "TERMINATED"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="uploads")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RECEIVING)
    length = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    sha256 = models.BinaryField(max_length=32, null=True)
    root = models.BinaryField(max_length=32, null=True)
    digest_state = models.BinaryField(null=True, help_text="The digest of what has arrived, put away.")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, related_name="uploads")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="storage_upload_offset_in_length",
                condition=models.Q(offset__gte=0) & models.Q(offset__lte=models.F("length")),
            ),
            amount_constraint(name="storage_upload_length_positive", field="length", minimum=1),
        ]

    def __str__(self) -> str:
        return str(self.id)


class StorageQuota(models.Model):
    """How much of the storage a person may take, and a count of it that spares most uploads a sum over all rows.

    `counted_bytes` is never less than what is taken: it grows with each new upload, and is counted anew from the rows
    where it would refuse one. Nothing else has to keep it right.
    """

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.PROTECT, related_name="storage_quota"
    )
    bytes_max = models.BigIntegerField(
        null=True, blank=True, help_text="0 is without a limit; empty is CADASTRE_STORAGE_QUOTA_BYTES."
    )
    uploads_unfinished_max = models.BigIntegerField(
        null=True, blank=True, help_text="Empty is CADASTRE_UPLOADS_UNFINISHED_MAX."
    )
    counted_bytes = models.BigIntegerField()

    class Meta:
        ordering = ["owner_id"]
        constraints = [
            amount_constraint(name="storage_quota_counted_not_negative", field="counted_bytes"),
            models.CheckConstraint(name="storage_quota_bytes_not_negative", condition=models.Q(bytes_max__gte=0)),
            models.CheckConstraint(
                name="storage_quota_uploads_positive", condition=models.Q(uploads_unfinished_max__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return str(self.owner_id)


class Link(models.Model):
    """How a person shares a blob. The key stays in the link's fragment and never reaches the server."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="links")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="links")
    price_msat = models.BigIntegerField(help_text="Per transfer, in millisatoshi.")
    manifest = models.BinaryField(help_text="The encrypted manifest, an age file.")
    seal = models.BinaryField(max_length=32, help_text="Binds the record to the link; zeros if none.")
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [amount_constraint(name="storage_link_price_not_negative", field="price_msat")]

    def __str__(self) -> str:
        return str(self.id)
