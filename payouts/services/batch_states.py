"""What blocks do to payout batches: MINED, then PAID; BROADCAST again when the block leaves; FAILED by a conflict.

Each function is a step of the transaction that applies a block.
"""

import logging
from datetime import datetime

from chain.transactions import Block, Transaction
from database.transactions import require_transaction
from payouts.models import LedgerAccount, PayoutBatch, WalletCoin
from payouts.selectors.ledger import get_balance
from payouts.services.conflicts import find_lost_input, pack_inputs
from payouts.services.deposits import MSAT_PER_SAT
from payouts.services.ledger import PostingDraft, get_or_create_account, post_entry, reverse_entry
from payouts.services.wallet_keys import CHANGE_BRANCH, derive_script
from users.models import User

logger = logging.getLogger(__name__)
Kind = LedgerAccount.Kind
State = PayoutBatch.State
WAITING_STATES = (State.SIGNED, State.BROADCAST, State.UNKNOWN)


def mine_batches(*, block: Block, now: datetime) -> None:
    """Mark the batches that this block contains, and note their change."""
    require_transaction()
    waiting = {
        batch.txid: batch
        for batch in PayoutBatch.objects.select_for_update().filter(state__in=WAITING_STATES).order_by("id")
    }
    failed = set(PayoutBatch.objects.filter(state=State.FAILED).exclude(txid=None).values_list("txid", flat=True))
    for txid in [mined.txid for mined in block.transactions if mined.txid in failed]:
        # It had failed finally, so this takes a reorganisation deeper than final; its payees may be paid twice.
        logger.error("Block %s contains %s, a payout batch that had failed for good.", block.hash, txid)
    for mined in block.transactions:
        batch = waiting.get(mined.txid)
        if batch is not None:
            batch.state = State.MINED
            batch.height, batch.block_hash, batch.changed_at = block.height, block.hash, now
            batch.save(update_fields=["state", "height", "block_hash", "changed_at"])
            _note_change(batch=batch, mined=mined, block=block, now=now)


def pay_final_batches(*, final_height: int, now: datetime) -> None:
    """Post the batches that can no longer leave the chain: their payouts are paid, and so is the miner."""
    require_transaction()
    final = PayoutBatch.objects.select_for_update().filter(state=State.MINED, height__lte=final_height)
    for batch in final.order_by("id"):
        batch.state = State.PAID
        batch.times_paid += 1
        batch.changed_at = now
        batch.save(update_fields=["state", "times_paid", "changed_at"])
        _post_paid(batch=batch, now=now)
        WalletCoin.objects.filter(txid=batch.txid, kind=WalletCoin.Kind.CHANGE, state=WalletCoin.State.SEEN).update(
            state=WalletCoin.State.CREDITED
        )


def fail_conflicted_batches(*, final_height: int, now: datetime) -> None:
    """Fail the batches that can never be mined: an input is finally spent otherwise, or can never exist again."""
    require_transaction()
    waiting = PayoutBatch.objects.select_for_update().filter(state__in=WAITING_STATES)
    # In order of their making: a batch may spend the change of one that fails with this block, too.
    for batch in waiting.order_by("created_at", "id"):
        reason = find_lost_input(batch=batch, final_height=final_height)
        if reason:
            fail_batch(batch=batch, reason=reason, operator=None, now=now)


def fail_batch(*, batch: PayoutBatch, reason: str, operator: User | None, now: datetime) -> PayoutBatch:
    """Fail a locked batch that can never be mined, and give its amounts back: a step.

    `operator` is who proved it, None if blocks did.
    """
    require_transaction()
    batch.state, batch.changed_at = State.FAILED, now
    batch.failure_reason, batch.failed_by = reason, operator
    batch.save(update_fields=["state", "changed_at", "failure_reason", "failed_by"])
    reverse_entry(source_key=f"payout:{batch.id}", description="The payout can never be mined", now=now)
    batch.inputs.filter(spent_txid="").update(spent_by=None)
    logger.warning("The payout batch %s has failed: %s", batch, reason)
    return batch


def unmine_batches(*, block_hash: str, now: datetime) -> None:
    """Send the batches of a block that left the chain back to waiting for another one."""
    require_transaction()
    mined = PayoutBatch.objects.select_for_update().filter(block_hash=block_hash, state__in=[State.MINED, State.PAID])
    for batch in mined.order_by("id"):
        if batch.state == State.PAID:
            reverse_entry(source_key=_paid_key(batch), description="The payout's block left the chain", now=now)
        batch.state = State.BROADCAST
        batch.height, batch.block_hash, batch.changed_at = None, "", now
        batch.save(update_fields=["state", "height", "block_hash", "changed_at"])


def _note_change(*, batch: PayoutBatch, mined: Transaction, block: Block, now: datetime) -> None:
    """Keep the batch's change as a coin; it may be spent once the batch is final."""
    if batch.change_index is None:
        return
    script = derive_script(branch=CHANGE_BRANCH, index=batch.change_index)
    vout = next(vout for vout, output in enumerate(mined.outputs) if output.script == script)
    WalletCoin.objects.update_or_create(
        txid=mined.txid,
        vout=vout,
        defaults={
            "value_sat": mined.outputs[vout].value_sat,
            "script": script,
            "kind": WalletCoin.Kind.CHANGE,
            "state": WalletCoin.State.SEEN,
            "is_internal": True,
            "index": batch.change_index,
            "height": block.height,
            "block_hash": block.hash,
            "parent_inputs": pack_inputs(mined),
            "seen_at": now,
        },
    )


def _post_paid(*, batch: PayoutBatch, now: datetime) -> None:
    """Post the payouts as paid, and the fee: out of the platform's account as far as it goes, else of the capital."""
    assert batch.fee_sat is not None, "a signed batch knows its fee"
    fee_msat = batch.fee_sat * MSAT_PER_SAT
    miner_fees = get_or_create_account(kind=Kind.MINER_FEES, now=now)
    platform = get_or_create_account(kind=Kind.PLATFORM, now=now)
    from_platform_msat = max(0, min(fee_msat, get_balance(platform).credit_balance_msat))
    postings = [
        PostingDraft(
            debit=get_or_create_account(kind=Kind.IN_TRANSIT, now=now),
            credit=get_or_create_account(kind=Kind.PAID, now=now),
            amount_msat=batch.total_sat * MSAT_PER_SAT,
        )
    ]
    if from_platform_msat:
        postings.append(PostingDraft(platform, miner_fees, from_platform_msat))
    if fee_msat > from_platform_msat:
        capital = get_or_create_account(kind=Kind.CAPITAL, now=now)
        postings.append(PostingDraft(capital, miner_fees, fee_msat - from_platform_msat))
    post_entry(source_key=_paid_key(batch), description="Payouts are final", postings=postings, now=now)


def _paid_key(batch: PayoutBatch) -> str:
    return f"payout-paid:{batch.id}:{batch.times_paid}"
