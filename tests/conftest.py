"""What every test can ask for: a development node, a browser, small disks, and databases that can be flushed."""

from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.nodes", "tests.databases", "tests.browsers", "tests.small_disks", "tests.swift"]


@pytest.fixture(autouse=True)
def free_archive_slots() -> Iterator[None]:
    """Free the places of archives that a test asked for and did not read to their end, as a web server does."""
    from registry.api import archive_slots

    yield
    archive_slots._readers.clear()
