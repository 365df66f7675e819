"""A payout's transaction: signed once, sent as stored, mined, final, undone, failed; on a real development node."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pytest_django.fixtures import Settings

from chain.errors import NodeUnavailableError
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.transactions import Coin, Output, build_transaction, parse_transaction, sign_transaction, virtual_size
from payouts.errors import (
    InsufficientCoinsError,
    PayoutBatchNotFoundError,
    PayoutBatchStateError,
    WalletKeyMissingError,
)
from payouts.models import LedgerAccount, PayoutBatch, WalletCoin
from payouts.selectors.closing import get_closing_account, get_line
from payouts.selectors.ledger import get_balances_by_kind
from payouts.services.charges import charge_transfer
from payouts.services.deposits import issue_deposit_address
from payouts.services.following import follow_chain
from payouts.services.payout_transactions import advance_payouts, send_payout_batch, sign_payout_batch
from payouts.services.payouts import make_payout_batch
from payouts.services.settlement import settle_windows
from payouts.services.windows import close_window
from tests.factories.payouts import NOW, WALLET, make_batch, make_coin, make_holder, make_link, make_user, start_shares
from tests.nodes import DevnodeProcess, MiningWallet, copy_chain, running_devnode

Kind = LedgerAccount.Kind
State = PayoutBatch.State
CREDITED = WalletCoin.State.CREDITED
ALICE_KEY = WALLET.derive_key(1, 9_000)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def quick_money(settings: Settings):
    settings.CADASTRE_DEPOSIT_CONFIRMATIONS = 2
    settings.CADASTRE_CONFIRMATIONS_FINAL = 3
    settings.CADASTRE_PAYOUT_THRESHOLD_SAT = 1_000
    settings.CADASTRE_PLATFORM_FEE_BP = 1_000
    settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = 1_000


@dataclass
class Market:
    """A reader with a deposit on a real chain, and a publisher whose link was bought and settled."""

    node: NodeClient
    miner: MiningWallet

    def mine(self, count: int = 1) -> list[str]:
        """Mine and follow."""
        hashes = self.miner.mine(count)
        follow_chain(node=self.node, now=NOW)
        return hashes

    def held(self, kind: LedgerAccount.Kind) -> int:
        """Return what all accounts of a kind hold."""
        return get_balances_by_kind()[kind].credit_balance_msat


@pytest.fixture
def market(db: None, devnode: DevnodeProcess) -> Market:
    """Deposit 100,000 sat, capital of 50,000 sat, and 40,000 sat earned by Alice, less the platform's tenth."""
    market = Market(devnode.client, MiningWallet(devnode.client))
    carol, bob = make_user("carol"), make_user("bob")
    alice = make_holder("Alice", payout_address=ALICE_KEY.address(REGTEST))
    for user, value_sat in ((carol, 100_000), (None, 50_000)):
        market.miner.pay(bytes(issue_deposit_address(user=user, now=NOW).script), value_sat)
    market.mine(3)
    link = make_link(owner=bob, price_msat=40_000_000)
    start_shares(link, [(alice, 1_000_000)], now=NOW + timedelta(seconds=1))
    charge_transfer(payer=carol, link_id=link.id, territory=None, price_max_msat=None, now=NOW + timedelta(seconds=2))
    assert get_closing_account().is_balanced
    close_window(now=NOW + DAY)
    settle_windows(now=NOW + DAY)
    assert get_closing_account().is_balanced
    return market


@pytest.fixture
def batch(market: Market) -> PayoutBatch:
    """The batch that pays Alice, not signed yet."""
    made = make_payout_batch(now=NOW + DAY)
    assert made is not None
    return made


def sign(market: Market, batch: PayoutBatch) -> PayoutBatch:
    """Sign a batch."""
    return sign_payout_batch(batch_id=batch.id, node=market.node, now=NOW)


def send(market: Market, batch: PayoutBatch) -> PayoutBatch:
    """Send a batch."""
    return send_payout_batch(batch_id=batch.id, node=market.node, now=NOW)


