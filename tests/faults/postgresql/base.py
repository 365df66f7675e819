"""PostgreSQL whose commits are points of the fault tests."""

from django.db.backends.postgresql import base

from tests.faults.guards import PointsAtCommits


class DatabaseWrapper(PointsAtCommits, base.DatabaseWrapper):
    """Django's backend with points."""
