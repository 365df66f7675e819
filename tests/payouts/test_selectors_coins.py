"""Which coins pay for a batch: credited, unspent, as few as suffice; change that is dust goes to the miner."""

from typing import Any

import pytest

from chain.transactions import Output
from payouts.errors import InsufficientCoinsError
from payouts.models import PayoutBatch, WalletCoin
from payouts.selectors.coins import select_coins
from tests.factories.payouts import make_batch, make_coin

State = PayoutBatch.State
CREDITED = WalletCoin.State.CREDITED
PAID_OUTPUT = [Output(10_000, b"\x00\x14" + bytes(20))]
CHANGE_SCRIPT = b"\x00\x14" + bytes(20)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"kind": WalletCoin.Kind.UNKNOWN},
        {"state": WalletCoin.State.SEEN},
        {"state": WalletCoin.State.UNDONE},
        {"spent_txid": "ab" * 32},
        {"spent_by": True},
    ],
)
def test_only_credited_unspent_coins_of_ours_are_spent(fields: dict[str, Any]):
    if "spent_by" in fields:
        fields = {"spent_by": make_batch(state=State.SIGNED)}
    values: dict[str, Any] = {"value_sat": 50_000, "state": CREDITED}
    make_coin(**(values | fields))
    with pytest.raises(InsufficientCoinsError, match="0 sat"):
        select_coins(outputs=PAID_OUTPUT, change_script=CHANGE_SCRIPT, rate_sat_per_kvb=1_000)


@pytest.mark.django_db
def test_as_few_coins_as_suffice_are_spent_the_largest_first():
    for value_sat in (3_000, 9_000, 8_000, 500):
        make_coin(value_sat=value_sat, state=CREDITED)
    selection = select_coins(outputs=PAID_OUTPUT, change_script=CHANGE_SCRIPT, rate_sat_per_kvb=1_000)
    assert [coin.value_sat for coin in selection.coins] == [9_000, 8_000]
    assert sum(coin.value_sat for coin in selection.coins) == 10_000 + selection.fee_sat + selection.change_sat


@pytest.mark.django_db
@pytest.mark.parametrize(("extra_sat", "has_change"), [(293, False), (294, True)])
def test_change_that_would_be_dust_goes_to_the_miner(extra_sat: int, has_change: bool):
    fee_sat = 141  # one P2WPKH input and two P2WPKH outputs at 1 sat/vB
    make_coin(value_sat=10_000 + fee_sat + extra_sat, state=CREDITED)
    selection = select_coins(outputs=PAID_OUTPUT, change_script=CHANGE_SCRIPT, rate_sat_per_kvb=1_000)
    assert (selection.change_sat > 0) == has_change
    assert selection.fee_sat + selection.change_sat == fee_sat + extra_sat