def test_money_goes_from_a_deposit_to_a_final_payout_exactly(market: Market, batch: PayoutBatch):
    assert (batch.total_sat, market.held(Kind.IN_TRANSIT)) == (36_000, 36_000_000)
    signed = sign(market, batch)
    assert signed.state == State.SIGNED
    assert market.node.get_mempool_entry(str(signed.txid)) is None
    assert get_closing_account().is_balanced
    assert send(market, batch).state == State.BROADCAST
    market.mine()
    batch.refresh_from_db()
    assert batch.state == State.MINED
    assert get_closing_account().is_balanced
    market.mine(2)
    batch.refresh_from_db()
    fee_msat = int(batch.fee_sat or 0) * 1_000
    closing = get_closing_account()
    assert (batch.state, batch.times_paid) == (State.PAID, 1)
    assert closing.is_balanced
    assert get_line(closing.chain, "PAYOUT_OUTPUTS") == get_line(closing.ledger, "PAID") == 36_000_000
    assert get_line(closing.chain, "MINER_FEES") == get_line(closing.ledger, "MINER_FEES") == fee_msat > 0
    assert market.held(Kind.PLATFORM) == 4_000_000 - fee_msat
    assert closing.chain.deposits_msat == 150_000_000
    change = WalletCoin.objects.get(kind="CHANGE")
    assert (change.state, change.value_sat) == (CREDITED, 100_000 - 36_000 - int(batch.fee_sat or 0))


def test_the_transaction_pays_everyone_and_the_fee_that_was_estimated(market: Market, batch: PayoutBatch):
    signed = sign(market, batch)
    raw = bytes(signed.raw or b"")
    parsed = parse_transaction(raw)
    assert (parsed.txid, len(parsed.inputs)) == (signed.txid, 1)
    assert parsed.outputs[0] == Output(36_000, ALICE_KEY.script_pubkey)
    assert parsed.outputs[1].script == WALLET.derive_script(1, 0)
    assert market.node.test_mempool_accept(raw).is_allowed
    assert virtual_size(raw) <= int(signed.fee_sat or 0) <= virtual_size(raw) + 5


def test_a_batch_is_signed_once(market: Market, batch: PayoutBatch):
    sign(market, batch)
    with pytest.raises(PayoutBatchStateError, match="SIGNED"):
        sign(market, batch)


def test_sending_again_changes_nothing(market: Market, batch: PayoutBatch):
    sign(market, batch)
    first, second = send(market, batch), send(market, batch)
    assert second.state == State.BROADCAST
    assert second.changed_at == first.changed_at


def test_a_transaction_that_is_in_the_chain_already_counts_as_sent(market: Market, batch: PayoutBatch):
    signed = sign(market, batch)
    market.node.send_raw_transaction(bytes(signed.raw or b""))
    market.miner.mine()
    assert send(market, batch).state == State.BROADCAST
    follow_chain(node=market.node, now=NOW)
    batch.refresh_from_db()
    assert batch.state == State.MINED
    with pytest.raises(PayoutBatchStateError, match="nothing to send"):
        send(market, batch)


def test_a_node_that_does_not_answer_leaves_the_batch_signed(market: Market, batch: PayoutBatch):
    sign(market, batch)
    with pytest.raises(NodeUnavailableError):
        send_payout_batch(batch_id=batch.id, node=NodeClient("http://u:p@127.0.0.1:1", timeout_s=1), now=NOW)
    batch.refresh_from_db()
    assert batch.state == State.SIGNED
    assert advance_payouts(node=market.node, now=NOW) == 1
    batch.refresh_from_db()
    assert batch.state == State.BROADCAST


def test_a_sweep_signs_and_sends(market: Market, batch: PayoutBatch):
    assert advance_payouts(node=market.node, now=NOW) == 1
    batch.refresh_from_db()
    assert batch.state == State.BROADCAST


def test_a_batch_that_the_node_lost_is_sent_again_as_the_same_bytes(market: Market, batch: PayoutBatch):
    signed = sign(market, batch)
    PayoutBatch.objects.filter(id=batch.id).update(state=State.BROADCAST)
    assert send(market, batch).state == State.BROADCAST
    assert market.node.get_raw_transaction(str(signed.txid)) == bytes(signed.raw or b"")


class BoastingNode(NodeClient):
    """A node that claims to be far ahead."""

    def get_block_count(self) -> int:
        return 900_000


def test_a_node_that_claims_another_height_does_not_lock_the_payout(
    market: Market, batch: PayoutBatch, devnode: DevnodeProcess
):
    signed = sign_payout_batch(batch_id=batch.id, node=BoastingNode(devnode.url), now=NOW)
    assert parse_transaction(bytes(signed.raw or b"")).lock_time == market.node.get_block_count()


def test_a_swapped_node_with_an_empty_mempool_gets_the_payout_again(market: Market, batch: PayoutBatch, tmp_path: Path):
    """Pass: a second node, fed the same blocks, undoes nothing, gets the same bytes, mines them, and pays once."""
    signed = sign(market, batch)
    send(market, batch)
    with running_devnode(tmp_path / "second") as second:
        copy_chain(market.node, second.client)
        assert follow_chain(node=second.client, now=NOW) == 0
        assert second.client.get_mempool_entry(str(signed.txid)) is None
        assert advance_payouts(node=second.client, now=NOW) == 1
        assert second.client.get_raw_transaction(str(signed.txid)) == bytes(signed.raw or b"")
        Market(second.client, MiningWallet(second.client)).mine(3)
    batch.refresh_from_db()
    assert (batch.state, batch.times_paid) == (State.PAID, 1)


