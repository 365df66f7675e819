"""Payout batches before they are signed: who is paid how much, and who allows it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from chain.errors import AddressError
from chain.keys import address_to_script
from chain.networks import get_network
from payouts.errors import (
    PayeeApprovalError,
    PayoutAddressError,
    PayoutBatchNotFoundError,
    PayoutBatchStateError,
    SelfApprovalError,
)
from payouts.models import LedgerAccount, Payout, PayoutAddress, PayoutBatch
from payouts.selectors.coins import find_payable_sat
from payouts.selectors.ledger import Payable, get_credit_balances, list_positive_payables
from payouts.services.deposits import MSAT_PER_SAT
from payouts.services.ledger import PostingDraft, get_or_create_account, post_entry, reverse_entry
from users.models import User

logger = logging.getLogger(__name__)
State = PayoutBatch.State
ENDED_STATES = (State.PAID, State.FAILED)
CANCELLABLE_STATES = (State.PROPOSED, State.APPROVED)
PAYOUTS_MAX = 500
"""Outputs of one transaction, far below what a standard transaction may weigh."""


@dataclass(frozen=True, slots=True)
class PayoutDraft:
    """What one account is to be paid, in whole satoshi."""

    account: LedgerAccount
    address: str
    amount_sat: int


def set_payout_address(*, user: User, address: str, now: datetime) -> PayoutAddress:
    """Note where a user is to be paid from now on.

    Raises PayoutAddressError if it is not an address of the network.
    """
    try:
        address_to_script(address, get_network(settings.CADASTRE_NETWORK))
    except AddressError as error:
        raise PayoutAddressError(str(error)) from error
    with transaction.atomic(durable=True):
        return PayoutAddress.objects.create(user=user, address=address, created_at=now)


def make_payout_batch(*, now: datetime, maker: User | None = None) -> PayoutBatch | None:
    """Make the next batch of payouts, if one is due, and take its amounts off the payable accounts.

    One batch is on its way at a time, and CADASTRE_PAYOUT_INTERVAL_SECONDS lie between two. It holds every payable
    account at or above CADASTRE_PAYOUT_THRESHOLD_SAT whose payee has an address, as far as one transaction can pay
    them; less than a satoshi stays. Above CADASTRE_PAYOUT_APPROVAL_SAT it waits for an approver. `maker` is None where
    the schedule makes it.
    """
    if not _is_batch_due(now):
        return None
    # Adding up the accounts takes long where there are many: nobody waits for it.
    drafts = _draft_payouts()
    if not drafts:
        return None
    with transaction.atomic(durable=True):
        in_transit = get_or_create_account(kind=LedgerAccount.Kind.IN_TRANSIT, now=now)
        # Whoever makes a batch holds this row, so that two workers cannot both find that none is on its way.
        LedgerAccount.objects.select_for_update(no_key=True).get(id=in_transit.id)
        drafts = _keep_covered(drafts)
        if not drafts or not _is_batch_due(now):
            return None
        batch = _create_batch(drafts=drafts, maker=maker, now=now)
        post_entry(
            source_key=f"payout:{batch.id}",
            description="Payouts on their way",
            postings=[PostingDraft(item.account, in_transit, item.amount_sat * MSAT_PER_SAT) for item in drafts],
            now=now,
        )
        return batch


def approve_payout_batch(*, batch_id: UUID, approver: User, now: datetime) -> PayoutBatch:
    """Allow a batch above the limit to be signed.

    Raises PayoutBatchNotFoundError if there is none, PayoutBatchStateError if it does not wait for approval,
    SelfApprovalError if the approver proposed it, PayeeApprovalError if it pays the approver or a rights holder whose
    member the approver is.
    """
    with transaction.atomic(durable=True):
        batch = lock_batch(batch_id)
        if batch.state != State.PROPOSED:
            raise PayoutBatchStateError(f"The payout batch is {batch.state}, not PROPOSED.")
        if batch.maker_id == approver.id:
            raise SelfApprovalError
        is_theirs = Q(account__user=approver) | Q(account__holder__members__user=approver)
        if batch.payouts.filter(is_theirs).exists():
            raise PayeeApprovalError
        batch.state, batch.approver, batch.changed_at = State.APPROVED, approver, now
        batch.save(update_fields=["state", "approver", "changed_at"])
        return batch


def cancel_payout_batch(*, batch_id: UUID, now: datetime) -> PayoutBatch:
    """Give a batch up before it is signed, and give its amounts back to the payable accounts.

    The next one is due an interval after it was made. Raises PayoutBatchNotFoundError if there is none,
    PayoutBatchStateError if it is signed, since it may be paid then, or has ended.
    """
    with transaction.atomic(durable=True):
        batch = lock_batch(batch_id)
        if batch.state not in CANCELLABLE_STATES:
            raise PayoutBatchStateError(f"The payout batch is {batch.state}, neither PROPOSED nor APPROVED.")
        batch.state, batch.changed_at = State.FAILED, now
        batch.save(update_fields=["state", "changed_at"])
        reverse_entry(source_key=f"payout:{batch.id}", description="The payout was cancelled", now=now)
        return batch


def lock_batch(batch_id: UUID) -> PayoutBatch:
    """Return a batch, locked until the caller's transaction ends.

    Raises PayoutBatchNotFoundError if there is none.
    """
    batch = PayoutBatch.objects.select_for_update().filter(id=batch_id).first()
    if batch is None:
        raise PayoutBatchNotFoundError
    return batch


def _is_batch_due(now: datetime) -> bool:
    """Tell whether no batch is on its way and the last one is long enough ago."""
    if PayoutBatch.objects.exclude(state__in=ENDED_STATES).exists():
        return False
    # A batch that failed on chain is repeated at once; a cancelled one would be made anew by the next sweep.
    last = PayoutBatch.objects.exclude(state=State.FAILED, txid__isnull=False).order_by("-created_at").first()
    return last is None or last.created_at + timedelta(seconds=settings.CADASTRE_PAYOUT_INTERVAL_SECONDS) <= now


def _draft_payouts() -> list[PayoutDraft]:
    """Return what is to be paid to whom, the largest amounts first, as far as one transaction can pay it."""
    threshold_sat = settings.CADASTRE_PAYOUT_THRESHOLD_SAT
    drafts = [
        PayoutDraft(payable.account, payable.address, payable.held_msat // MSAT_PER_SAT)
        for payable in list_positive_payables(at_least_msat=threshold_sat * MSAT_PER_SAT)
        if _is_address(payable)
    ]
    drafts = sorted(drafts, key=lambda draft: -draft.amount_sat)[:PAYOUTS_MAX]
    left_sat = find_payable_sat(outputs_max=len(drafts))
    if left_sat is None:
        return drafts
    fitting = []
    for draft in drafts:
        amount_sat = min(draft.amount_sat, left_sat)
        if amount_sat < threshold_sat:
            logger.warning("Payouts are cut short: the wallet's coins are too many and too small.")
            break
        # What does not fit stays payable, for the next batch.
        fitting.append(replace(draft, amount_sat=amount_sat))
        left_sat -= amount_sat
    return fitting


def _keep_covered(drafts: Sequence[PayoutDraft]) -> list[PayoutDraft]:
    """Return the drafts whose accounts still hold what is to be paid, now that no other batch can be made."""
    held_msat = get_credit_balances([draft.account.id for draft in drafts])
    return [draft for draft in drafts if held_msat.get(draft.account.id, 0) >= draft.amount_sat * MSAT_PER_SAT]


def _is_address(payable: Payable) -> bool:
    """Tell whether an account's payee has an address of this network."""
    if not payable.address:
        return False
    try:
        address_to_script(payable.address, get_network(settings.CADASTRE_NETWORK))
    except AddressError as error:
        # One bad address must not keep everybody else from being paid; its money stays payable.
        logger.warning("%s is not paid: %s", payable.account.code, error)
        return False
    return True


def _create_batch(*, drafts: Sequence[PayoutDraft], maker: User | None, now: datetime) -> PayoutBatch:
    """Write the batch and its payouts."""
    total_sat = sum(draft.amount_sat for draft in drafts)
    needs_approval = total_sat > settings.CADASTRE_PAYOUT_APPROVAL_SAT
    batch = PayoutBatch.objects.create(
        state=State.PROPOSED if needs_approval else State.APPROVED,
        total_sat=total_sat,
        maker=maker,
        created_at=now,
        changed_at=now,
    )
    Payout.objects.bulk_create(
        Payout(batch=batch, account=draft.account, address=draft.address, amount_sat=draft.amount_sat, created_at=now)
        for draft in drafts
    )
    return batch
