"""What a person sees of their own money: balance, deposits, transfers, statements and payouts."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from payouts.errors import StatementNotFoundError
from payouts.models import Balance, Microtransaction, Payout, PayoutAddress, SettlementWindow, Statement, WalletCoin


@dataclass(frozen=True, slots=True)
class BalanceView:
    """A reader's prepaid balance in millisatoshi."""

    amount_msat: int
    is_frozen: bool


def get_reader_balance(*, user_id: UUID) -> BalanceView:
    """Return a reader's balance, which is 0 before the first deposit."""
    balance = Balance.objects.filter(user_id=user_id).first()
    if balance is None:
        return BalanceView(0, is_frozen=False)
    return BalanceView(balance.balance_msat, is_frozen=balance.frozen_at is not None)


def find_payout_address(*, user_id: UUID) -> str | None:
    """Return where a user is paid as an uploader, None if they have not said it."""
    newest = PayoutAddress.objects.filter(user_id=user_id).order_by("-created_at", "-id").first()
    return None if newest is None else newest.address


def list_deposits(*, user_id: UUID) -> QuerySet[WalletCoin]:
    """Return the coins that arrived at a reader's addresses."""
    return WalletCoin.objects.filter(deposit_address__user_id=user_id).select_related("deposit_address")


def list_transfers(*, user_id: UUID) -> QuerySet[Microtransaction]:
    """Return what a reader was charged, the free transfers included."""
    return Microtransaction.objects.filter(payer_id=user_id)


def list_statements(*, user_id: UUID) -> QuerySet[Statement]:
    """Return a person's statements: as an uploader, and of the rights holders that they are a member of."""
    is_theirs = Q(account__user_id=user_id) | Q(account__holder__members__user_id=user_id)
    return Statement.objects.filter(is_theirs).select_related("account", "record").distinct()


def get_statement(*, statement_id: UUID, user_id: UUID) -> Statement:
    """Return one of a person's statements. Raises StatementNotFoundError if it is not theirs."""
    statement = list_statements(user_id=user_id).filter(id=statement_id).first()
    if statement is None:
        raise StatementNotFoundError
    return statement


def list_payouts(*, user_id: UUID) -> QuerySet[Payout]:
    """Return a person's payouts: as an uploader, and of the rights holders that they are a member of."""
    is_theirs = Q(account__user_id=user_id) | Q(account__holder__members__user_id=user_id)
    return Payout.objects.filter(is_theirs).select_related("account", "batch").distinct()


def list_settlements() -> QuerySet[SettlementWindow]:
    """Return the settled windows, which are public."""
    return SettlementWindow.objects.filter(state=SettlementWindow.State.SETTLED).select_related("record")
