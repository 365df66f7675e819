"""How far each consumer of blocks has followed the chain."""

from django.db import models


class FollowedBlock(models.Model):
    """One block whose effects a consumer has applied; the highest of a consumer's rows is its cursor.

    Hashes are hex in display order. All rows are kept, so that a reorganisation of any depth can be undone.
    """

    id = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=32)
    height = models.IntegerField()
    hash = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["consumer", "height"], name="chain_followedblock_consumer_height_key"),
            models.CheckConstraint(condition=models.Q(height__gte=0), name="chain_followedblock_height_check"),
        ]

    def __str__(self) -> str:
        """Name the consumer and the block."""
        return f"{self.consumer} at {self.height} ({self.hash})"
