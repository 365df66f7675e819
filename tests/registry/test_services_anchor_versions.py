"""Further versions of an anchor: by deadline, within cap and ceiling, and once only when workers race."""

from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chain.transactions import Coin, parse_transaction, virtual_size
from registry.errors import AnchorCapError, AnchorCeilingError, AnchorFundsError, AnchorRaceError
from registry.models import Anchor, AnchorTransaction
from registry.proof.transactions import read_anchor
from registry.rules.fees import Paid
from registry.selectors.funds import get_anchor_funds, get_spent_today
from registry.services import anchors
from registry.services.anchor_drafts import Rivals, draft_anchor, plan_anchor
from registry.services.anchor_versions import replace_anchor
from tests.nodes import DevnodeProcess
from tests.registry.anchor_nodes import (
    DEADLINE,
    BoastingNode,
    StingyNode,
    list_versions,
    pass_blocks,
)
from tests.registry.anchoring import Anchoring, get_current
from tests.registry.conftest import NOW, FoundedRegister
from tests.threads import run_together

HOUR = timedelta(hours=1)
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


def test_an_overdue_anchor_is_replaced_by_the_rules_of_bip_125(anchoring: Anchoring, overdue: Anchor, tmp_path: Path):
    """Passes if the node itself lets the new version take the old one's place, and both have one commitment and one
    input."""
    assert anchoring.sweep() == 1

    old, new = list_versions(overdue)
    assert anchoring.node.get_mempool_entry(old.txid) is None
    assert anchoring.node.get_mempool_entry(new.txid) is not None
    assert new.fee_sat >= old.fee_sat + virtual_size(bytes(new.raw))
    assert read_anchor(bytes(old.raw)).commitment == read_anchor(bytes(new.raw)).commitment
    assert [parse_transaction(bytes(version.raw)).inputs[0].txid for version in (old, new)] == [
        anchoring.founded.register.first_txid
    ] * 2
    overdue.refresh_from_db()
    assert (overdue.current, overdue.state) == (new, State.BROADCAST)
    anchoring.settle()
    anchoring.check(tmp_path)


def test_an_anchor_is_not_replaced_before_its_deadline(anchoring: Anchoring):
    anchoring.seal()
    anchoring.sweep()
    pass_blocks(anchoring, DEADLINE - 1)

    assert anchoring.sweep() == 0
    assert AnchorTransaction.objects.count() == 1


def test_a_replacement_has_its_own_deadline(anchoring: Anchoring, overdue: Anchor):
    anchoring.sweep()
    assert anchoring.sweep() == 0
    pass_blocks(anchoring, DEADLINE)

    assert anchoring.sweep() == 1
    fees = [version.fee_sat for version in list_versions(overdue)]
    assert fees == sorted(set(fees))
    assert len(fees) == 3


def test_a_replacement_follows_the_nodes_estimate(anchoring: Anchoring, overdue: Anchor):
    anchoring.transport.rate_sat_per_kvb = 40_000

    anchoring.sweep()

    new = get_current(overdue.batch)
    assert new.fee_sat * 1_000 / virtual_size(bytes(new.raw)) == pytest.approx(40_000, rel=0.02)


def test_a_replacement_stops_at_the_ceiling(anchoring: Anchoring, overdue: Anchor, settings: Settings):
    """Passes if nothing is signed and the sweep says why, and anchoring goes on once the ceiling allows it."""
    settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 1_500

    with pytest.raises(AnchorCeilingError, match="the highest fee rate allows"):
        anchoring.sweep()
    assert AnchorTransaction.objects.count() == 1
    settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 200_000
    assert anchoring.sweep() == 1


def test_a_fee_spike_past_the_cap_signs_nothing_and_ends_by_itself(
    anchoring: Anchoring, settings: Settings, tmp_path: Path
):
    """Passes if nothing is signed while fees would exceed the cap, the error says so, and the anchor is signed once
    they have come down, without anybody's doing."""
    settings.CADASTRE_ANCHOR_DAILY_CAP_SAT = 5_000
    anchoring.transport.rate_sat_per_kvb = 100_000
    anchoring.seal()

    with pytest.raises(AnchorCapError, match="exceed the cap of 5000 sat"):
        anchoring.sweep()
    assert not Anchor.objects.exists()
    anchoring.transport.rate_sat_per_kvb = 2_000
    assert anchoring.sweep() == 1
    anchoring.settle()
    anchoring.check(tmp_path)


