"""What is killed at every point of an anchor's harder days: replaced, topped up, succeeded, moved to another key.

A scenario that ends before its batches are final lets them become so, unkilled, before it checks: anchoring itself is
killed in tests/faults/scenarios.py.
"""

import contextlib
import io
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.test import override_settings

from chain.keys import Key
from chain.networks import REGTEST
from chain.node import NodeClient, get_node
from chain.transactions import parse_transaction
from registry.errors import AnchorWaitsError
from registry.models import Anchor, AnchorCoin, AnchorTransaction, Batch, Record, Register
from registry.proof.__main__ import main as run_verifier
from registry.proof.transactions import read_anchor
from registry.selectors.proofs import get_proof_document, iterate_anchors_file
from registry.selectors.records import find_place
from registry.selectors.registers import find_register, find_succession
from registry.services import anchors, batches
from registry.services import following as registry_following
from registry.services.founding import find_first_outpoint, found_register
from registry.services.successions import succeed_register
from tests.factories.registry import make_document_record
from tests.faults.scenarios import ANCHOR_KEY, START, World, count_published, plain_node

NEXT_KEY = Key.from_secret(b"the second anchor key of faults.")
TOP_UP_SAT = 100_000
FIRST_VALUE_SAT = 400
"""Less than an anchor's fee and the least continuation."""
SETTLING_ROUNDS_MAX = 20
VERIFIER_CONFIRMATIONS = 6
"""What the standalone verifier wants, whatever the register calls final."""


class Anchors(World):
    """Sends, signs and follows, and says nothing when an anchor has to wait, as the task does."""

    def sweep(self) -> None:
        """Send what is due, then follow."""
        node = get_node()
        with contextlib.suppress(AnchorWaitsError):
            anchors.send_anchors(node=node, now=self.now)
        registry_following.follow_chain(node=node, now=self.now)

    def is_done(self) -> bool:
        """Every batch of the active register is final."""
        unfinished = Batch.objects.filter(register=find_register()).exclude(anchor__state=Anchor.State.FINAL)
        return not unfinished.exists()

    def check(self) -> None:
        """The chain has each mined commitment once, and all versions of an anchor have the same."""
        mined = Batch.objects.filter(anchor__height__isnull=False)
        assert count_published() == Counter(bytes(batch.commitment) for batch in mined)
        for version in AnchorTransaction.objects.select_related("anchor__batch"):
            assert read_anchor(bytes(version.raw)).commitment == bytes(version.anchor.batch.commitment)

    def seal(self) -> Batch:
        """Seal a batch of one record."""
        make_document_record(now=START)
        return batches.seal_batch(now=START)

    def anchor(self) -> None:
        """Seal a batch, and anchor it in the next block."""
        self.seal()
        anchors.send_anchors(node=plain_node(), now=START)
        self.wallet.mine(1)
        registry_following.follow_chain(node=plain_node(), now=START)

    def settle(self) -> None:
        """Sweep and mine until every batch of the active register is final."""
        for _ in range(SETTLING_ROUNDS_MAX):
            if Anchors.is_done(self):
                return
            self.turn()
            self.sweep()
        raise AssertionError("not everything became final")

    def check_proofs(self) -> None:
        """Check that the standalone verifier accepts each record's proof as canonical, with headers from the node."""
        self.wallet.mine(VERIFIER_CONFIRMATIONS)
        with tempfile.TemporaryDirectory(prefix="cadastre-faults-proofs-") as folder:
            anchors_path, proof_path = Path(folder, "anchors.ndjson"), Path(folder, "record.proof.json")
            for record in Record.objects.select_related("batch"):
                place = find_place(record)
                assert place is not None
                anchors_path.write_bytes(b"".join(iterate_anchors_file(place.batch.register)))
                proof_path.write_bytes(get_proof_document(record.id))
                arguments = [
                    "--digest",
                    bytes(record.sha256).hex(),
                    str(proof_path),
                    "--node",
                    settings.CADASTRE_NODE_URL,
                ]
                with contextlib.redirect_stdout(io.StringIO()) as said:
                    status = run_verifier(["verify", *arguments, "--anchors", str(anchors_path)])
                assert status == 0, said.getvalue()


class Replacing(Anchors):
    """An anchor is overdue as soon as the node has it, and is replaced."""

    points_min = 45

    def prepare(self) -> None:
        """Let an anchor that no block has taken wait until its deadline."""
        super().prepare()
        self.found()
        batch = self.seal()
        anchors.sign_anchor(batch=batch, node=plain_node(), now=START)
        Anchor.objects.update(waiting_from_height=plain_node().get_block_count())
        self.wallet.mine(settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS)
        registry_following.follow_chain(node=plain_node(), now=START)

    def check(self) -> None:
        """There are two versions of one anchor, the second was mined, and both spend the same output."""
        super().check()
        first, second = AnchorTransaction.objects.order_by("version")
        assert Anchor.objects.get().current == second
        assert second.fee_sat > first.fee_sat
        spent = [parse_transaction(bytes(version.raw)).inputs[0] for version in (first, second)]
        assert spent[0].txid == spent[1].txid


