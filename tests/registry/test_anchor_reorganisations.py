"""Reorganisations around anchors: nothing is lost, nothing is anchored twice, and every proof is good again."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from registry.errors import ProofNotReadyError
from registry.models import Anchor, AnchorTransaction
from registry.proof.transactions import read_anchor
from registry.selectors.proofs import get_proof_document
from tests.nodes import DevnodeProcess
from tests.registry.anchoring import Anchoring, get_current, list_spent
from tests.registry.conftest import FoundedRegister

DEADLINE = 2
State = Anchor.State


@pytest.fixture
def anchoring(devnode: DevnodeProcess, own: FoundedRegister, settings: Settings) -> Anchoring:
    """A register on a node of the test's own, with a short deadline."""
    settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS = DEADLINE
    return Anchoring(own, devnode)


def list_commitments(anchor: Anchor) -> set[bytes]:
    """Return what the versions of an anchor commit to."""
    return {read_anchor(bytes(version.raw)).commitment for version in anchor.transactions.all()}


@pytest.mark.parametrize("depth", [1, 6, 12, 100])
def test_an_anchor_survives_a_reorganisation(anchoring: Anchoring, depth: int, tmp_path: Path):
    """Passes if an anchor under so many blocks, all replaced, is BROADCAST again, is mined in the new branch by the
    same bytes, and ends FINAL with a proof that the verifier accepts."""
    batch = anchoring.seal()
    anchoring.sweep()
    first, *_ = anchoring.mine(depth)
    anchor = Anchor.objects.get(batch=batch)
    assert anchor.state == (State.FINAL if depth >= 6 else State.MINED)

    anchoring.fork(first, count=depth + 1)
    anchoring.follow()

    anchor.refresh_from_db()
    assert (anchor.state, anchor.height, anchor.block_hash) == (State.BROADCAST, None, "")
    with pytest.raises(ProofNotReadyError):
        get_proof_document(anchoring.records[0].id)
    anchoring.settle()
    assert AnchorTransaction.objects.count() == 1
    anchoring.check(tmp_path)


@pytest.mark.parametrize("depth", [1, 6, 12, 100])
def test_anchors_stay_final_when_the_new_branch_has_them_too(anchoring: Anchoring, depth: int, tmp_path: Path):
    """Passes if anchors that the replacing branch has as well, in other blocks, are mined there, and their proofs name
    the new blocks."""
    batch = anchoring.seal()
    anchoring.sweep()
    first, *_ = anchoring.mine(depth)

    anchoring.fork(first, count=depth + 1, versions=(get_current(batch),))
    anchoring.sweep()

    anchor = Anchor.objects.get(batch=batch)
    assert anchor.state == (State.FINAL if depth + 1 >= 6 else State.MINED)
    assert anchor.block_hash not in {"", first}
    anchoring.settle()
    anchoring.check(tmp_path)


def test_the_other_version_mined_alone(anchoring: Anchoring, tmp_path: Path):
    """Passes if the version that had been replaced counts once a block has it, and the newer one is never mined."""
    batch = anchoring.seal()
    anchoring.sweep()
    anchor = Anchor.objects.get(batch=batch)
    before, after = anchoring.replace(anchor, deadline=DEADLINE)

    anchoring.forget()
    anchoring.node.send_raw_transaction(bytes(before.raw))
    anchoring.mine(1)

    anchor.refresh_from_db()
    assert (anchor.current, anchor.state) == (before, State.MINED)
    anchoring.settle()
    assert anchoring.node.get_mempool_entry(after.txid) is None
    anchoring.check(tmp_path)


