"""The closing account: where every deposit is now, once from the chain and once from the ledger, equal to the msat.

The chain's side reads coins and batches alone, the ledger's side postings alone: docs/reference/ledger.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Sum

from payouts.models import (
    Balance,
    LedgerAccount,
    Microtransaction,
    PayoutBatch,
    Refund,
    SettlementWindow,
    WalletCoin,
)
from payouts.selectors.ledger import get_balances_by_kind
from payouts.services.deposits import MSAT_PER_SAT

Kind = LedgerAccount.Kind
BatchState = PayoutBatch.State
CoinState = WalletCoin.State

LEDGER_KINDS = (
    Kind.READERS,
    Kind.RECEIVABLE,
    Kind.PAYABLE,
    Kind.ESCROW,
    Kind.UNCLAIMED,
    Kind.SUSPENSE,
    Kind.PLATFORM,
    Kind.IN_TRANSIT,
    Kind.PAID,
    Kind.MINER_FEES,
    Kind.CAPITAL,
)
"""Every kind but DEPOSITS. Each adds its credits less its debits, so RECEIVABLE and spent capital subtract."""

CHAIN_COINS, CHAIN_PAYOUTS, CHAIN_FEES = "COINS", "PAYOUT_OUTPUTS", "MINER_FEES"


@dataclass(frozen=True, slots=True)
class ClosingLine:
    """One line of a side: its name and what it adds to the side, in millisatoshi."""

    name: str
    amount_msat: int


@dataclass(frozen=True, slots=True)
class ClosingSide:
    """One side: the deposits it counts, and the lines that must add up to them."""

    deposits_msat: int
    lines: tuple[ClosingLine, ...]

    @property
    def total_msat(self) -> int:
        """What the lines add up to."""
        return sum(line.amount_msat for line in self.lines)


@dataclass(frozen=True, slots=True)
class CoinTotal:
    """How many coins there are of a kind that is never credited, and what they hold together, in millisatoshi."""

    count: int
    sum_msat: int


@dataclass(frozen=True, slots=True)
class ClosingAccount:
    """Both sides, and the readers' balances as the ledger and as the readers' own rows have them.

    `unattributed` and `dust` are on neither side: unspent coins to addresses that were never handed out, and below the
    least deposit.
    """

    chain: ClosingSide
    ledger: ClosingSide
    readers_ledger_msat: int
    readers_rows_msat: int
    foreign_spends_msat: int
    unattributed: CoinTotal
    dust: CoinTotal

    @property
    def is_balanced(self) -> bool:
        """Whether everything agrees to the millisatoshi, between the two sides as well as within each."""
        chain, ledger = self.chain, self.ledger
        same = {chain.deposits_msat, chain.total_msat, ledger.deposits_msat, ledger.total_msat}
        pairs = ((CHAIN_PAYOUTS, Kind.PAID.value), (CHAIN_FEES, Kind.MINER_FEES.value))
        is_paid_alike = all(get_line(chain, ours) == get_line(ledger, theirs) for ours, theirs in pairs)
        return len(same) == 1 and is_paid_alike and self.readers_ledger_msat == self.readers_rows_msat


def get_line(side: ClosingSide, name: str) -> int:
    """Return what one line adds to a side, in millisatoshi. Raises StopIteration if the side has no such line."""
    return next(line.amount_msat for line in side.lines if line.name == name)


def get_closing_account() -> ClosingAccount:
    """Return the closing account as of one moment."""
    with _hold_one_moment():
        ledger = _read_ledger_side()
        return ClosingAccount(
            chain=_read_chain_side(),
            ledger=ledger,
            readers_ledger_msat=get_line(ledger, Kind.READERS.value),
            readers_rows_msat=_read_readers_rows(),
            foreign_spends_msat=_sum(WalletCoin.objects.filter(_is_foreign_spend()), "value_sat") * MSAT_PER_SAT,
            unattributed=_read_uncredited(WalletCoin.Kind.UNKNOWN),
            dust=_read_uncredited(WalletCoin.Kind.DUST),
        )


@contextmanager
def _hold_one_moment() -> Iterator[None]:
    """Let every query see the same moment, without keeping any writer waiting or waiting for one."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        # Not atomic(), which takes SQLite's one write lock (config/databases.py): a reader has a snapshot without it.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield


def _read_chain_side() -> ClosingSide:
    """Add up coins and batches. A batch's inputs count as coins until it is final."""
    credited = WalletCoin.objects.filter(state=CoinState.CREDITED)
    deposits = credited.filter(kind__in=[WalletCoin.Kind.DEPOSIT, WalletCoin.Kind.CAPITAL])
    unspent = credited.exclude(kind__in=[WalletCoin.Kind.UNKNOWN, WalletCoin.Kind.DUST]).exclude(_is_foreign_spend())
    held = unspent.filter(Q(spent_by=None) | ~Q(spent_by__state=BatchState.PAID))
    paid = PayoutBatch.objects.filter(state=BatchState.PAID)
    return ClosingSide(
        deposits_msat=_sum(deposits, "value_sat") * MSAT_PER_SAT,
        lines=(
            ClosingLine(CHAIN_COINS, _sum(held, "value_sat") * MSAT_PER_SAT),
            ClosingLine(CHAIN_PAYOUTS, _sum(paid, "total_sat") * MSAT_PER_SAT),
            ClosingLine(CHAIN_FEES, _sum(paid, "fee_sat") * MSAT_PER_SAT),
        ),
    )


def _read_ledger_side() -> ClosingSide:
    """Add up postings."""
    balances = get_balances_by_kind()
    return ClosingSide(
        deposits_msat=balances[Kind.DEPOSITS].debit_balance_msat,
        lines=tuple(ClosingLine(kind.value, balances[kind].credit_balance_msat) for kind in LEDGER_KINDS),
    )


def _read_readers_rows() -> int:
    """Return what the ledger must still hold for readers: their balances, and charges that are not settled yet."""
    pending = list(
        SettlementWindow.objects.exclude(state=SettlementWindow.State.SETTLED).values_list("number", flat=True)
    )
    charged = _sum(Microtransaction.objects.filter(window__in=pending), "amount_msat")
    refunded = _sum(Refund.objects.filter(window__in=pending), "amount_msat")
    return _sum(Balance.objects.all(), "balance_msat") + charged - refunded


def _read_uncredited(kind: WalletCoin.Kind) -> CoinTotal:
    """Add up the unspent coins of a kind that is never credited."""
    coins = WalletCoin.objects.filter(kind=kind, state=CoinState.SEEN, spent_txid="")
    return CoinTotal(count=coins.count(), sum_msat=_sum(coins, "value_sat") * MSAT_PER_SAT)


def _is_foreign_spend() -> Q:
    """Say that a block spends a coin, but not by the batch that reserved it: someone else has the key.

    Nor is a FAILED batch ours: its amounts are payable again, so a block that contains it has paid what nobody owed.
    """
    is_spent = ~Q(spent_txid="")
    is_not_ours = Q(spent_by=None) | ~Q(spent_by__txid=F("spent_txid")) | Q(spent_by__state=BatchState.FAILED)
    return is_spent & is_not_ours


def _sum(rows: QuerySet[Any], column: str) -> int:
    """Return a column's sum. PostgreSQL sums bigint as numeric, hence the conversion."""
    return int(rows.aggregate(total=Sum(column))["total"] or 0)
