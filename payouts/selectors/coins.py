"""Which of the wallet's coins pay for a batch, and how much one transaction can pay at all."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet

from chain.transactions import Output, estimate_virtual_size
from payouts.errors import InsufficientCoinsError
from payouts.models import WalletCoin

INPUTS_MAX = 500
"""Inputs of one transaction, far below what a standard transaction may weigh."""

DUST_P2WPKH_SAT = 294
"""Bitcoin Core's dust limit for a P2WPKH output at its default of 3 sat/vB; smaller change goes to the miner."""

SPENDABLE_KINDS = (WalletCoin.Kind.DEPOSIT, WalletCoin.Kind.CAPITAL, WalletCoin.Kind.CHANGE)
OUTPUT_SCRIPT_LONGEST = bytes(34)
"""As long as the longest output script that a payout address can have: P2WSH or P2TR."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which coins pay a batch, what goes to the miner, and what comes back (0: no change output). Satoshi."""

    coins: tuple[WalletCoin, ...]
    fee_sat: int
    change_sat: int


def select_coins(*, outputs: Sequence[Output], change_script: bytes, rate_sat_per_kvb: int) -> Selection:
    """Choose the largest credited coins, as few as cover the outputs and the fee.

    Change that would be dust goes to the miner instead. Raises InsufficientCoinsError if all together do not suffice.
    """
    paid_sat = sum(output.value_sat for output in outputs)
    scripts = [output.script for output in outputs]
    chosen: list[WalletCoin] = []
    held_sat = 0
    for coin in _list_spendable()[:INPUTS_MAX]:
        chosen.append(coin)
        held_sat += coin.value_sat
        least_fee_sat = _estimate_fee(len(chosen), scripts, rate_sat_per_kvb)
        if held_sat < paid_sat + least_fee_sat:
            continue
        fee_sat = _estimate_fee(len(chosen), [*scripts, change_script], rate_sat_per_kvb)
        change_sat = held_sat - paid_sat - fee_sat
        if change_sat >= DUST_P2WPKH_SAT:
            return Selection(tuple(chosen), fee_sat, change_sat)
        return Selection(tuple(chosen), held_sat - paid_sat, 0)
    raise InsufficientCoinsError(f"The wallet's {held_sat} sat do not cover {paid_sat} sat and the fee.")


def find_payable_sat(*, outputs_max: int) -> int | None:
    """Return the most that one transaction can pay, in satoshi; None if the number of coins is no limit.

    A wallet of more than INPUTS_MAX coins cannot spend them all at once: what the largest of them hold counts, less the
    fee at the highest rate that the settings allow.
    """
    values = list(_list_spendable().values_list("value_sat", flat=True)[: INPUTS_MAX + 1])
    if len(values) <= INPUTS_MAX:
        return None
    scripts = [OUTPUT_SCRIPT_LONGEST] * (outputs_max + 1)
    fee_sat = _estimate_fee(INPUTS_MAX, scripts, settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB)
    return max(0, sum(values[:INPUTS_MAX]) - fee_sat)


def _list_spendable() -> QuerySet[WalletCoin]:
    """Return the credited coins that nothing has spent or reserved, the largest first."""
    spendable = WalletCoin.objects.filter(
        kind__in=SPENDABLE_KINDS, state=WalletCoin.State.CREDITED, spent_by=None, spent_txid=""
    )
    return spendable.order_by("-value_sat", "txid", "vout")


def _estimate_fee(n_in: int, scripts: Sequence[bytes], rate_sat_per_kvb: int) -> int:
    """Return the fee of a transaction of this shape, rounded up."""
    return -(-estimate_virtual_size(n_in, scripts) * rate_sat_per_kvb // 1_000)