def test_the_other_version_mined_with_children_built_already(
    anchoring: Anchoring, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Passes if two children of a replaced parent are signed anew, one after the other, on the version that the new
    branch has, with their commitments, and end FINAL with proofs that the verifier accepts. No node is offered what it
    must refuse meanwhile."""
    parent = anchoring.seal()
    anchoring.sweep()
    before, after = anchoring.replace(Anchor.objects.get(batch=parent), deadline=DEADLINE)
    [block] = anchoring.mine(1)
    child, grandchild = anchoring.anchor(), anchoring.anchor()
    assert list_spent(child.batch) == [(after.txid, 0)]
    old = [get_current(child.batch), get_current(grandchild.batch)]

    anchoring.fork(block, count=4, versions=(before,))
    anchoring.sweep()

    anchor = Anchor.objects.get(batch=parent)
    assert (anchor.current, anchor.state) == (before, State.MINED)
    anchoring.settle()
    child.refresh_from_db()
    grandchild.refresh_from_db()
    new = [get_current(child.batch), get_current(grandchild.batch)]
    assert list_spent(child.batch) == [(before.txid, 0)]
    assert list_spent(grandchild.batch) == [(new[0].txid, 0)]
    assert not set(old) & set(new)
    assert [len(list_commitments(anchor)) for anchor in (child, grandchild)] == [1, 1]
    assert "was refused" not in caplog.text
    anchoring.check(tmp_path)


def test_a_child_goes_back_to_its_first_version_when_the_first_branch_wins_again(anchoring: Anchoring, tmp_path: Path):
    """Passes if a child's earlier version is sent again, and none is signed, once its own parent is mined again."""
    parent = anchoring.seal()
    anchoring.sweep()
    before, after = anchoring.replace(Anchor.objects.get(batch=parent), deadline=DEADLINE)
    [block] = anchoring.mine(1)
    child = anchoring.anchor()
    first_version = get_current(child.batch)
    anchoring.fork(block, count=3, versions=(before,))
    anchoring.sweep()
    anchoring.sweep()
    child.refresh_from_db()
    assert get_current(child.batch) != first_version

    other_block = Anchor.objects.get(batch=parent).block_hash
    anchoring.fork(other_block, count=5, versions=(after,))
    anchoring.sweep()
    anchoring.settle()

    assert Anchor.objects.get(batch=parent).current == after
    assert get_current(child.batch) == first_version
    assert child.transactions.count() == 2
    anchoring.check(tmp_path)


def test_final_anchors_undone_with_their_descendants(anchoring: Anchoring, tmp_path: Path):
    """Passes if three FINAL anchors in a row, all undone by one reorganisation of 20 blocks, are mined again by the
    same bytes in their order."""
    anchors = [anchoring.anchor() for _ in range(3)]
    first_block = anchors[0].block_hash
    anchoring.settle()
    anchoring.mine(10)
    versions = set(AnchorTransaction.objects.values_list("txid", flat=True))

    anchoring.fork(first_block, count=20)
    anchoring.sweep()

    assert set(Anchor.objects.values_list("state", flat=True)) == {State.BROADCAST}
    anchoring.settle()
    assert set(AnchorTransaction.objects.values_list("txid", flat=True)) == versions
    anchoring.check(tmp_path)


def test_the_deadline_counts_anew_after_a_reorganisation(anchoring: Anchoring):
    """Passes if an anchor that was mined long ago is not replaced as soon as its block leaves the chain."""
    anchor = anchoring.anchor()
    block = anchor.block_hash
    anchoring.mine(10)

    anchoring.fork(block, count=12)
    anchoring.sweep()
    anchoring.sweep()

    assert anchor.transactions.count() == 1


def test_an_anchor_signed_far_above_a_shorter_chain_waits_for_it(anchoring: Anchoring, tmp_path: Path):
    """Passes if an anchor whose nLockTime is above the node's tip is kept, refused for now, and mined by the same bytes
    once the node has the blocks."""
    batch = anchoring.seal()
    first, *_ = anchoring.mine(5)
    anchoring.sweep()

    anchoring.node.invalidate_block(first)
    anchoring.forget()
    anchoring.founded.wallet.mine(1)
    assert anchoring.sweep() == 0

    txid = get_current(batch).txid
    assert anchoring.node.get_mempool_entry(txid) is None
    anchoring.founded.wallet.mine(5)
    anchoring.settle()
    assert [version.txid for version in AnchorTransaction.objects.all()] == [txid]
    anchoring.check(tmp_path)
