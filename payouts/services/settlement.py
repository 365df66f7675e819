"""Settles closed windows: sums by SQL, shares by exact carries, one journal entry, and a registered pair of trees.

docs/reference/settlement.md has the rules. The only loop over microtransactions is the one that hashes the tree's
leaves, which streams; amounts are summed by the database.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from payouts.errors import TreeMismatchError, WindowStateError
from payouts.models import LedgerAccount, Microtransaction, Refund, SettlementLine, SettlementWindow
from payouts.rules.sumtree import RefundLeaf, Root, TransferLeaf, build_root
from payouts.selectors.groups import Group, sum_window_groups
from payouts.services.carries import Share, share_groups
from payouts.services.ledger import PostingDraft, draft_signed, get_or_create_account, post_entry
from registry.models import Record
from registry.services.records import format_time, register_document

Kind = LedgerAccount.Kind
State = SettlementWindow.State
DOCUMENT_TYPE = "cadastre/settlement/v1"
STREAM_CHUNK_ROWS = 2_000
NO_PREVIOUS = "0" * 64


@dataclass(frozen=True, slots=True)
class Trees:
    """The roots of a window's two trees."""

    transfers: Root
    refunds: Root


def settle_windows(*, now: datetime) -> list[int]:
    """Settle every closed window in order, and return their numbers.

    One that another worker settled meanwhile is left out.
    """
    closed = SettlementWindow.objects.filter(state=State.CLOSED).order_by("number").values_list("number", flat=True)
    settled = []
    for number in list(closed):
        try:
            settle_window(number=number, now=now)
        except WindowStateError:
            continue
        settled.append(number)
    return settled


def settle_window(*, number: int, now: datetime) -> SettlementWindow:
    """Turn a closed window's microtransactions into money owed, once, and register what was counted.

    Raises WindowStateError unless the window is CLOSED, claimed by nobody else, and the one before it is SETTLED;
    TreeMismatchError if the trees and the sums differ, which would mean that a closed window has changed.
    """
    if not SettlementWindow.objects.filter(number=number, state=State.CLOSED).exists():
        raise WindowStateError(f"Window {number} is not closed, or is settled already.")
    # A closed window does not change, so the long part, hashing its leaves, needs no transaction.
    trees = Trees(build_root(iterate_transfer_leaves(number=number)), build_root(iterate_refund_leaves(number=number)))
    with transaction.atomic(durable=True):
        window = _claim_window(number=number, now=now)
        previous = SettlementWindow.objects.filter(number=number - 1).select_related("record").first()
        if previous is not None and previous.state != State.SETTLED:
            raise WindowStateError(f"Window {number - 1} is not settled, so window {number} has to wait.")
        groups = sum_window_groups(number=number)
        _check_trees(number=number, trees=trees, groups=groups)
        shares = share_groups(groups=groups, ended_by=window.opened_at, now=now)
        _write_lines(window=window, shares=shares)
        _post_settlement(window=window, groups=groups, shares=shares, now=now)
        _register_trees(window=window, previous=previous, trees=trees, now=now)
        return window


def iterate_transfer_leaves(*, number: int) -> Iterator[TransferLeaf]:
    """Stream the first tree's leaves in order."""
    rows = Microtransaction.objects.filter(window=number).order_by("work_id", "policy_id", "id")
    for row in rows.iterator(chunk_size=STREAM_CHUNK_ROWS):
        yield TransferLeaf(
            transfer_id=row.id,
            record_id=row.record_id,
            work_id=row.work_id,
            policy_id=row.policy_id,
            uploader_id=row.uploader_id,
            affiliate_id=row.affiliate_id,
            amount_msat=row.amount_msat,
            nonce_sha256=bytes(row.nonce_sha256),
        )


def iterate_refund_leaves(*, number: int) -> Iterator[RefundLeaf]:
    """Stream the second tree's leaves in order."""
    rows = Refund.objects.filter(window=number).order_by("work_id", "policy_id", "microtransaction_id")
    for row in rows.iterator(chunk_size=STREAM_CHUNK_ROWS):
        yield RefundLeaf(
            refund_id=row.id,
            transfer_id=row.microtransaction_id,
            record_id=row.record_id,
            work_id=row.work_id,
            policy_id=row.policy_id,
            uploader_id=row.uploader_id,
            affiliate_id=row.affiliate_id,
            amount_msat=row.amount_msat,
        )


