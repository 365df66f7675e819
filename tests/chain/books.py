"""A consumer of blocks that refuses anything out of order, for tests of what nodes do to it."""

import itertools
from datetime import UTC, datetime

import pytest

from chain import follower
from chain.errors import ChainError
from chain.follower import BlockEvent
from chain.models import FollowedBlock, FollowerState
from chain.node import NodeClient
from tests.chain.doubles import NodeDouble, hash_of, serving

CONSUMER = "tests"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Book:
    """A consumer: keeps the blocks whose effects it has, and what happened to it."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.events: list[tuple[str, int]] = []
        self.fails_at: tuple[str, int] | None = None

    def apply(self, event: BlockEvent) -> None:
        """Apply or undo one block's effects."""
        if (event.kind, event.height) == self.fails_at:
            raise RuntimeError(f"{event.kind} {event.height}")
        if event.kind == "connected":
            self.blocks.append(event.hash)
        else:
            assert self.blocks.pop() == event.hash
        self.events.append((event.kind, event.height))

    def follow(self, node: NodeClient, *, limit: int = follower.EVENTS_MAX, now: datetime = NOW) -> int:
        """Follow once."""
        return follower.follow(node=node, consumer=CONSUMER, apply=self.apply, now=now, limit=limit)

    def check(self) -> None:
        """Check that cursor, links and effects agree."""
        rows = list(FollowedBlock.objects.filter(consumer=CONSUMER).order_by("height"))
        assert [row.hash for row in rows] == self.blocks
        for lower, higher in itertools.pairwise(rows):
            assert (higher.height, higher.previous_hash) == (lower.height + 1, lower.hash)


def followed(book: Book, chain: list[bytes]) -> list[bytes]:
    """Let the consumer follow a chain to its tip, on an honest node."""
    with serving(NodeDouble(chain)) as node:
        book.follow(node)
    assert book.blocks == [hash_of(raw) for raw in chain]
    return chain


def refuses(book: Book, node: NodeClient, kind: type[ChainError], match: str) -> None:
    """Check that following raises an error, changes nothing, and is noted."""
    before = list(book.blocks)
    with pytest.raises(kind, match=match):
        book.follow(node)
    assert book.blocks == before
    book.check()
    state = FollowerState.objects.get(consumer=CONSUMER)
    assert (state.problem, state.needs_operator) == (kind.__name__, kind.needs_operator)
    assert state.failing_since == NOW
