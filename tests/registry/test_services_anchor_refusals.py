"""Anchors that a node refuses: what is signed anew, and what waits unchanged."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chain.node import NodeClient
from chain.transactions import Coin, Output, build_transaction, sign_transaction, virtual_size
from registry.errors import AnchorRaceError
from registry.models import Anchor, AnchorTransaction, Batch, Register
from registry.services import anchors
from registry.services.anchor_keys import get_anchor_keys
from registry.services.anchor_versions import replace_anchor
from tests.nodes import DevnodeProcess
from tests.registry.anchor_nodes import DEADLINE, BehindNode, RefusingNode, StingyNode, pass_blocks, sweep_times
from tests.registry.anchoring import Anchoring, get_current
from tests.registry.conftest import NOW, FoundedRegister
from tests.registry.test_services_successions import lose_key, succeed

State = Anchor.State


@pytest.fixture
def anchoring(devnode: DevnodeProcess, own: FoundedRegister, settings: Settings) -> Anchoring:
    """A register on a node of the test's own, with a short deadline."""
    settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS = DEADLINE
    return Anchoring(own, devnode)


@pytest.fixture
def overdue(anchoring: Anchoring) -> Anchor:
    """An anchor that waits in the node, and that no block has taken until the deadline."""
    batch = anchoring.seal()
    anchoring.sweep()
    pass_blocks(anchoring, DEADLINE)
    return Anchor.objects.select_related("current", "batch__register").get(batch=batch)


def test_a_coin_that_has_become_worth_its_fee_is_no_reason_to_sign_a_refused_anchor_anew(anchoring: Anchoring):
    """Passes if ten sweeps on a node that refuses an anchor sign nothing, with a coin that is worth its fee at the
    node's estimate but not at a replacement's rate."""
    anchoring.pay(get_anchor_keys().payee, 400)
    anchoring.transport.rate_sat_per_kvb = 10_000
    anchoring.seal()
    anchoring.sweep()
    anchoring.transport.rate_sat_per_kvb = 1_000

    sweep_times(anchoring, RefusingNode(anchoring.devnode.url, transport=anchoring.transport), count=10)

    assert AnchorTransaction.objects.count() == 1


@pytest.mark.parametrize(("make", "versions"), [(RefusingNode, 2), (BehindNode, 1)])
def test_a_refused_anchor_that_pays_too_little_is_signed_anew_once_by_a_node_that_has_the_tip(
    anchoring: Anchoring, make: type[NodeClient], versions: int
):
    anchoring.seal()
    anchoring.sweep()
    anchoring.transport.rate_sat_per_kvb = 40_000

    sweep_times(anchoring, make(anchoring.devnode.url, transport=anchoring.transport), count=10)

    assert AnchorTransaction.objects.count() == versions


def test_no_anchor_is_signed_on_a_node_that_lacks_the_last_followed_block(anchoring: Anchoring, tmp_path: Path):
    """Passes if neither a node that is behind nor one on another branch has an anchor signed, and the first one that
    has the block does."""
    anchoring.seal()
    sweep_times(anchoring, BehindNode(anchoring.devnode.url, transport=anchoring.transport), count=3)
    [block] = anchoring.mine(1)
    anchoring.node.invalidate_block(block)
    anchoring.founded.wallet.mine(1)
    anchors.send_anchors(node=anchoring.node, now=NOW)
    assert not Anchor.objects.exists()

    anchoring.follow()
    anchoring.founded.wallet.mine(1)
    anchoring.follow()
    assert anchoring.sweep() == 1
    anchoring.settle()
    anchoring.check(tmp_path)


def test_anchors_beyond_what_a_node_keeps_in_a_row_wait_unchanged(anchoring: Anchoring, tmp_path: Path):
    """Passes if, of 27 anchors undone, of which the node keeps 25, the last two are not signed anew however high the
    fees are; the 25th is replaced at its deadline, for what the node has; and all are mined in the end."""
    chain = [anchoring.anchor() for _ in range(27)]
    anchoring.fork(chain[0].block_hash, count=28)
    anchoring.follow()
    anchoring.transport.rate_sat_per_kvb = 10_000

    sweep_times(anchoring, anchoring.node, count=3)
    assert [anchor.transactions.count() for anchor in chain] == [1] * 27
    waiting = [anchoring.node.get_mempool_entry(get_current(anchor.batch).txid) for anchor in chain]
    assert [entry is not None for entry in waiting] == [True] * 25 + [False] * 2

    anchoring.forget()
    anchoring.mine(DEADLINE)
    sweep_times(anchoring, anchoring.node, count=2)
    assert [anchor.transactions.count() for anchor in chain] == [1] * 24 + [2, 1, 1]
    kept = [get_current(anchor.batch) for anchor in chain[:25]]
    size = sum(virtual_size(bytes(version.raw)) for version in kept)
    assert sum(version.fee_sat for version in kept) * 1_000 / size == pytest.approx(10_000, rel=0.02)
    anchoring.settle()
    anchoring.check(tmp_path)