def _claim_window(*, number: int, now: datetime) -> SettlementWindow:
    """Move a window from CLOSED to SETTLED; the move is undone with the transaction if anything after it fails.

    SQLite has no row locks and needs none here: a transaction that begins has its one write lock.
    """
    closed = SettlementWindow.objects.select_for_update(skip_locked=True, no_key=True)
    window = closed.filter(number=number, state=State.CLOSED).first()
    if window is None:
        raise WindowStateError(f"Window {number} is settled already, or another worker is settling it.")
    window.state, window.settled_at = State.SETTLED, now
    window.save(update_fields=["state", "settled_at"])
    return window


def _check_trees(*, number: int, trees: Trees, groups: Sequence[Group]) -> None:
    """Raise TreeMismatchError unless the leaves that are registered are those that the money follows from."""
    hashed = (trees.transfers.count, trees.transfers.sum_msat - trees.refunds.sum_msat)
    summed = (sum(group.transfer_count for group in groups), sum(group.gross_msat for group in groups))
    if hashed != summed:
        raise TreeMismatchError(
            f"Window {number} has {hashed[0]} leaves of {hashed[1]} msat, but sums of {summed[0]} and {summed[1]}."
        )


def _write_lines(*, window: SettlementWindow, shares: Sequence[Share]) -> None:
    """Write what the window gave to whom, line by line."""
    SettlementLine.objects.bulk_create(
        SettlementLine(
            window=window,
            account=share.account,
            work_id=share.group.work_id,
            policy_id=share.group.policy_id,
            record_id=share.group.record_id,
            affiliate_id=share.group.affiliate_id,
            position=share.position,
            transfer_count=share.group.transfer_count,
            gross_msat=share.group.gross_msat,
            amount_msat=share.amount_msat,
        )
        for share in shares
    )


def _post_settlement(
    *, window: SettlementWindow, groups: Sequence[Group], shares: Sequence[Share], now: datetime
) -> None:
    """Post the window as one entry: the readers' money into suspense, and out of it to each account."""
    readers = get_or_create_account(kind=Kind.READERS, now=now)
    suspense = get_or_create_account(kind=Kind.SUSPENSE, now=now)
    amounts: dict[UUID, int] = defaultdict(int)
    accounts: dict[UUID, LedgerAccount] = {}
    for share in shares:
        amounts[share.account.id] += share.amount_msat
        accounts[share.account.id] = share.account
    postings: list[PostingDraft] = draft_signed(readers, suspense, sum(group.gross_msat for group in groups))
    for account_id in sorted(amounts):
        postings += draft_signed(suspense, accounts[account_id], amounts[account_id])
    if postings:
        post_entry(
            source_key=f"settlement:{window.number}",
            description=f"Settlement of window {window.number}",
            postings=postings,
            now=now,
        )


def _register_trees(
    *, window: SettlementWindow, previous: SettlementWindow | None, trees: Trees, now: datetime
) -> None:
    """Register the window's trees as a record of kind 4 that names the previous one."""
    transfers, refunds = trees.transfers, trees.refunds
    assert window.closed_at is not None, "a claimed window was closed"
    document = {
        "type": DOCUMENT_TYPE,
        "window": str(window.number),
        "opened_at": format_time(window.opened_at),
        "closed_at": format_time(window.closed_at),
        "transfers": _describe(transfers),
        "refunds": _describe(refunds),
        "previous_sha256": _previous_digest(previous),
    }
    window.count, window.sum_msat, window.root = transfers.count, transfers.sum_msat, transfers.hash
    window.refund_count, window.refund_sum_msat, window.refund_root = refunds.count, refunds.sum_msat, refunds.hash
    window.record = register_document(kind=Record.Kind.SETTLEMENT, document=document, now=now)
    window.save(update_fields=["count", "sum_msat", "root", "refund_count", "refund_sum_msat", "refund_root", "record"])


def _describe(root: Root) -> dict[str, str]:
    return {"count": str(root.count), "sum_msat": str(root.sum_msat), "root": root.hash.hex()}


def _previous_digest(previous: SettlementWindow | None) -> str:
    """Return the SHA-256 of the previous window's document in hex, or zeros for the first window."""
    if previous is None:
        return NO_PREVIOUS
    assert previous.record is not None, "a settled window has its record"
    return bytes(previous.record.sha256).hex()
