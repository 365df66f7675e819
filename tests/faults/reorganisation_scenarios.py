"""What is killed at every point of reorganisations that take anchors out of their blocks, however final they were."""

from django.test import override_settings

from chain.networks import REGTEST
from chain.transactions import parse_transaction
from registry.models import Anchor, AnchorTransaction, Batch, Register
from registry.selectors.records import Place, find_place
from registry.services import anchors
from registry.services import following as registry_following
from registry.services.anchor_versions import replace_anchor
from registry.services.successions import continue_lost_batches
from tests.faults.anchor_scenarios import NEXT_KEY, Anchors, succeed
from tests.faults.scenarios import START, World, plain_node


class Regrowing(Anchors):
    """The version of a parent that had been replaced is mined after all, with two children built on the other one.

    Passes if both children are signed anew, once each and the second on the first, with the commitments that they had.
    """

    points_min = 125

    def prepare(self) -> None:
        """Let a branch with the first version take over from one with the second and its children."""
        super().prepare()
        self.found()
        block = self.replace_in_a_branch()
        self.anchor()
        self.anchor()
        assert Anchor.objects.filter(height__isnull=False).count() == 3
        plain_node().reconsider_block(block)

    def replace_in_a_branch(self) -> str:
        """Mine an anchor's first version in a branch of four blocks, and its second in the one that is followed.

        Returns the block with the first version, which the node is told to leave aside.
        """
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
        return block

    def is_done(self) -> bool:
        """The second child was signed anew, and waits for its block."""
        state = Anchor.State.BROADCAST
        return Anchor.objects.filter(batch__seq=2, current__version__gt=0, state=state).exists()

    def check(self) -> None:
        """The parent's first version was mined, and each child's second, which spends the one before it."""
        self.settle()
        super().check()
        self.check_proofs()
        versions = [anchor.current for anchor in Anchor.objects.select_related("current").order_by("batch__seq")]
        assert [version and version.version for version in versions] == [0, 1, 1]
        assert AnchorTransaction.objects.count() == 6
        spent = [parse_transaction(bytes(version.raw)).inputs[0].txid for version in versions if version]
        assert spent[1:] == [version.txid for version in versions[:2] if version]


class Losing(Regrowing):
    """After a register was succeeded, another version of an anchor of it is mined than the one that it built on.

    Nobody has the key to sign the child anew. Passes if the new register commits to the child's leaves, once, nothing
    is signed for the old one, and every record has a proof, the child's in the new register.
    """

    points_min = 120

    def prepare(self) -> None:
        """Pay the new key, anchor twice with the old one, succeed the register, and let the other branch take over."""
        World.prepare(self)
        self.found()
        node = plain_node()
        node.generate_to_address(1, NEXT_KEY.address(REGTEST))
        self.wallet.mine(100)
        registry_following.follow_chain(node=node, now=START)
        block = self.replace_in_a_branch()
        self.anchor()
        with override_settings(CADASTRE_ANCHOR_KEY=NEXT_KEY.to_wif(REGTEST)):
            succeed(node=node, now=START)
        node.reconsider_block(block)

    def sweep(self) -> None:
        """Send, follow, and continue what was lost, with the new key."""
        with override_settings(CADASTRE_ANCHOR_KEY=NEXT_KEY.to_wif(REGTEST)):
            super().sweep()
            continue_lost_batches(now=self.now)

    def is_done(self) -> bool:
        """The batch that continues the lost one waits for its block."""
        return Anchor.objects.filter(batch__continues__isnull=False, state=Anchor.State.BROADCAST).exists()

    def check(self) -> None:
        """One batch continues the lost one; the old register's versions are the three that it had."""
        self.settle()
        Anchors.check(self)
        self.check_proofs()
        old, new = Register.objects.order_by("id")
        parent, child = Batch.objects.filter(register=old).select_related("anchor__current").order_by("seq")
        assert AnchorTransaction.objects.filter(anchor__batch__register=old).count() == 3
        assert parent.anchor.current == parent.anchor.transactions.get(version=0)
        assert (child.anchor.state, child.anchor.height) == (Anchor.State.BROADCAST, None)
        citation, continued = Batch.objects.filter(register=new).order_by("seq")
        assert (citation.continues, continued.continues) == (None, child)
        assert bytes(continued.root) == bytes(child.root)
        assert find_place(child.records.get()) == Place(continued, 1)


class Undoing(Anchors):
    """A reorganisation deeper than the finality undoes two FINAL anchors, on a node that has lost its mempool.

    Passes if both are mined again by the same bytes, in their order, and end final with proofs that verify.
    """

    points_min = 85
    loses_mempool = True

    def prepare(self) -> None:
        """Let a branch without anchors take over from one with two final ones."""
        super().prepare()
        self.found()
        [block, *_] = self.wallet.mine(4)
        plain_node().invalidate_block(block)
        self.anchor()
        self.anchor()
        self.wallet.mine(1)
        registry_following.follow_chain(node=plain_node(), now=START)
        assert Anchor.objects.filter(state=Anchor.State.FINAL).count() == 2
        plain_node().reconsider_block(block)

    def is_done(self) -> bool:
        """Both anchors wait in the node for a block of the branch that took over."""
        waiting = Anchor.objects.filter(state=Anchor.State.BROADCAST).select_related("current")
        entries = [plain_node().get_mempool_entry(anchor.current.txid) for anchor in waiting if anchor.current]
        return len(entries) == 2 and None not in entries

    def check(self) -> None:
        """Each anchor has the one version that it had, and is final."""
        self.settle()
        super().check()
        self.check_proofs()
        states = Anchor.objects.order_by("batch__seq").values_list("state", "current__version")
        assert list(states) == [(Anchor.State.FINAL, 0)] * 2
        assert AnchorTransaction.objects.count() == 2


SCENARIOS = {kind.__name__.lower(): kind for kind in (Regrowing, Losing, Undoing)}
