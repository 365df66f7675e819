"""What is killed at every point of an anchor's harder days: replaced, topped up, on another parent, succeeded."""

import contextlib
from collections import Counter

from django.conf import settings
from django.test import override_settings

from chain.keys import Key
from chain.networks import REGTEST
from chain.node import get_node
from chain.transactions import parse_transaction
from registry.errors import AnchorWaitsError
from registry.models import Anchor, AnchorCoin, AnchorTransaction, Batch, Record, Register
from registry.proof.transactions import read_anchor
from registry.selectors.records import find_place
from registry.selectors.registers import find_register, find_succession
from registry.services import anchors, batches
from registry.services import following as registry_following
from registry.services.anchor_versions import replace_anchor
from registry.services.founding import find_first_outpoint, found_register
from registry.services.successions import succeed_register
from tests.factories.registry import make_document_record
from tests.faults.scenarios import ANCHOR_KEY, START, World, count_published, plain_node

NEXT_KEY = Key.from_secret(b"the second anchor key of faults.")
TOP_UP_SAT = 100_000
FIRST_VALUE_SAT = 400
"""Less than an anchor's fee and the least continuation."""


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


class Regrowing(Anchors):
    """The version of a parent that had been replaced is mined after all, and its child is signed anew."""

    points_min = 75

    def prepare(self) -> None:
        """Let a branch with the first version take over from one with the second and a child built on it."""
        super().prepare()
        self.found()
        node = plain_node()
        anchor = anchors.sign_anchor(batch=self.seal(), node=node, now=START)
        first = anchor.current
        assert first is not None
        node.send_raw_transaction(bytes(first.raw))
        [block, *_] = self.wallet.mine(4)
        node.invalidate_block(block)
        anchor = Anchor.objects.select_related("current", "batch__register").get(id=anchor.id)
        replace_anchor(anchor=anchor, node=node, now=START)
        anchors.send_anchors(node=node, now=START)
        self.wallet.mine(1)
        registry_following.follow_chain(node=node, now=START)
        self.seal()
        anchors.send_anchors(node=node, now=START)
        self.wallet.mine(1)
        registry_following.follow_chain(node=node, now=START)
        assert Anchor.objects.filter(height__isnull=False).count() == 2
        node.reconsider_block(block)

    def check(self) -> None:
        """The parent's first version was mined, and the child's second, which spends it."""
        super().check()
        parent, child = Anchor.objects.select_related("current").order_by("batch__seq")
        assert parent.current is not None
        assert child.current is not None
        assert (parent.current.version, child.current.version) == (0, 1)
        assert parent.transactions.count() == child.transactions.count() == 2
        assert parse_transaction(bytes(child.current.raw)).inputs[0].txid == parent.current.txid


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
                outpoint = find_first_outpoint(node=plain_node())
                assert outpoint is not None
                name = f"{old.first_txid}:{old.first_vout}"
                txid, vout = outpoint
                succeed_register(old_outpoint=name, txid=txid, vout=vout, node=get_node(), now=self.now)
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


SCENARIOS = {kind.__name__.lower(): kind for kind in (Replacing, ToppingUp, Regrowing, Succeeding)}
