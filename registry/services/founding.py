"""Founds the register: names the first outpoint, which is its identity for ever."""

from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from chain.keys import Key
from chain.networks import get_network
from chain.node import NodeClient
from chain.transactions import parse_block
from registry.errors import AnchorKeyMissingError, FirstOutpointError, RegisterExistsError
from registry.models import Register

CONFIRMATIONS_MIN = 100
"""So deep that no reorganisation has ever reached it, and a coinbase output can be spent."""


def get_anchor_key() -> Key:
    """Return the key whose outputs the anchors spend.

    Raises AnchorKeyMissingError if it is not set, KeyFormatError if it is not a key of the network.
    """
    if not settings.CADASTRE_ANCHOR_KEY:
        raise AnchorKeyMissingError
    return Key.from_wif(settings.CADASTRE_ANCHOR_KEY, get_network(settings.CADASTRE_NETWORK))


def found_register(*, txid: str, vout: int, node: NodeClient, now: datetime) -> Register:
    """Found the register of this network on an unspent output paid to the anchor key.

    Raises RegisterExistsError if it has been founded, FirstOutpointError if the output is spent or missing, pays
    another script, or has fewer than 100 confirmations.
    """
    network = settings.CADASTRE_NETWORK
    if Register.objects.filter(network=network).exists():
        raise RegisterExistsError
    output = node.get_txout(txid, vout, include_mempool=True)
    if output is None:
        raise FirstOutpointError(f"{txid}:{vout} is spent, or the node does not know it")
    if output.script != get_anchor_key().script_pubkey:
        raise FirstOutpointError(f"{txid}:{vout} does not pay the anchor key")
    if output.confirmations < CONFIRMATIONS_MIN:
        raise FirstOutpointError(
            f"{txid}:{vout} has {output.confirmations} confirmations; {CONFIRMATIONS_MIN} are needed"
        )
    try:
        with transaction.atomic(durable=True):
            return Register.objects.create(
                network=network,
                first_txid=txid,
                first_vout=vout,
                first_value_sat=output.value_sat,
                first_script=output.script,
                founded_at=now,
            )
    except IntegrityError as error:
        raise RegisterExistsError from error


def find_first_outpoint(*, node: NodeClient) -> tuple[str, int] | None:
    """Return the oldest output that can found the register, or None if there is none yet.

    Reads the chain from CADASTRE_CHAIN_START_HEIGHT up to the depth that is needed.
    """
    script = get_anchor_key().script_pubkey
    deepest = node.get_block_count() - CONFIRMATIONS_MIN + 1
    for height in range(settings.CADASTRE_CHAIN_START_HEIGHT, deepest + 1):
        block = parse_block(node.get_block(node.get_block_hash(height)), height=height)
        for paid in block.transactions:
            for vout, output in enumerate(paid.outputs):
                if output.script == script and node.get_txout(paid.txid, vout) is not None:
                    return paid.txid, vout
    return None
