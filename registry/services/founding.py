"""Founds the register: names the first outpoint, which is its identity for ever."""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from chain.blocks import fetch_block, fetch_raw_block
from chain.node import NodeClient
from chain.node_networks import check_network
from chain.node_results import TxOut
from registry.errors import FirstOutpointError, RegisterExistsError
from registry.models import AnchorScript, Register
from registry.services.anchor_keys import get_anchor_keys

CONFIRMATIONS_MIN = 100
"""So deep that no reorganisation has ever reached it, and a coinbase output can be spent."""

ProgressNote = Callable[[int, int], None]
"""Called with the height of a block that was read, and the last one that will be."""


def _note_nothing(height: int, last_height: int) -> None:
    """Say nothing of the progress."""


def found_register(*, txid: str, vout: int, node: NodeClient, now: datetime) -> Register:
    """Found the first register of this network on an unspent output paid to the anchor key.

    Raises RegisterExistsError if it has been founded, FirstOutpointError if the output is spent or missing, pays
    another script, or has fewer than 100 confirmations.
    """
    if Register.objects.filter(network=settings.CADASTRE_NETWORK).exists():
        raise RegisterExistsError
    output = get_first_output(txid=txid, vout=vout, node=node)
    try:
        with transaction.atomic(durable=True):
            return create_register(txid=txid, vout=vout, output=output, succeeds=None, now=now)
    except IntegrityError as error:
        raise RegisterExistsError from error


def create_register(*, txid: str, vout: int, output: TxOut, succeeds: Register | None, now: datetime) -> Register:
    """Write a register's row, and the script that its coins are paid to: a step."""
    register = Register.objects.create(
        network=settings.CADASTRE_NETWORK,
        first_txid=txid,
        first_vout=vout,
        first_value_sat=output.value_sat,
        first_script=output.script,
        founded_at=now,
        succeeds=succeeds,
    )
    AnchorScript.objects.create(register=register, script=output.script, added_at=now)
    return register


def get_first_output(*, txid: str, vout: int, node: NodeClient) -> TxOut:
    """Return the output that is to found a register.

    Raises FirstOutpointError if it is spent or missing, pays another script, or has fewer than 100 confirmations.
    """
    output = node.get_txout(txid, vout, include_mempool=True)
    if output is None:
        raise FirstOutpointError(f"{txid}:{vout} is spent, or the node does not know it")
    if output.script not in get_anchor_keys().by_script:
        raise FirstOutpointError(f"{txid}:{vout} does not pay the anchor key")
    if output.confirmations < CONFIRMATIONS_MIN:
        raise FirstOutpointError(
            f"{txid}:{vout} has {output.confirmations} confirmations; {CONFIRMATIONS_MIN} are needed"
        )
    return output


def find_first_outpoint(*, node: NodeClient, note_progress: ProgressNote = _note_nothing) -> tuple[str, int] | None:
    """Return the oldest output that can found the register, or None if there is none yet.

    Outputs below CADASTRE_CHAIN_START_HEIGHT are not looked at. A node that can list the unspent outputs of a script is
    asked for them, pruned or not. Of another, every block is read from there up to the depth that is needed.
    Raises BlockPrunedError if it has pruned one of these, NodeInconsistentError if its answers contradict each other,
    NodeUnavailableError if it does not answer.
    """
    check_network(node)
    scripts = get_anchor_keys().by_script
    last_height = node.get_block_count() - CONFIRMATIONS_MIN + 1
    coins = node.find_unspent(scripts)
    if coins is None:
        outpoints = _iterate_paid(node=node, scripts=scripts, last_height=last_height, note_progress=note_progress)
    else:
        heights = range(settings.CADASTRE_CHAIN_START_HEIGHT, last_height + 1)
        outpoints = ((coin.txid, coin.vout) for coin in coins if coin.height in heights)
    # What is spent in the mempool cannot found a register either.
    return next((outpoint for outpoint in outpoints if node.get_txout(*outpoint) is not None), None)


def _iterate_paid(
    *, node: NodeClient, scripts: Collection[bytes], last_height: int, note_progress: ProgressNote
) -> Iterator[tuple[str, int]]:
    """Yield the outputs that pay one of the scripts, from the start height on, spent or not.

    A block is only taken apart if it has the bytes of a script somewhere.
    """
    for height in range(settings.CADASTRE_CHAIN_START_HEIGHT, last_height + 1):
        block_hash = node.get_block_hash(height)
        raw = fetch_raw_block(node=node, block_hash=block_hash, height=height)
        if any(script in raw for script in scripts):
            block = fetch_block(node=node, block_hash=block_hash, height=height)
            for paid in block.transactions:
                yield from ((paid.txid, vout) for vout, output in enumerate(paid.outputs) if output.script in scripts)
        note_progress(height, last_height)
