"""What blocks do to payout batches, and who pays the miner."""

import pytest
from django.db import transaction

from chain.transactions import Block, Coin, Output, Transaction, build_transaction, parse_transaction
from payouts.models import LedgerAccount, PayoutBatch
from payouts.selectors.ledger import get_balances_by_kind
from payouts.services.batch_states import mine_batches, pay_final_batches, unmine_batches
from payouts.services.ledger import PostingDraft, post_entry
from tests.factories.payouts import NOW, make_account, make_batch

pytestmark = pytest.mark.django_db
Kind = LedgerAccount.Kind
State = PayoutBatch.State


def make_transaction() -> Transaction:
    """Return a transaction that pays something."""
    coin = Coin("ab" * 32, 0, 30_000, b"\x51")
    return parse_transaction(build_transaction(coins=[coin], outputs=[Output(1, b"\x51")], lock_time=0))


def mine(*transactions: Transaction, is_final: bool = True) -> None:
    """Mine a block at height 7 and, unless told otherwise, make it final."""
    block = Block(hash="07" * 32, previous_hash="06" * 32, height=7, time=0, header=b"", transactions=transactions)
    with transaction.atomic():
        mine_batches(block=block, now=NOW)
        pay_final_batches(final_height=7 if is_final else 6, now=NOW)


def held(kind: LedgerAccount.Kind) -> int:
    """Return what all accounts of a kind hold."""
    return get_balances_by_kind()[kind].credit_balance_msat


@pytest.mark.parametrize(
    ("platform_msat", "from_platform", "from_capital"),
    [(0, 0, 500_000), (200_000, 200_000, 300_000), (500_000, 500_000, 0), (900_000, 500_000, 0)],
)
def test_the_platform_pays_the_miner_as_far_as_it_can(platform_msat: int, from_platform: int, from_capital: int):
    paying = make_transaction()
    batch = make_batch(state=State.BROADCAST, txid=paying.txid, fee_sat=500)
    if platform_msat:
        draft = PostingDraft(make_account(Kind.SUSPENSE), make_account(Kind.PLATFORM), platform_msat)
        with transaction.atomic():
            post_entry(source_key="fees", description="Fees", postings=[draft], now=NOW)
    mine(paying)
    batch.refresh_from_db()
    assert (batch.state, batch.height) == (State.PAID, 7)
    assert held(Kind.MINER_FEES) == 500_000
    assert held(Kind.PLATFORM) == platform_msat - from_platform
    assert held(Kind.CAPITAL) == -from_capital


def test_without_a_fee_nobody_pays_the_miner():
    paying = make_transaction()
    make_batch(state=State.BROADCAST, txid=paying.txid, fee_sat=0)
    mine(paying)
    assert (held(Kind.MINER_FEES), held(Kind.PAID)) == (0, 20_000_000)


def test_a_block_without_the_batch_changes_nothing():
    batch = make_batch(state=State.BROADCAST, txid="cd" * 32, fee_sat=500)
    mine(make_transaction())
    batch.refresh_from_db()
    assert batch.state == State.BROADCAST


def test_a_failed_batch_in_a_block_is_reported(caplog: pytest.LogCaptureFixture):
    paying = make_transaction()
    batch = make_batch(state=State.FAILED, txid=paying.txid, fee_sat=500)
    mine(paying)
    batch.refresh_from_db()
    assert batch.state == State.FAILED
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert paying.txid in record.getMessage()


def test_a_batch_whose_block_leaves_before_it_was_final_waits_again_without_any_entry():
    paying = make_transaction()
    batch = make_batch(state=State.BROADCAST, txid=paying.txid, fee_sat=500)
    mine(paying, is_final=False)
    with transaction.atomic():
        unmine_batches(block_hash="07" * 32, now=NOW)
    batch.refresh_from_db()
    assert (batch.state, batch.height, batch.block_hash) == (State.BROADCAST, None, "")
    assert held(Kind.PAID) == held(Kind.IN_TRANSIT) == 0