def test_nothing_is_signed_for_a_register_that_was_succeeded_meanwhile(anchoring: Anchoring, overdue: Anchor):
    """Passes if an anchor of a register that has a successor is neither replaced nor is its next one signed."""
    register = anchoring.founded.register
    Register.objects.create(
        network=register.network,
        first_txid="22" * 32,
        first_vout=0,
        first_value_sat=1,
        first_script=b"",
        founded_at=NOW,
        succeeds=register,
    )

    with pytest.raises(AnchorRaceError):
        replace_anchor(anchor=overdue, node=anchoring.node, now=NOW)
    assert overdue.transactions.count() == 1
    anchoring.mine(1)
    batch = Batch.objects.create(
        register=register,
        seq=1,
        first_index=1,
        size=1,
        size_final=1,
        state=Batch.State.SEALED,
        previous_commitment=bytes(overdue.batch.commitment),
        root=b"r" * 32,
        subtree_roots=b"r" * 32,
        recent_block_hash=overdue.batch.recent_block_hash,
        commitment=b"c" * 32,
        opened_at=NOW,
        sealed_at=NOW,
    )
    with pytest.raises(AnchorRaceError):
        anchors.sign_anchor(batch=batch, node=anchoring.node, now=NOW)


def list_reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors that the sweeps logged since they were last asked for."""
    found = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    caplog.clear()
    return found


def test_a_refusal_is_logged_once_until_it_ends_or_changes(anchoring: Anchoring, caplog: pytest.LogCaptureFixture):
    """Passes if ten sweeps on a node that refuses an anchor log one error, another reason is logged too, and the first
    one again after a node has taken the anchor in between."""
    refusing = RefusingNode(anchoring.devnode.url, transport=anchoring.transport)
    stingy = StingyNode(anchoring.devnode.url, transport=anchoring.transport)
    batch = anchoring.seal()

    sweep_times(anchoring, refusing, count=10)
    [report] = list_reports(caplog)
    assert "bad-txns-inputs-missingorspent" in report
    sweep_times(anchoring, stingy, count=10)
    [report] = list_reports(caplog)
    assert "insufficient fee" in report
    anchor = Anchor.objects.get(batch=batch)
    assert anchor.refusal.startswith(get_current(batch).txid)
    anchoring.sweep()
    anchor.refresh_from_db()
    assert (anchor.refusal, list_reports(caplog)) == ("", [])
    sweep_times(anchoring, refusing, count=10)
    assert len(list_reports(caplog)) == 1
    anchoring.mine(1)
    anchor.refresh_from_db()
    assert (anchor.state, anchor.refusal) == (State.MINED, "")


def test_an_anchor_of_a_succeeded_register_that_is_refused_for_ever_is_logged_once(
    anchoring: Anchoring, settings: Settings, caplog: pytest.LogCaptureFixture
):
    """Passes if an old register's anchor whose continuation somebody with the key has spent is reported by the first
    of many sweeps, and the new register's anchors go on meanwhile."""
    old, old_key = anchoring.founded.register, settings.CADASTRE_ANCHOR_KEY
    outpoint = lose_key(anchoring, settings)
    new_key = settings.CADASTRE_ANCHOR_KEY
    settings.CADASTRE_ANCHOR_KEY = old_key
    key = get_anchor_keys().payee
    anchoring.seal()
    anchoring.sweep()
    anchoring.forget()
    coin = Coin(old.first_txid, old.first_vout, old.first_value_sat, bytes(old.first_script))
    theirs = Output(coin.value_sat - 1_000, anchoring.founded.wallet.key.script_pubkey)
    raw = sign_transaction(
        build_transaction(coins=[coin], outputs=[theirs], lock_time=0), coins=[coin], keys={key.script_pubkey: key}
    )
    anchoring.node.send_raw_transaction(raw)
    anchoring.mine(1)
    settings.CADASTRE_ANCHOR_KEY = new_key
    succeed(anchoring, old, outpoint)
    list_reports(caplog)

    anchoring.settle()

    assert len(list_reports(caplog)) == 1
    assert Anchor.objects.get(batch__register=old).height is None
