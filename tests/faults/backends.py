"""The storage of the fault tests: what it asks of the disk is a point, as commits and calls to the node are."""

import os

from storage.backends import DirectoryStorage
from tests.faults.points import POINTS


class PointsAtRemovals(DirectoryStorage):
    """A directory of blobs with points before and after each part of a removal."""

    def delete(self, name: str) -> None:
        """Delete; every wait for the disk in between is a point."""
        sync = os.fsync

        def sync_at_points(descriptor: int) -> None:
            POINTS.reach()
            sync(descriptor)
            POINTS.reach()

        os.fsync = sync_at_points  # type: ignore[assignment]  # for as long as this takes, in a process of its own
        try:
            super().delete(name)
        finally:
            os.fsync = sync
