"""Nodes that an anchor meets, and what the tests of its versions do again and again."""

from chain.errors import TransactionMissingInputsError, TransactionRejectedError
from chain.node import NodeClient
from chain.node_results import MempoolEntry
from chain.transactions import transaction_id
from registry.models import Anchor, AnchorTransaction
from registry.services import anchors
from tests.registry.anchoring import Anchoring
from tests.registry.conftest import NOW

DEADLINE = 2


class BoastingNode(NodeClient):
    """A client of a node that claims to be far ahead."""

    def get_block_count(self) -> int:
        """Return a height that no chain has."""
        return 900_000


class StingyNode(NodeClient):
    """A client of a node that replaces nothing."""

    def send_raw_transaction(self, raw: bytes) -> str:
        """Refuse what would replace another transaction."""
        if self.get_mempool_entry(transaction_id(raw)) is None:
            raise TransactionRejectedError(-26, "insufficient fee")
        return super().send_raw_transaction(raw)


class RefusingNode(NodeClient):
    """A client of a node that has lost what waited, and takes nothing."""

    def send_raw_transaction(self, raw: bytes) -> str:  # noqa: ARG002
        """Refuse a transaction, as a node does that does not know the coins."""
        raise TransactionMissingInputsError(-25, "bad-txns-inputs-missingorspent")

    def get_mempool_entry(self, txid: str) -> MempoolEntry | None:  # noqa: ARG002
        """Return nothing: no transaction waits here."""
        return None


class BehindNode(RefusingNode):
    """A client of a node that has not caught up with the blocks that were followed."""

    def find_block_hash(self, height: int) -> str | None:
        """Return no block above a height that it passed long ago."""
        return None if height > 50 else super().find_block_hash(height)

    def get_block_count(self) -> int:
        """Return how far it has come."""
        return 50


def pass_blocks(anchoring: Anchoring, count: int) -> None:
    """Let blocks pass that leave the anchor waiting."""
    version = AnchorTransaction.objects.latest("signed_at", "version")
    anchoring.forget()
    anchoring.mine(count)
    anchoring.node.send_raw_transaction(bytes(version.raw))


def list_versions(anchor: Anchor) -> list[AnchorTransaction]:
    """Return an anchor's versions, oldest first."""
    return list(anchor.transactions.order_by("version"))


def sweep_times(anchoring: Anchoring, node: NodeClient, *, count: int) -> None:
    """Offer and sign so many times on one node."""
    for _ in range(count):
        anchors.send_anchors(node=node, now=NOW)