def test_a_payout_whose_block_leaves_is_undone_and_paid_again(
    market: Market, batch: PayoutBatch, devnode: DevnodeProcess
):
    sign(market, batch)
    send(market, batch)
    block_hash = market.mine(3)[0]
    batch.refresh_from_db()
    assert batch.state == State.PAID
    market.node.invalidate_block(block_hash)
    devnode.kill()  # The mempool forgets the payout, so that the competing block does not have it.
    devnode.start()
    market.mine()
    batch.refresh_from_db()
    assert (batch.state, batch.height) == (State.BROADCAST, None)
    assert (market.held(Kind.PAID), market.held(Kind.IN_TRANSIT)) == (0, 36_000_000)
    assert WalletCoin.objects.get(kind="CHANGE").state == WalletCoin.State.UNDONE
    assert get_closing_account().is_balanced
    assert send(market, batch).state == State.BROADCAST
    market.mine(3)
    batch.refresh_from_db()
    assert (batch.state, batch.times_paid) == (State.PAID, 2)
    assert market.held(Kind.PAID) == 36_000_000
    assert get_closing_account().is_balanced


def steal_input(market: Market, batch: PayoutBatch) -> str:
    """Spend a batch's input by another transaction of the same keys, and mine it."""
    coin = batch.inputs.get()
    spent = Coin(coin.txid, coin.vout, coin.value_sat, bytes(coin.script))
    outputs = [Output(coin.value_sat - 5_000, b"\x00\x14" + bytes(20))]
    raw = build_transaction(coins=[spent], outputs=outputs, lock_time=0)
    signed = sign_transaction(raw, coins=[spent], keys={spent.script: WALLET.derive_key(0, coin.index)})
    txid = market.node.send_raw_transaction(signed)
    market.mine()
    return txid


def test_a_batch_fails_once_a_conflicting_spend_is_final(market: Market, batch: PayoutBatch):
    sign(market, batch)
    steal_input(market, batch)
    assert send(market, batch).state == State.UNKNOWN
    assert send(market, batch).state == State.UNKNOWN
    market.mine()
    batch.refresh_from_db()
    assert batch.state == State.UNKNOWN
    market.mine()
    batch.refresh_from_db()
    assert batch.state == State.FAILED
    assert (market.held(Kind.IN_TRANSIT), market.held(Kind.PAYABLE)) == (0, 36_000_000)
    closing = get_closing_account()
    assert not closing.is_balanced
    assert closing.foreign_spends_msat == 100_000_000


def test_an_unknown_batch_is_offered_again_as_the_same_bytes(market: Market, batch: PayoutBatch):
    signed = sign(market, batch)
    PayoutBatch.objects.filter(id=batch.id).update(state=State.UNKNOWN)
    assert send(market, batch).state == State.BROADCAST
    assert market.node.get_raw_transaction(str(signed.txid)) == bytes(signed.raw or b"")
    assert PayoutBatch.objects.get().txid == signed.txid


def test_a_lost_batch_is_offered_again_though_the_next_one_cannot_be_covered(
    market: Market, batch: PayoutBatch, devnode: DevnodeProcess
):
    """Only the lost batch's change covers the next one."""
    sign(market, batch)
    send(market, batch)
    WalletCoin.objects.filter(spent_by=None).update(spent_txid="ab" * 32)
    following = make_batch(state=State.APPROVED, total_sat=1_000)
    devnode.kill()  # a node that starts anew has an empty mempool
    devnode.start()
    with pytest.raises(InsufficientCoinsError):
        advance_payouts(node=market.node, now=NOW)
    batch.refresh_from_db()
    assert market.node.get_mempool_entry(str(batch.txid)) is not None
    market.mine(3)
    assert advance_payouts(node=market.node, now=NOW) == 1
    following.refresh_from_db()
    assert following.state == State.BROADCAST
    assert following.inputs.get().txid == batch.txid


def test_a_batch_that_cannot_be_covered_keeps_no_other_from_being_signed_and_sent(market: Market, batch: PayoutBatch):
    early, late = NOW - DAY, NOW + 2 * DAY
    for created_at in (early, late):
        make_batch(state=State.APPROVED, total_sat=10**9, created_at=created_at)
    with pytest.raises(InsufficientCoinsError):
        advance_payouts(node=market.node, now=NOW)
    batch.refresh_from_db()
    assert batch.state == State.BROADCAST
    assert market.node.get_mempool_entry(str(batch.txid)) is not None