def test_the_cap_opens_again_as_its_day_passes(anchoring: Anchoring, settings: Settings):
    """Passes if a second anchor waits exactly until the first one's signature is 24 hours old."""
    anchoring.anchor()
    settings.CADASTRE_ANCHOR_DAILY_CAP_SAT = get_spent_today(now=NOW) + 1
    anchoring.seal()

    with pytest.raises(AnchorCapError):
        anchoring.sweep(now=NOW + 24 * HOUR - timedelta(seconds=1))
    assert anchoring.sweep(now=NOW + 24 * HOUR) == 1


def test_versions_of_one_anchor_count_once_against_the_cap(anchoring: Anchoring, overdue: Anchor, settings: Settings):
    """Passes if a replacement is allowed as long as its own fee, not the sum of both, keeps within the cap."""
    settings.CADASTRE_ANCHOR_DAILY_CAP_SAT = 320
    old = list_versions(overdue)[0].fee_sat

    assert anchoring.sweep() == 1
    new = list_versions(overdue)[1].fee_sat
    assert new <= 320 < old + new
    assert get_spent_today(now=NOW) == new
    pass_blocks(anchoring, DEADLINE)
    with pytest.raises(AnchorCapError):
        anchoring.sweep()
    assert len(list_versions(overdue)) == 2


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_wrong_neither_stops_nor_doubles_anything(
    anchoring: Anchoring, settings: Settings, hours: int, tmp_path: Path
):
    """Passes if anchors signed by a clock an hour wrong are mined once, the cap counts them by the right clock too,
    and the deadline, which counts blocks, is not moved by the clock."""
    batch = anchoring.seal()
    anchoring.sweep(now=NOW + hours * HOUR)
    assert get_spent_today(now=NOW) == get_current(batch).fee_sat
    for _ in range(3):
        anchoring.sweep(now=NOW + hours * HOUR)
    assert AnchorTransaction.objects.count() == 1
    anchoring.mine(1)
    settings.CADASTRE_ANCHOR_DAILY_CAP_SAT = get_spent_today(now=NOW) + 1
    anchoring.seal()

    with pytest.raises(AnchorCapError):
        anchoring.sweep(now=NOW)
    anchoring.sweep(now=NOW + 25 * HOUR)
    anchoring.settle()
    anchoring.check(tmp_path)


def test_a_replacement_offers_what_is_left_if_that_still_replaces(anchoring: Anchoring):
    anchoring.transport.rate_sat_per_kvb = 200_000
    batch = anchoring.seal()
    coin = Coin("11" * 32, 0, 2_000, bytes(anchoring.founded.register.first_script))
    plan = plan_anchor(batch=batch, parent=coin, node=anchoring.node)

    draft = draft_anchor(plan=plan, node=anchoring.node, rivals=Rivals(replaced=[Paid(1_000, 150)]))

    assert (draft.fee_sat, draft.continuation_sat) == (2_000 - 294, 294)
    with pytest.raises(AnchorFundsError, match="2000 sat left; the next one costs 1"):
        draft_anchor(plan=plan, node=anchoring.node, rivals=Rivals(replaced=[Paid(1_600, 150)]))
    with pytest.raises(AnchorFundsError, match="2000 sat left"):
        draft_anchor(plan=plan, node=anchoring.node)


