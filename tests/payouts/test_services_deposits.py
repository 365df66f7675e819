"""Deposits: seen, credited when deep enough, and undone when their block leaves the chain, spent or not."""

from datetime import timedelta
from functools import partial

import pytest
from pytest_django.fixtures import Settings

from chain.errors import KeyFormatError
from chain.networks import REGTEST
from chain.transactions import Coin
from payouts.errors import BalanceFrozenError, WalletKeyMissingError
from payouts.models import Balance, DepositAddress, JournalEntry, LedgerAccount, WalletCoin
from payouts.selectors.closing import CoinTotal, get_closing_account
from payouts.selectors.ledger import get_balances_by_kind
from payouts.services.charges import charge_transfer
from payouts.services.deposits import issue_deposit_address
from payouts.services.wallet_keys import derive_key
from tests.factories.payouts import NOW, WALLET, get_balance_msat, make_coin, make_link, make_user
from tests.payouts.blocks import connect, disconnect, pay
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db
Kind = LedgerAccount.Kind
State = WalletCoin.State


@pytest.fixture(autouse=True)
def three_confirmations(settings: Settings):
    settings.CADASTRE_DEPOSIT_CONFIRMATIONS = 3
    settings.CADASTRE_DEPOSIT_MIN_SAT = 1


@pytest.fixture
def carol() -> User:
    return make_user("carol")


def held(kind: LedgerAccount.Kind) -> int:
    """Return what all accounts of a kind hold: credits less debits."""
    return get_balances_by_kind()[kind].credit_balance_msat


def test_every_address_is_new_and_derived_from_the_public_key(carol: User):
    first, second = (issue_deposit_address(user=carol, now=NOW) for _ in range(2))
    assert (first.index, second.index) == (0, 1)
    assert bytes(second.script) == WALLET.derive_script(0, 1)
    assert second.address == WALLET.derive_key(0, 1).address(REGTEST)


def test_an_address_that_was_paid_before_it_was_handed_out_is_nobodys(carol: User):
    """As after an older copy of the database was restored."""
    connect(1, pay(WALLET.derive_script(0, 0), 700))
    address = issue_deposit_address(user=carol, now=NOW)
    assert address.index == 1
    connect(2, pay(bytes(address.script), 300, lock_time=1))
    connect(9)
    assert get_balance_msat(carol) == 300_000
    assert sorted(WalletCoin.objects.values_list("kind", "index")) == [("DEPOSIT", 1), ("UNKNOWN", 0)]


def test_the_address_after_the_last_one_that_was_handed_out_or_paid_is_next(carol: User):
    assert issue_deposit_address(user=carol, now=NOW).index == 0
    connect(1, pay(WALLET.derive_script(0, 5), 700))
    assert issue_deposit_address(user=carol, now=NOW).index == 6
    assert issue_deposit_address(user=carol, now=NOW).index == 7


def test_our_own_change_takes_no_deposit_address(carol: User):
    make_coin(value_sat=700, index=9, kind=WalletCoin.Kind.CHANGE, is_internal=True)
    assert issue_deposit_address(user=carol, now=NOW).index == 0


