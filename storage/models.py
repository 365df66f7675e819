"""Blobs by digest, the uploads that make them, the links that share them, and what ends a link or a blob."""

from django.conf import settings
from django.db import models

from database.amounts import amount_constraint
from database.keys import make_key


class Blob(models.Model):
    """One stored ciphertext, named by its root and length. The row outlives the bytes.

    Erasing moves through two times: from `erased_at` on nothing is served, and at `removed_at` the storage had removed
    the bytes. Between the two, a sweep has work to do. Equal bytes that arrive again empty both.
    """

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    sha256 = models.BinaryField(max_length=32, unique=True)
    length = models.BigIntegerField(help_text="Bytes of ciphertext.")
    root = models.BinaryField(max_length=32, help_text="BitTorrent v2 pieces root.")
    storage_name = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["root"], name="storage_blob_root"),
            models.Index(
                fields=["erased_at"],
                name="storage_blob_to_remove",
                condition=models.Q(erased_at__isnull=False, removed_at=None),
            ),
        ]
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
    """How a person shares a blob. The key stays in the link's fragment and never reaches the server.

    A link keeps its blob's bytes until `release_at`, for ever if that is empty: at once when it is deleted or disabled,
    and as long as a reader's right to repeat a transfer lasts after it expired or was used up. `released_at` says that
    a sweep has seen it; a released link never serves again.
    """

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="links")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="links")
    price_msat = models.BigIntegerField(help_text="Per transfer, in millisatoshi.")
    manifest = models.BinaryField(help_text="The encrypted manifest, an age file.")
    seal = models.BinaryField(max_length=32, help_text="Binds the record to the link; zeros if none.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on no transfer begins.")
    transfers_max = models.BigIntegerField(null=True, blank=True, help_text="Empty for any number.")
    transfers_used = models.BigIntegerField(default=0, help_text="Counted only while there is a maximum.")
    deletion_token_sha256 = models.BinaryField(max_length=32, null=True)
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="By the owner, or by a deletion token.")
    disabled_at = models.DateTimeField(null=True, blank=True, help_text="By a reviewer.")
    release_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["release_at", "id"], name="storage_link_due", condition=models.Q(released_at=None)),
            models.Index(
                fields=["release_at"], name="storage_link_release", condition=models.Q(release_at__isnull=False)
            ),
        ]
        constraints = [
            amount_constraint(name="storage_link_price_not_negative", field="price_msat"),
            amount_constraint(name="storage_link_used_not_negative", field="transfers_used"),
            amount_constraint(
                name="storage_link_transfers_max_positive", field="transfers_max", minimum=1, is_optional=True
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def transfers_left(self) -> int | None:
        """How many transfers may still begin, or None for any number."""
        return None if self.transfers_max is None else max(0, self.transfers_max - self.transfers_used)


class BlockedDigest(models.Model):
    """A digest whose bytes are neither taken nor served, from a decision to its repeal. The rows stay as a history."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    sha256 = models.BinaryField(max_length=32)
    reason = models.TextField()
    blocked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    blocked_at = models.DateTimeField()
    unblocked_reason = models.TextField(default="", blank=True)
    unblocked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    unblocked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-blocked_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["sha256"], name="storage_digest_blocked_once", condition=models.Q(unblocked_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"sha256:{bytes(self.sha256).hex()}"


class Report(models.Model):
    """What a reader says against a link. `sealed` holds the link with its key, for the reviewers' age key alone."""

    class Category(models.TextChoices):
        COPYRIGHT = "copyright", "infringes my or somebody's rights"
        ABUSE = "abuse", "shows the abuse of a child"
        VIOLENCE = "violence", "calls for violence or terror"
        PRIVACY = "privacy", "exposes a person"
        MALWARE = "malware", "harms computers or deceives"
        OTHER = "other", "is unlawful otherwise"

    class State(models.TextChoices):
        OPEN = "OPEN"
        UPHELD = "UPHELD"
        DISMISSED = "DISMISSED"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="reports")
    category = models.CharField(max_length=10, choices=Category.choices)
    sealed = models.BinaryField(help_text="An age file to the reviewers; empty if the reader sent no key.")
    text = models.TextField(blank=True, help_text="What the reader wrote in the open.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(default="", blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [
            models.Index(fields=["created_at", "id"], name="storage_report_open", condition=models.Q(state="OPEN"))
        ]
        constraints = [
            models.CheckConstraint(
                name="storage_report_decided_with_reason",
                condition=models.Q(state="OPEN", decided_at=None, decided_by=None, reason="")
                | (
                    ~models.Q(state="OPEN")
                    & models.Q(decided_at__isnull=False, decided_by__isnull=False)
                    & ~models.Q(reason="")
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.id}"
