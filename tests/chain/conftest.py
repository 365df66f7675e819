"""What tests of the follower share."""

import pytest

from tests.chain.books import Book


@pytest.fixture
def book() -> Book:
    """A consumer that has followed nothing yet."""
    return Book()
