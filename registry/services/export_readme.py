"""The text that goes with a static export, for whoever finds it without us."""

from registry.models import Register
from registry.proof.anchors import display_outpoint
from registry.proof.exports import FORMAT
from registry.proof.networks import MAIN
from registry.selectors.proofs import get_registry

README_NAME = "README.txt"

_TEXT = """A public register, exported to plain files
==========================================

Network         {network}
First outpoint  {outpoint}
Format          {format}

The first outpoint is the register's identity. Compare it with one that you know from elsewhere: anyone can found a
register and write such files.

Files
-----

register.json             what this is an export of
anchors.ndjson            every anchor in order, one JSON object a line: batch, transaction, place in its block
headers.bin               the chain's block headers from the genesis block on, 80 bytes each
batches/<number>.leaves   a batch's records in order, 137 bytes each

A record is: kind (1 byte), sha256 (32), length (8, big-endian), root (32), seal (32), details_hash (32).

To audit all of it, offline
---------------------------

    cadastre audit . --registry {outpoint}{option}

or, with nothing but Python and the one file cadastre-verify.pyz:

    python cadastre-verify.pyz audit . --registry {outpoint}{option}

{note}Exit code 0: it holds. 1: a step failed, which is named. 2: undecided. 3: wrong usage.

To audit it by a program of your own
------------------------------------

1. leaf = SHA256("cadastre/leaf/v1" 00 || the record's 137 bytes).
2. A batch's root: join the leaves two by two, SHA256(left || right), level by level; a last one without a neighbour
   moves up unchanged.
3. commitment = SHA256("cadastre/batch/v1" 00 || seq u64 || first_index u64 || size u64 || previous_commitment ||
   recent_block_hash || root), big-endian. For batch 0, previous_commitment is SHA256("cadastre/registry/v1" 00 ||
   genesis block hash || first outpoint).
4. The anchor's transaction has two outputs; the second one's script is 6a 24 "CDS1" commitment. Its first input spends
   output 0 of the anchor before it, or the first outpoint.
5. The transaction's id leads through `block.path` to the Merkle root in the header at `block.height` of headers.bin.
6. The headers begin with the genesis block of the network that you mean, link, meet their targets, and have the work
   that you expect of the chain.
7. seq and first_index have no gap; every batch has its file; no leaf stands twice.

To mirror it
------------

Copy anchors.ndjson first, then everything else, so that whatever the copied anchors name is there. Files in batches/
never change. A file of leaves beyond the last anchor means that you copied while it was written: copy anchors.ndjson
again.
"""


_TEST_NOTE = """Without --network, only a register of the main network is taken. Blocks of {network} are nearly free,
so they do not prove when anything existed.

"""


def write_readme(register: Register) -> bytes:
    """Return the text for a register's export."""
    outpoint = display_outpoint(get_registry(register).first_outpoint)
    is_main = register.network == MAIN.name
    return _TEXT.format(
        network=register.network,
        outpoint=outpoint,
        format=FORMAT,
        option="" if is_main else f" --network {register.network}",
        note="" if is_main else _TEST_NOTE.format(network=register.network),
    ).encode()
