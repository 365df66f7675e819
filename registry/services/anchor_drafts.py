"""Builds and signs an anchor's transaction: which coins, what fee, which key is paid. Nothing is stored here."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from chain.follower import find_tip
from chain.node import NodeClient
from chain.transactions import (
    Coin,
    Output,
    build_transaction,
    estimate_virtual_size,
    sign_transaction,
)
from registry.errors import AnchorCeilingError, AnchorFundsError, AnchorKeyMismatchError
from registry.models import Anchor, Batch
from registry.proof.transactions import commitment_script
from registry.rules.fees import CONTINUATION_SAT_MIN, TOP_UPS_MAX, Paid, choose_rate, compute_fee_range, fee_at
from registry.selectors.funds import INPUT_VIRTUAL_BYTES, list_top_ups
from registry.selectors.registers import get_consumer
from registry.services.anchor_keys import AnchorKeys, get_anchor_keys

FEE_TARGET_BLOCKS = 6


@dataclass(frozen=True, slots=True)
class Rivals:
    """The other transactions that decide an anchor's fee.

    `replaced` are its versions that spend the same output: it must be able to replace any of them. `parents` wait for
    a block before it; `descendants_sat` is paid by the anchors that would be evicted with it.
    """

    replaced: Sequence[Paid] = ()
    parents: Sequence[Paid] = ()
    descendants_sat: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a transaction will spend and pay, before its fee is fixed. `rate` is in sat per 1,000 vbytes."""

    keys: AnchorKeys
    coins: tuple[Coin, ...]
    scripts: tuple[bytes, bytes]
    rate: int

    @property
    def virtual_bytes(self) -> int:
        """The most vbytes that the signed transaction can have."""
        return estimate_virtual_size(len(self.coins), self.scripts)


@dataclass(frozen=True, slots=True)
class Draft:
    """A signed transaction that is not stored yet, with its fee and what it leaves for the next anchor, in sat."""

    raw: bytes
    fee_sat: int
    continuation_sat: int


def get_rate(*, node: NodeClient, replaced: Sequence[Paid] = ()) -> int:
    """Return the rate to pay by the node's estimate and the operator's limits, in sat per 1,000 vbytes.

    Raises NodeUnavailableError if the node does not answer.
    """
    return choose_rate(
        estimate=node.estimate_smart_fee(FEE_TARGET_BLOCKS),
        floor=settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB,
        ceiling=settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB,
        replaced=replaced,
    )


def plan_anchor(
    *, batch: Batch, parent: Coin, node: NodeClient, anchor: Anchor | None = None, replaced: Sequence[Paid] = ()
) -> Plan:
    """Choose the coins of an anchor: its parent's continuation, and the two largest top-ups that are worth their fee.

    Raises AnchorKeyMissingError or AnchorKeyMismatchError without the key that the parent pays, NodeUnavailableError
    if the node does not answer.
    """
    keys = get_anchor_keys()
    if parent.script not in keys.by_script:
        raise AnchorKeyMismatchError
    rate = get_rate(node=node, replaced=replaced)
    top_ups = [
        Coin(coin.txid, coin.vout, coin.value_sat, bytes(coin.script))
        for coin in list_top_ups(scripts=keys.by_script, for_anchor=anchor)
        if coin.value_sat > fee_at(rate, INPUT_VIRTUAL_BYTES)
    ]
    return Plan(
        keys=keys,
        coins=(parent, *top_ups[:TOP_UPS_MAX]),
        scripts=(keys.payee.script_pubkey, commitment_script(bytes(batch.commitment))),
        rate=rate,
    )


def draft_anchor(*, plan: Plan, node: NodeClient, rivals: Rivals | None = None) -> Draft:
    """Build and sign a planned transaction.

    nLockTime is the last followed block, or the node's own if that is lower, so that the node can take it at once.
    Raises AnchorFundsError if the coins do not pay for it, AnchorCeilingError if a replacement would pay more than the
    operator allows, NodeUnavailableError if the node does not answer.
    """
    fee_sat = _choose_fee(plan, rivals or Rivals())
    rest_sat = sum(coin.value_sat for coin in plan.coins) - fee_sat
    tip = find_tip(get_consumer())
    unsigned = build_transaction(
        coins=plan.coins,
        outputs=[Output(rest_sat, plan.scripts[0]), Output(0, plan.scripts[1])],
        lock_time=min(0 if tip is None else tip.height, node.get_block_count()),
    )
    raw = sign_transaction(unsigned, coins=plan.coins, keys=plan.keys.by_script)
    return Draft(raw=raw, fee_sat=fee_sat, continuation_sat=rest_sat)


def _choose_fee(plan: Plan, rivals: Rivals) -> int:
    """Return the fee in sat. A replacement may offer less than it should if that is all there is, but no less than
    replaces."""
    fees = compute_fee_range(
        virtual_bytes=plan.virtual_bytes,
        rate=plan.rate,
        ceiling=settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB,
        parents=rivals.parents,
        replaced=rivals.replaced,
        descendants_sat=rivals.descendants_sat,
    )
    if fees.least_sat > fees.most_sat:
        raise AnchorCeilingError(
            f"replacing the anchor costs at least {fees.least_sat} sat; the highest fee rate allows {fees.most_sat} sat"
        )
    funds_sat = sum(coin.value_sat for coin in plan.coins)
    affordable_sat = funds_sat - CONTINUATION_SAT_MIN
    fee_sat = min(fees.wanted_sat, affordable_sat) if rivals.replaced else fees.wanted_sat
    if fee_sat > affordable_sat or fee_sat < fees.least_sat:
        needed_sat = fees.least_sat if rivals.replaced else fees.wanted_sat
        raise AnchorFundsError(f"the anchors have {funds_sat} sat left; the next one costs {needed_sat} sat")
    return fee_sat
