"""Founds the register: names the first outpoint, which is its identity for ever."""

from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from chain.node import NodeClient
from chain.node_results import TxOut
from chain.transactions import parse_block
from registry.errors import FirstOutpointError, RegisterExistsError
from registry.models import AnchorScript, Register
from registry.services.anchor_keys import get_anchor_keys

CONFIRMATIONS_MIN = 100
"""So deep that no reorganisation has ever reached it, and a coinbase output can be spent."""


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


def find_first_outpoint(*, node: NodeClient) -> tuple[str, int] | None:
    """Return the oldest output that can found the register, or None if there is none yet.

    Reads the chain from CADASTRE_CHAIN_START_HEIGHT up to the depth that is needed.
    """
    scripts = get_anchor_keys().by_script
    deepest = node.get_block_count() - CONFIRMATIONS_MIN + 1
    for height in range(settings.CADASTRE_CHAIN_START_HEIGHT, deepest + 1):
        block = parse_block(node.get_block(node.get_block_hash(height)), height=height)
        for paid in block.transactions:
            for vout, output in enumerate(paid.outputs):
                if output.script in scripts and node.get_txout(paid.txid, vout) is not None:
                    return paid.txid, vout
    return None
