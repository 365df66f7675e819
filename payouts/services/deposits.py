"""Deposits: addresses handed out, coins credited once they are deep enough, and credits undone when a block leaves."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max

from chain.keys import script_to_address
from chain.networks import get_network
from database.transactions import require_transaction
from payouts.models import Balance, DepositAddress, LedgerAccount, WalletCoin
from payouts.selectors.ledger import get_balance
from payouts.services.ledger import PostingDraft, get_or_create_account, post_entry, reverse_entry
from payouts.services.wallet_keys import DEPOSIT_BRANCH, derive_script
from users.models import User

Kind = LedgerAccount.Kind
MSAT_PER_SAT = 1_000


def issue_deposit_address(*, user: User | None, now: datetime) -> DepositAddress:
    """Hand out an address that was never used, to a reader, or to the operator for capital if `user` is None.

    Raises WalletKeyMissingError if the wallet has no public key.
    """
    with transaction.atomic(durable=True):
        deposits = get_or_create_account(kind=Kind.DEPOSITS, now=now)
        # Whoever issues an address holds this row, so that no two requests find the same index free.
        LedgerAccount.objects.select_for_update(no_key=True).get(id=deposits.id)
        index = _find_unused_index()
        script = derive_script(branch=DEPOSIT_BRANCH, index=index)
        return DepositAddress.objects.create(
            user=user,
            index=index,
            script=script,
            address=script_to_address(script, get_network(settings.CADASTRE_NETWORK)),
            created_at=now,
        )


def _find_unused_index() -> int:
    """Return the index after the last address that was handed out or paid.

    Where an older copy of the database was restored, addresses that are forgotten may have been paid meanwhile. Their
    coins are known without an address: nobody else may be given what somebody pays to already.
    """
    issued = DepositAddress.objects.aggregate(last=Max("index"))["last"]
    unissued = WalletCoin.objects.filter(deposit_address=None, is_internal=False)
    paid = unissued.aggregate(last=Max("index"))["last"]
    return max((index + 1 for index in (issued, paid) if index is not None), default=0)


def credit_coin(*, coin: WalletCoin, now: datetime) -> None:
    """Credit a deposit that is deep enough: to its reader, or to the operator's capital. A step.

    A reader who owes for an undone deposit repays that first, and is unfrozen once nothing is owed.
    """
    require_transaction()
    coin.times_credited += 1
    coin.state = WalletCoin.State.CREDITED
    coin.save(update_fields=["times_credited", "state"])
    user = coin.deposit_address.user if coin.deposit_address else None
    amount_msat = coin.value_sat * MSAT_PER_SAT
    post_entry(
        source_key=_deposit_key(coin),
        description="Deposit" if user else "The operator's capital",
        postings=[
            PostingDraft(
                debit=get_or_create_account(kind=Kind.DEPOSITS, now=now),
                credit=get_or_create_account(kind=Kind.READERS if user else Kind.CAPITAL, now=now),
                amount_msat=amount_msat,
            )
        ],
        now=now,
    )
    if user is not None:
        _credit_reader(user=user, coin=coin, amount_msat=amount_msat, now=now)


def undo_coin(*, coin: WalletCoin, now: datetime) -> None:
    """Take back what a coin whose block left the chain had brought: a step.

    What the reader has spent of it meanwhile becomes a receivable, and the balance is frozen until it is repaid.
    """
    require_transaction()
    was_credited = coin.state == WalletCoin.State.CREDITED
    coin.state = WalletCoin.State.UNDONE
    coin.save(update_fields=["state"])
    if not was_credited or coin.kind == WalletCoin.Kind.CHANGE:
        return
    reverse_entry(source_key=_deposit_key(coin), description="The deposit's block left the chain", now=now)
    if coin.deposit_address is not None and coin.deposit_address.user is not None:
        _debit_reader(user=coin.deposit_address.user, coin=coin, now=now)


def _credit_reader(*, user: User, coin: WalletCoin, amount_msat: int, now: datetime) -> None:
    """Raise the reader's balance by what is left of a deposit after what they owe."""
    balance = _lock_balance(user)
    receivable = get_or_create_account(kind=Kind.RECEIVABLE, now=now, user_id=user.id)
    owed_msat = get_balance(receivable).debit_balance_msat
    repaid_msat = min(owed_msat, amount_msat)
    if repaid_msat:
        post_entry(
            source_key=f"repayment:{_coin_key(coin)}",
            description="Repaid for a deposit that left the chain",
            postings=[PostingDraft(get_or_create_account(kind=Kind.READERS, now=now), receivable, repaid_msat)],
            now=now,
        )
    balance.balance_msat = F("balance_msat") + (amount_msat - repaid_msat)
    if repaid_msat == owed_msat:
        balance.frozen_at = None
    balance.save(update_fields=["balance_msat", "frozen_at"])


def _debit_reader(*, user: User, coin: WalletCoin, now: datetime) -> None:
    """Lower the reader's balance by an undone deposit, as far as it goes; the rest is owed."""
    balance = _lock_balance(user)
    amount_msat = coin.value_sat * MSAT_PER_SAT
    taken_msat = min(balance.balance_msat, amount_msat)
    if taken_msat < amount_msat:
        receivable = get_or_create_account(kind=Kind.RECEIVABLE, now=now, user_id=user.id)
        readers = get_or_create_account(kind=Kind.READERS, now=now)
        post_entry(
            source_key=f"shortfall:{_coin_key(coin)}",
            description="A deposit left the chain after it was spent",
            postings=[PostingDraft(receivable, readers, amount_msat - taken_msat)],
            now=now,
        )
        balance.frozen_at = now
    balance.balance_msat = F("balance_msat") - taken_msat
    balance.save(update_fields=["balance_msat", "frozen_at"])


def _lock_balance(user: User) -> Balance:
    """Return the reader's balance, made if this is the first deposit, locked until the transaction ends."""
    Balance.objects.get_or_create(user=user)
    return Balance.objects.select_for_update().get(user=user)


def _coin_key(coin: WalletCoin) -> str:
    """Name one credit of a coin: a coin that is mined again is credited under another number."""
    return f"{coin.txid}:{coin.vout}:{coin.times_credited}"


def _deposit_key(coin: WalletCoin) -> str:
    return f"deposit:{_coin_key(coin)}"
