"""What consumers ask about the chain that they have followed."""

from chain.errors import BlockNotFollowedError
from chain.models import FollowedBlock


def get_block_hash_at(consumer: str, height: int) -> str:
    """Return the hash (hex, display order) of the block that a consumer followed at a height.

    Raises BlockNotFollowedError if it has not followed one there.
    """
    found = FollowedBlock.objects.filter(consumer=consumer, height=height).values_list("hash", flat=True).first()
    if found is None:
        raise BlockNotFollowedError(f"{consumer} has not followed a block at {height}")
    return found
