"""How far each consumer of blocks has followed the chain, and what keeps it from going on."""

from django.db import models


class FollowedBlock(models.Model):
    """One block whose effects a consumer has applied; the highest of a consumer's rows is its cursor.

    Hashes are hex in display order. The last BLOCKS_KEPT rows and somewhat more are kept: as deep as a
    reorganisation can be undone.
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


class FollowerState(models.Model):
    """When a consumer last followed the chain without a problem, and what has kept it from that since.

    `problem` is the name of the error, empty while there is none. It is what the health check reads: a node that
    is lost leaves no row waiting that would show it.
    """

    id = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=32)
    followed_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    problem = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)
    needs_operator = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["consumer"], name="chain_followerstate_consumer_key"),
            models.CheckConstraint(
                condition=models.Q(problem="", failing_since=None)
                | (~models.Q(problem="") & models.Q(failing_since__isnull=False)),
                name="chain_followerstate_failing_check",
            ),
        ]

    def __str__(self) -> str:
        """Name the consumer and its problem."""
        return f"{self.consumer}: {self.problem or 'follows the chain'}"


class AllowedReorganisation(models.Model):
    """An operator's decision: the consumer may undo all blocks above this one, however many they are.

    It ends once they are undone.
    """

    id = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=32)
    fork_height = models.IntegerField()
    fork_hash = models.CharField(max_length=64)
    allowed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["consumer"], name="chain_allowedreorganisation_consumer_key"),
        ]

    def __str__(self) -> str:
        """Name the consumer and the block."""
        return f"{self.consumer} may go back to {self.fork_height} ({self.fork_hash})"