class ToppingUp(Anchors):
    """An anchor waits for funds, which come in a block."""

    points_min = 70

    def prepare(self) -> None:
        """Found a register on too little, and let a payment wait to be mined."""
        super().prepare()
        node = plain_node()
        txid = self.wallet.pay(ANCHOR_KEY.script_pubkey, FIRST_VALUE_SAT)
        self.wallet.mine(100)
        found_register(txid=txid, vout=0, node=node, now=START)
        registry_following.follow_chain(node=node, now=START)
        self.seal()
        self.wallet.pay(ANCHOR_KEY.script_pubkey, TOP_UP_SAT)

    def check(self) -> None:
        """One version was signed; it spends the payment, once."""
        super().check()
        version = AnchorTransaction.objects.get()
        coin = AnchorCoin.objects.get(value_sat=TOP_UP_SAT)
        assert coin.spent_txid == version.txid
        assert version.continuation_sat == FIRST_VALUE_SAT + TOP_UP_SAT - version.fee_sat


class Succeeding(Anchors):
    """A register whose key was lost is succeeded, and what it sealed is anchored."""

    points_min = 65

    def prepare(self) -> None:
        """Anchor a batch, seal another, lose the key, and pay the new one."""
        super().prepare()
        self.found()
        node = plain_node()
        self.seal()
        anchors.send_anchors(node=node, now=START)
        self.wallet.mine(1)
        registry_following.follow_chain(node=node, now=START)
        self.seal()
        node.generate_to_address(1, NEXT_KEY.address(REGTEST))
        self.wallet.mine(100)
        registry_following.follow_chain(node=node, now=START)

    def sweep(self) -> None:
        """Succeed the register unless that is done, then send and follow, with the new key."""
        with override_settings(CADASTRE_ANCHOR_KEY=NEXT_KEY.to_wif(REGTEST)):
            old = find_register()
            assert old is not None
            if old.succeeds is None:
                succeed(node=get_node(), now=self.now)
            super().sweep()

    def check(self) -> None:
        """There is one successor that cites the old register once, and every record is in a block."""
        super().check()
        old, new = Register.objects.order_by("id")
        assert new.succeeds == old
        assert find_succession(new) is not None
        assert Record.objects.filter(kind=Record.Kind.SUCCESSION).count() == 1
        places = [find_place(record) for record in Record.objects.select_related("batch")]
        assert [place is not None and place.batch.anchor.state for place in places] == [Anchor.State.FINAL] * 3


class Rotating(Anchors):
    """The chain of anchors moves to another key: first both are at hand, then only the next one.

    Passes if the first anchor merges what was paid to the old key and pays the next one, the second is signed by the
    next key alone and merges what was paid to it, and each was signed once.
    """

    points_min = 80

    def prepare(self) -> None:
        """Seal a batch, with a coin of the old key in a block and one of the next key on its way."""
        super().prepare()
        self.found()
        self.wallet.pay(ANCHOR_KEY.script_pubkey, TOP_UP_SAT)
        self.wallet.mine(1)
        registry_following.follow_chain(node=plain_node(), now=START)
        self.seal()
        self.wallet.pay(NEXT_KEY.script_pubkey, 2 * TOP_UP_SAT)

    def sweep(self) -> None:
        """Sweep with the keys that the operator has set by now."""
        present, following = (NEXT_KEY.to_wif(REGTEST), "") if self.is_moved() else (None, NEXT_KEY.to_wif(REGTEST))
        with override_settings(
            CADASTRE_ANCHOR_KEY=present or ANCHOR_KEY.to_wif(REGTEST), CADASTRE_ANCHOR_NEXT_KEY=following
        ):
            super().sweep()

    def turn(self) -> None:
        """Mine a block, and seal a second batch once the old key is put away."""
        super().turn()
        if self.is_moved() and Batch.objects.count() == 1:
            self.seal()

    def is_moved(self) -> bool:
        """Tell whether the operator has put the old key away: the anchor that pays the next one is final."""
        return Anchor.objects.filter(batch__seq=0, state=Anchor.State.FINAL).exists()

    def is_done(self) -> bool:
        """The second anchor waits for its block."""
        return Anchor.objects.filter(batch__seq=1, state=Anchor.State.BROADCAST).exists()

    def check(self) -> None:
        """Each anchor has one version that merged the coin of its key, and both keys are watched, once each."""
        self.settle()
        super().check()
        self.check_proofs()
        first, second = AnchorTransaction.objects.order_by("anchor__batch__seq")
        coins = {bytes(coin.script): coin for coin in AnchorCoin.objects.all()}
        assert coins[ANCHOR_KEY.script_pubkey].spent_txid == first.txid
        assert coins[NEXT_KEY.script_pubkey].spent_txid == second.txid
        paid = [parse_transaction(bytes(version.raw)).outputs[0].script for version in (first, second)]
        assert paid == [NEXT_KEY.script_pubkey] * 2
        scripts = Register.objects.get().scripts.values_list("script", flat=True)
        assert sorted(map(bytes, scripts)) == sorted([ANCHOR_KEY.script_pubkey, NEXT_KEY.script_pubkey])


SCENARIOS = {kind.__name__.lower(): kind for kind in (Replacing, ToppingUp, Succeeding, Rotating)}


def succeed(*, node: NodeClient, now: datetime) -> None:
    """Found the register that succeeds the active one, on what was paid to the settings' key."""
    old, outpoint = find_register(), find_first_outpoint(node=plain_node())
    assert old is not None
    assert outpoint is not None
    txid, vout = outpoint
    succeed_register(old_outpoint=f"{old.first_txid}:{old.first_vout}", txid=txid, vout=vout, node=node, now=now)
