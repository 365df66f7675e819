"""Records: the registered entries that leaves commit to, and the submissions that made many of them at once."""

from django.db import models

from database.keys import make_key


class Record(models.Model):
    """One registered entry. Everything that its leaf commits to is fixed when the row is written."""

    class Kind(models.IntegerChoices):
        BARE_DIGEST = 0
        UPLOAD = 1
        RIGHTS_EVENT = 2
        LEDGER_HEAD = 3
        SETTLEMENT = 4
        STATEMENT = 5
        NOTICE = 6
        SUCCESSION = 7

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    sha256 = models.BinaryField(max_length=32)
    length = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    seal = models.BinaryField(max_length=32)
    details = models.JSONField()
    details_salt = models.BinaryField(max_length=32)
    details_hash = models.BinaryField(max_length=32)
    leaf = models.BinaryField(max_length=32, unique=True)
    document = models.BinaryField(null=True, help_text="The JCS document that kinds 2 to 7 commit to.")
    blob = models.OneToOneField("storage.Blob", on_delete=models.PROTECT, null=True, related_name="record")
    # Every index is written again when a record is sealed, so there are no more than are asked.
    uploader = models.ForeignKey(
        "users.User", on_delete=models.PROTECT, null=True, related_name="records", db_index=False
    )
    work = models.ForeignKey(
        "registry.Work", on_delete=models.PROTECT, null=True, related_name="records", db_index=False
    )
    registered_at = models.DateTimeField()
    # Not indexed: a batch's records are those of a range of indexes.
    batch = models.ForeignKey(
        "registry.Batch", on_delete=models.PROTECT, null=True, related_name="records", db_index=False
    )
    index = models.BigIntegerField(null=True, unique=True, help_text="The leaf's place in the whole register.")

    class Meta:
        # Keys sort by time.
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["sha256"], name="registry_record_sha256"),
            models.Index(fields=["work"], name="registry_record_of_work", condition=models.Q(work__isnull=False)),
            models.Index(fields=["id"], name="registry_record_waiting", condition=models.Q(batch=None)),
        ]
        constraints = [
            models.CheckConstraint(
                name="registry_record_batch_and_index",
                condition=models.Q(batch=None, index=None) | models.Q(batch__isnull=False, index__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Submission(models.Model):
    """The bare digests that one request registered, under its Idempotency-Key.

    The records' keys are consecutive from `first_id`, in the order of the request's lines: so they need no column that
    names the submission, nor an index on one.
    """

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    user = models.ForeignKey("users.User", on_delete=models.PROTECT, related_name="submissions", db_index=False)
    key = models.CharField(max_length=200)
    body_sha256 = models.BinaryField(max_length=32)
    first_id = models.UUIDField(unique=True, help_text="The key of the first line's record.")
    count = models.PositiveIntegerField()
    registered_at = models.DateTimeField()

    class Meta:
        ordering = ["-registered_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="registry_submission_key_once")]

    def __str__(self) -> str:
        return str(self.id)