def test_a_machine_without_the_private_key_sends_what_another_one_signed(
    market: Market, batch: PayoutBatch, settings: Settings
):
    signed = sign(market, batch)
    settings.CADASTRE_PAYOUT_XPRV = ""
    waiting = make_batch(state=State.APPROVED, total_sat=1_000)
    with pytest.raises(WalletKeyMissingError):
        advance_payouts(node=market.node, now=NOW)
    batch.refresh_from_db()
    waiting.refresh_from_db()
    assert (batch.state, waiting.state) == (State.BROADCAST, State.APPROVED)
    assert market.node.get_raw_transaction(str(signed.txid)) == bytes(signed.raw or b"")


def test_a_batch_that_another_worker_moved_on_keeps_no_other_from_its_turn(
    market: Market, batch: PayoutBatch, devnode: DevnodeProcess
):
    """The batch ends between being listed and being sent, as a block beside the sweep would end it."""

    class EndsTheFirst(type(market.node)):  # type: ignore[misc]  # the class is known at run time only
        """A node during whose first call the batch is cancelled."""

        def estimate_smart_fee(self, blocks: int) -> int | None:  # noqa: ARG002  the node's signature
            PayoutBatch.objects.filter(id=batch.id).update(state=State.FAILED)
            return None

    signed = sign(market, batch)
    other = make_batch(state=State.APPROVED, total_sat=1_000)
    PayoutBatch.objects.filter(id=batch.id).update(state=State.APPROVED, txid=None, raw=None)
    PayoutBatch.objects.filter(id=other.id).update(
        state=State.SIGNED, txid=signed.txid, raw=signed.raw, fee_sat=signed.fee_sat
    )
    assert advance_payouts(node=EndsTheFirst(devnode.url), now=NOW) == 1
    other.refresh_from_db()
    assert other.state == State.BROADCAST


@pytest.mark.django_db
@pytest.mark.parametrize("action", [sign_payout_batch, send_payout_batch])
def test_a_batch_that_does_not_exist_is_an_error(action: Callable[..., object], shared_devnode: DevnodeProcess):
    with pytest.raises(PayoutBatchNotFoundError):
        action(batch_id=uuid4(), node=shared_devnode.client, now=NOW)


@pytest.mark.django_db
def test_a_batch_is_not_signed_without_coins_or_keys(shared_devnode: DevnodeProcess, settings: Settings):
    batch = make_batch(state=State.APPROVED)
    with pytest.raises(InsufficientCoinsError):
        sign_payout_batch(batch_id=batch.id, node=shared_devnode.client, now=NOW)
    make_coin(value_sat=50_000, state=CREDITED)
    settings.CADASTRE_PAYOUT_XPRV = ""
    with pytest.raises(WalletKeyMissingError):
        sign_payout_batch(batch_id=batch.id, node=shared_devnode.client, now=NOW)
    batch.refresh_from_db()
    assert batch.state == State.APPROVED
    assert not WalletCoin.objects.exclude(spent_by=None).exists()


@pytest.mark.django_db
def test_change_branch_coins_are_signed_with_their_own_keys(shared_devnode: DevnodeProcess):
    for index, is_internal in ((3, True), (3, False)):
        make_coin(
            value_sat=15_000,
            state=CREDITED,
            kind=WalletCoin.Kind.CHANGE if is_internal else WalletCoin.Kind.CAPITAL,
            is_internal=is_internal,
            script=WALLET.derive_script(int(is_internal), index),
            index=index,
        )
    batch = make_batch(state=State.APPROVED)
    signed = sign_payout_batch(batch_id=batch.id, node=shared_devnode.client, now=NOW)
    parsed = parse_transaction(bytes(signed.raw or b""))
    assert {item.witness[1] for item in parsed.inputs} == {WALLET.derive_key(branch, 3).public_key for branch in (0, 1)}


@pytest.mark.django_db
def test_a_transaction_without_change_pays_the_payouts_alone(shared_devnode: DevnodeProcess):
    make_coin(value_sat=20_200, state=CREDITED)
    batch = make_batch(state=State.APPROVED)
    signed = sign_payout_batch(batch_id=batch.id, node=shared_devnode.client, now=NOW)
    assert (signed.change_index, signed.fee_sat) == (None, 200)
    assert len(parse_transaction(bytes(signed.raw or b"")).outputs) == 1
