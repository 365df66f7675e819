"""What the tests of anchors share: a node with a price, a chain to fork, and the check that everything still holds."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from chain.keys import Key
from chain.node import NodeClient
from chain.transactions import Coin, Transaction, parse_block, parse_transaction
from chain.transports import HttpTransport
from registry.models import Anchor, AnchorTransaction, Batch, Record, Register
from registry.proof.__main__ import main as run_verifier
from registry.selectors.proofs import get_proof_document, iterate_anchors_file
from registry.selectors.registers import find_register
from registry.services.anchors import send_anchors
from registry.services.batches import seal_batch
from registry.services.following import follow_chain
from tests.factories.registry import make_document_record
from tests.nodes import DevnodeProcess
from tests.registry.conftest import NOW, FoundedRegister

COMMITMENT_TAG = b"\x6a\x24CDS1"


class PricedTransport(HttpTransport):
    """A way to a real node that also says what a block costs, which a node without traffic cannot tell."""

    def __init__(self, url: str, *, timeout_s: float = 30) -> None:
        super().__init__(url, timeout_s=timeout_s)
        self.rate_sat_per_kvb = 1_000

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Answer what the fee rate is, and pass on everything else."""
        call = json.loads(body)
        if call["method"] != "estimatesmartfee":
            return super().exchange(body, is_repeatable=is_repeatable)
        rate = f"{Decimal(self.rate_sat_per_kvb) / 100_000_000:.8f}"
        return b'{"id": %d, "error": null, "result": {"feerate": %s, "blocks": 6}}' % (call["id"], rate.encode())


@dataclass
class Anchoring:
    """A founded register with the sweeps that anchor it, and the means to fork its chain."""

    founded: FoundedRegister
    devnode: DevnodeProcess
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transport = PricedTransport(self.devnode.url)
        self.node = NodeClient(self.devnode.url, transport=self.transport)

    def seal(self) -> Batch:
        """Seal a batch of one record."""
        self.records.append(make_document_record(now=NOW))
        return seal_batch(now=NOW)

    def sweep(self, *, now: datetime = NOW) -> int:
        """Send and follow once; return how many transactions were sent."""
        sent = send_anchors(node=self.node, now=now)
        follow_chain(node=self.node, now=now)
        return sent

    def follow(self) -> None:
        """Follow what happened to the chain."""
        follow_chain(node=self.node, now=NOW)

    def mine(self, count: int = 1) -> list[str]:
        """Mine blocks and follow them."""
        hashes = self.founded.wallet.mine(count)
        follow_chain(node=self.node, now=NOW)
        return hashes

    def anchor(self) -> Anchor:
        """Seal a batch, anchor it and mine it."""
        batch = self.seal()
        self.sweep()
        self.mine(1)
        return Anchor.objects.get(batch=batch, state=Anchor.State.MINED)

    def replace(self, anchor: Anchor, *, deadline: int) -> tuple[AnchorTransaction, AnchorTransaction]:
        """Let blocks without an anchor pass until it is replaced; return its version before and the one after.

        The node forgets what waits before each block, so that no block has the anchor.
        """
        before = get_current(anchor.batch)
        for _ in range(deadline):
            self.forget()
            self.mine(1)
        self.sweep()
        anchor.refresh_from_db()
        after = get_current(anchor.batch)
        assert after != before
        return before, after

    def forget(self) -> None:
        """Let the node lose what waits to be mined, as a power cut does."""
        self.devnode.kill()
        self.devnode.start()

    def fork(self, block_hash: str, *, count: int, versions: tuple[AnchorTransaction, ...] = ()) -> None:
        """Replace a block and all after it by a longer branch whose first blocks have these versions, one each."""
        self.node.invalidate_block(block_hash)
        self.forget()
        for version in versions:
            self.node.send_raw_transaction(bytes(version.raw))
            self.founded.wallet.mine(1)
            self.forget()
        self.founded.wallet.mine(count - len(versions))

    def pay(self, key: Key, *values_sat: int) -> list[Coin]:
        """Pay values to a key, each in a transaction of its own in one block."""
        txids = [self.founded.wallet.pay(key.script_pubkey, value_sat) for value_sat in values_sat]
        self.mine(1)
        return [Coin(txid, 0, value, key.script_pubkey) for txid, value in zip(txids, values_sat, strict=True)]

    def settle(self) -> None:
        """Sweep and mine until every batch of the active register is final."""
        register = find_register()
        for _ in range(60):
            if not Batch.objects.filter(register=register).exclude(anchor__state=Anchor.State.FINAL).exists():
                return
            self.sweep()
            self.mine(1)
        raise AssertionError("not everything became final")

    def check(self, folder: Path, *, register: Register | None = None) -> None:
        """Check what must hold whatever happened.

        Nothing is lost: every record has a proof. No proof stops verifying: the standalone verifier accepts each as
        canonical, with headers from the node. Nothing is anchored twice: the chain has each commitment once.
        """
        published = self.count_published()
        mined = Batch.objects.filter(anchor__height__isnull=False)
        assert published == Counter(bytes(batch.commitment) for batch in mined)
        for record in self.records:
            self.verify(record, folder, register=register)

    def verify(self, record: Record, folder: Path, *, register: Register | None = None) -> None:
        """Check that the standalone verifier accepts a record's proof as canonical in a register."""
        anchors_path, proof_path = folder / "anchors.ndjson", folder / f"{record.id}.proof.json"
        anchors_path.write_bytes(b"".join(iterate_anchors_file(register)))
        proof_path.write_bytes(get_proof_document(record.id))
        arguments = ["--digest", bytes(record.sha256).hex(), str(proof_path), "--node", self.devnode.url]
        assert run_verifier(["verify", *arguments, "--anchors", str(anchors_path)]) == 0

    def count_published(self) -> Counter[bytes]:
        """Count the commitments in the chain since the register was founded."""
        first = max(0, self.node.get_block_count() - 400)
        return Counter(
            output.script[len(COMMITMENT_TAG) :]
            for height in range(first, self.node.get_block_count() + 1)
            for paid in parse_block(self.node.get_block(self.node.get_block_hash(height))).transactions
            for output in paid.outputs
            if output.script.startswith(COMMITMENT_TAG)
        )


def get_current(batch: Batch) -> AnchorTransaction:
    """Return the version of a batch's anchor that counts."""
    current = Anchor.objects.select_related("current").get(batch=batch).current
    assert current is not None
    return current


def parse_current(batch: Batch) -> Transaction:
    """Return the transaction of a batch's anchor in the version that counts."""
    return parse_transaction(bytes(get_current(batch).raw))


def list_spent(batch: Batch) -> list[tuple[str, int]]:
    """Return the outpoints that a batch's anchor spends, in order."""
    return [(item.txid, item.vout) for item in parse_current(batch).inputs]