def test_addresses_that_were_passed_over_are_watched_on(carol: User):
    connect(1, pay(WALLET.derive_script(0, 19), 700))
    connect(2, pay(WALLET.derive_script(0, 38), 700, lock_time=1))
    assert issue_deposit_address(user=carol, now=NOW).index == 39
    connect(3, *(pay(WALLET.derive_script(0, index), 700, lock_time=2 + index) for index in (0, 18, 20, 37, 39, 59)))
    coins = WalletCoin.objects.filter(height=3).order_by("index")
    assert [(coin.index, coin.kind) for coin in coins] == [
        (0, "UNKNOWN"), (18, "UNKNOWN"), (20, "UNKNOWN"), (37, "UNKNOWN"), (39, "DEPOSIT"), (59, "UNKNOWN"),
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_requests_at_the_same_time_get_an_address_each():
    users = [make_user("carol") for _ in range(8)]
    errors = run_together([partial(issue_deposit_address, user=user, now=NOW) for user in users])
    assert errors == []
    assert sorted(DepositAddress.objects.values_list("index", flat=True)) == list(range(8))


def test_a_deposit_below_the_least_is_noted_and_never_credited(carol: User, settings: Settings):
    settings.CADASTRE_DEPOSIT_MIN_SAT = 1_000
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    connect(1, pay(script, 999))
    connect(2, pay(script, 1_000, lock_time=1))
    for height in range(3, 6):
        connect(height)
    assert sorted(WalletCoin.objects.values_list("kind", "state")) == [("DEPOSIT", "CREDITED"), ("DUST", "SEEN")]
    assert get_balance_msat(carol) == 1_000_000
    assert get_closing_account().is_balanced


def test_a_wallet_without_keys_is_an_error(carol: User, settings: Settings):
    settings.CADASTRE_PAYOUT_XPUB = ""
    settings.CADASTRE_PAYOUT_XPRV = ""
    with pytest.raises(WalletKeyMissingError, match="XPUB"):
        issue_deposit_address(user=carol, now=NOW)
    with pytest.raises(WalletKeyMissingError, match="XPRV"):
        derive_key(branch=0, index=0)


def test_a_private_key_in_place_of_the_public_one_is_refused(carol: User, settings: Settings):
    settings.CADASTRE_PAYOUT_XPUB = WALLET.to_xprv()
    with pytest.raises(KeyFormatError):
        issue_deposit_address(user=carol, now=NOW)


def test_a_deposit_is_credited_once_it_is_deep_enough(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    connect(10, pay(script, 700))
    connect(11)
    assert get_balance_msat(carol) == 0
    assert WalletCoin.objects.get().state == State.SEEN
    connect(12)
    coin = WalletCoin.objects.get()
    assert get_balance_msat(carol) == 700_000
    assert (coin.kind, coin.state, coin.height, coin.times_credited) == ("DEPOSIT", "CREDITED", 10, 1)
    assert JournalEntry.objects.get().source_key == f"deposit:{coin.txid}:1:1"
    assert (held(Kind.DEPOSITS), held(Kind.READERS)) == (-700_000, 700_000)
    connect(13)
    assert get_balance_msat(carol) == 700_000


def test_two_deposits_add_up(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    connect(1, pay(script, 700), pay(script, 300, lock_time=1))
    connect(3)
    assert get_balance_msat(carol) == 1_000_000


def test_the_operators_deposit_is_capital():
    script = bytes(issue_deposit_address(user=None, now=NOW).script)
    connect(1, pay(script, 700))
    connect(3)
    assert (held(Kind.CAPITAL), held(Kind.READERS)) == (700_000, 0)
    assert not Balance.objects.exists()
    disconnect(3)
    disconnect(1)
    assert (held(Kind.CAPITAL), held(Kind.DEPOSITS)) == (0, 0)


def test_a_coin_to_an_address_that_nobody_was_given_is_noted_and_never_credited(carol: User):
    issue_deposit_address(user=carol, now=NOW)
    connect(1, pay(WALLET.derive_script(0, 20), 700), pay(WALLET.derive_script(0, 21), 700, lock_time=1))
    connect(9)
    coin = WalletCoin.objects.get()
    assert (coin.kind, coin.state, coin.index) == ("UNKNOWN", "SEEN", 20)
    assert not JournalEntry.objects.exists()


def test_a_coin_to_an_address_that_nobody_was_given_is_reported_once(carol: User, caplog: pytest.LogCaptureFixture):
    paying = pay(WALLET.derive_script(0, 3), 700)
    connect(1, paying, pay(bytes(issue_deposit_address(user=carol, now=NOW).script), 700, lock_time=1))
    disconnect(1)
    connect(1, paying)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    for fact in (f"{paying.txid}:1", "700 sat", "address 3 "):
        assert fact in record.getMessage()
    assert get_closing_account().unattributed == CoinTotal(count=1, sum_msat=700_000)


def test_an_output_of_nothing_is_no_coin(carol: User):
    connect(1, pay(bytes(issue_deposit_address(user=carol, now=NOW).script), 0))
    assert not WalletCoin.objects.exists()


def test_a_blocks_subsidy_is_credited_after_a_hundred_confirmations(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    connect(1, pay(script, 700, coin=Coin("00" * 32, 0xFFFFFFFF, 0, b"")))
    connect(99)
    assert WalletCoin.objects.get().is_coinbase
    assert get_balance_msat(carol) == 0
    connect(100)
    assert get_balance_msat(carol) == 700_000


def test_a_deposit_that_leaves_before_it_was_credited_changes_no_money(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    connect(1, pay(script, 700))
    disconnect(1)
    assert WalletCoin.objects.get().state == State.UNDONE
    connect(1)
    connect(5)
    assert not JournalEntry.objects.exists()


def test_an_unspent_deposit_that_leaves_is_taken_back_and_credited_again_when_it_returns(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    paying = pay(script, 700)
    connect(1, paying)
    connect(3)
    for height in (3, 1):
        disconnect(height)
    assert get_balance_msat(carol) == 0
    assert Balance.objects.get().frozen_at is None
    assert held(Kind.DEPOSITS) == held(Kind.READERS) == 0
    connect(2, paying)
    connect(4)
    coin = WalletCoin.objects.get()
    assert get_balance_msat(carol) == 700_000
    assert (coin.state, coin.times_credited, coin.height) == (State.CREDITED, 2, 2)
    assert get_closing_account().is_balanced


def spend(carol: User, price_msat: int) -> None:
    """Buy a transfer."""
    link = make_link(owner=make_user("bob"), price_msat=price_msat)
    charge_transfer(payer=carol, link_id=link.id, territory=None, price_max_msat=None, now=NOW + timedelta(1))


def test_a_deposit_that_leaves_after_it_was_spent_is_owed_and_freezes_the_balance(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    paying = pay(script, 700)
    connect(1, paying)
    connect(3)
    spend(carol, 300_000)
    disconnect(3)
    disconnect(1)
    balance = Balance.objects.get()
    assert (balance.balance_msat, balance.frozen_at) == (0, NOW)
    assert (held(Kind.RECEIVABLE), held(Kind.READERS), held(Kind.DEPOSITS)) == (-300_000, 300_000, 0)
    assert get_closing_account().is_balanced
    with pytest.raises(BalanceFrozenError):
        spend(carol, 1)
    # A smaller deposit repays a part, and the balance stays frozen.
    connect(1, pay(script, 100, lock_time=5))
    connect(3)
    balance = Balance.objects.get()
    assert (balance.balance_msat, balance.frozen_at) == (0, NOW)
    assert held(Kind.RECEIVABLE) == -200_000
    # The first deposit is mined again: it repays the rest.
    connect(4, paying)
    connect(6)
    balance = Balance.objects.get()
    assert (balance.balance_msat, balance.frozen_at) == (500_000, None)
    assert held(Kind.RECEIVABLE) == 0
    assert get_closing_account().is_balanced


def test_a_spend_is_noticed_and_forgotten_with_its_block(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    paying = pay(script, 700)
    connect(1, paying)
    connect(3)
    stolen = pay(b"\x51", 600, coin=Coin(paying.txid, 1, 700, script))
    connect(4, stolen)
    coin = WalletCoin.objects.get()
    assert (coin.spent_txid, coin.spent_height) == (stolen.txid, 4)
    closing = get_closing_account()
    assert closing.foreign_spends_msat == 700_000
    assert not closing.is_balanced
    disconnect(4)
    assert WalletCoin.objects.get().spent_txid == ""
    assert get_closing_account().is_balanced


def test_an_output_of_the_same_transaction_that_is_not_ours_is_not_a_spend(carol: User):
    script = bytes(issue_deposit_address(user=carol, now=NOW).script)
    paying = pay(script, 700)
    connect(1, paying)
    connect(2, pay(b"\x51", 1, coin=Coin(paying.txid, 0, 1, b"\x51")))
    assert WalletCoin.objects.get().spent_txid == ""