def test_a_refused_version_leaves_the_earlier_one_waiting(
    anchoring: Anchoring, overdue: Anchor, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    """Passes if the node's refusal of a replacement loses nothing: the earlier version waits there, is mined, and
    counts."""
    old = get_current(overdue.batch)
    replace_anchor(anchor=overdue, node=anchoring.node, now=NOW)
    new = get_current(overdue.batch)

    caplog.set_level("INFO")

    anchors.send_anchors(node=StingyNode(anchoring.devnode.url), now=NOW)

    overdue.refresh_from_db()
    assert (overdue.current, overdue.state) == (new, State.SIGNED)
    assert "version 0 waits" in caplog.text
    anchoring.mine(1)
    overdue.refresh_from_db()
    assert (overdue.current, overdue.state) == (old, State.MINED)
    anchoring.settle()
    anchoring.check(tmp_path)


def test_a_version_that_was_replaced_meanwhile_is_not_stored(anchoring: Anchoring, overdue: Anchor):
    other = Anchor.objects.select_related("current", "batch__register").get(id=overdue.id)
    replace_anchor(anchor=overdue, node=anchoring.node, now=NOW)

    with pytest.raises(AnchorRaceError):
        replace_anchor(anchor=other, node=anchoring.node, now=NOW)
    assert overdue.transactions.count() == 2


def test_a_mined_anchor_is_not_replaced(anchoring: Anchoring, overdue: Anchor):
    anchoring.mine(1)

    with pytest.raises(AnchorRaceError):
        replace_anchor(anchor=overdue, node=anchoring.node, now=NOW)
    assert overdue.transactions.count() == 1


def test_the_last_of_several_waiting_anchors_pays_for_all(anchoring: Anchoring, tmp_path: Path):
    """Passes if, with three anchors undone, only the last is replaced, at a fee that lifts all three to the rate."""
    chain = [anchoring.anchor() for _ in range(3)]
    block = chain[0].block_hash
    anchoring.fork(block, count=4)
    anchoring.sweep()
    anchoring.sweep()
    anchoring.forget()
    anchoring.mine(DEADLINE)
    anchoring.transport.rate_sat_per_kvb = 10_000
    anchoring.sweep()

    assert [anchor.transactions.count() for anchor in chain] == [1, 1, 2]
    versions = [get_current(anchor.batch) for anchor in chain]
    size = sum(virtual_size(bytes(version.raw)) for version in versions)
    assert sum(version.fee_sat for version in versions) * 1_000 / size == pytest.approx(10_000, rel=0.02)
    anchoring.settle()
    anchoring.check(tmp_path)


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_race_sign_one_anchor_and_replace_it_once(anchoring: Anchoring, tmp_path: Path):
    """Passes if four workers, each with its own connection, make one anchor of one version, and once it is overdue one
    further version."""
    batch = anchoring.seal()
    sweep = lambda: anchors.send_anchors(node=anchoring.node, now=NOW)  # noqa: E731

    assert run_together([sweep] * 4) == []
    assert AnchorTransaction.objects.count() == 1
    pass_blocks(anchoring, DEADLINE)
    assert run_together([sweep] * 4) == []

    assert [version.version for version in AnchorTransaction.objects.order_by("version")] == [0, 1]
    assert Anchor.objects.get(batch=batch).state == State.BROADCAST
    anchoring.settle()
    assert get_anchor_funds(now=NOW).fee_spent_sat == get_current(batch).fee_sat
    anchoring.check(tmp_path)


def test_an_anchor_in_a_block_that_was_not_followed_yet_is_not_replaced(anchoring: Anchoring, overdue: Anchor):
    """Passes if an overdue anchor that was just mined is found by following, with no further version."""
    anchoring.founded.wallet.mine(1)

    assert anchoring.sweep() == 0

    overdue.refresh_from_db()
    assert (overdue.state, overdue.transactions.count()) == (State.MINED, 1)


def test_a_node_that_claims_another_height_does_not_move_the_deadline(anchoring: Anchoring):
    """Passes if an anchor that was offered to a node which claims to be far ahead is replaced by its deadline, counted
    from when the node tells its height."""
    batch = anchoring.seal()
    for _ in range(2):
        anchors.send_anchors(node=BoastingNode(anchoring.devnode.url), now=NOW)
    anchor = Anchor.objects.get(batch=batch)
    assert (anchor.state, anchor.waiting_from_height) == (State.BROADCAST, None)

    anchoring.sweep()
    pass_blocks(anchoring, DEADLINE)

    assert anchoring.sweep() == 1
    assert anchor.transactions.count() == 2
