import dataclasses
from typing import Any

import pytest

from registry.proof.commitments import Batch, commitment_hash, encode_outpoint, genesis_commitment
from registry.proof.errors import CommitmentMismatchError
from registry.proof.merkle import merkle_root
from tests.registry.proof.vectors import load

BATCH = Batch(seq=0, first_index=0, size=1, previous_commitment=bytes(32), recent_block_hash=bytes(32), root=bytes(32))


@pytest.mark.parametrize("name", ["seq-0", "seq-1", "seq-2"])
def test_computes_the_commitment_of_every_vector(name: str):
    vector = load("commitment", name)
    fields: dict[str, Any] = {
        key: bytes.fromhex(value) if isinstance(value, str) else value for key, value in vector["batch"].items()
    }
    commitment = fields.pop("commitment")

    assert merkle_root([bytes.fromhex(leaf) for leaf in vector["leaves"]]) == fields["root"]
    assert commitment_hash(Batch(**fields)) == commitment


def test_computes_the_first_previous_commitment():
    vector = load("commitment", "genesis")
    genesis, outpoint = bytes.fromhex(vector["genesis_block_hash"]), bytes.fromhex(vector["first_outpoint"])

    commitment = genesis_commitment(genesis_block_hash=genesis, first_outpoint=outpoint)

    assert commitment.hex() == vector["commitment"]
    assert encode_outpoint(outpoint[:32], 1) == outpoint


@pytest.mark.parametrize(
    "change",
    [
        {"seq": -1},
        {"first_index": 1 << 64},
        {"size": 0},
        {"size": 1 << 64},
        {"root": b""},
        {"previous_commitment": b"1"},
        {"recent_block_hash": bytes(33)},
    ],
)
def test_refuses_a_batch_out_of_range(change: dict[str, Any]):
    with pytest.raises(CommitmentMismatchError):
        dataclasses.replace(BATCH, **change)


def test_refuses_identities_of_another_length():
    with pytest.raises(CommitmentMismatchError):
        genesis_commitment(genesis_block_hash=b"", first_outpoint=bytes(36))
    with pytest.raises(CommitmentMismatchError):
        genesis_commitment(genesis_block_hash=bytes(32), first_outpoint=bytes(32))
