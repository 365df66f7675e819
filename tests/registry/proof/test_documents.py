import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.commitments import commitment_hash
from registry.proof.documents import anchor_batch, read_document, write_proof_document
from registry.proof.errors import InvalidProofError, MalformedTransactionError
from tests.registry.proof.vectors import list_names, load

VALID = [name for name in list_names("proof") if name.startswith("valid-") and name != "valid-with-witness"]


@pytest.mark.parametrize("name", VALID)
def test_what_is_read_is_written_as_it_was(name: str):
    text = load("proof", name)["proof"]

    assert write_proof_document(read_document(text.encode())).decode() == text


def test_a_witness_is_left_out_when_a_proof_is_written():
    document = read_document(load("proof", "valid-with-witness")["proof"].encode())

    assert write_proof_document(document).decode() == load("proof", "valid-opened-details")["proof"]


def test_bytes_that_are_not_a_transaction_are_not_written():
    document = read_document(load("proof", "valid-only-leaf")["proof"].encode())
    broken = dataclasses.replace(document, anchored=dataclasses.replace(document.anchored, raw_tx=b"\0"))

    with pytest.raises(MalformedTransactionError):
        write_proof_document(broken)


def test_a_batch_is_put_together_with_its_commitment():
    anchored = read_document(load("proof", "valid-only-leaf")["proof"].encode()).anchored

    assert anchor_batch(batch=anchored.batch, raw_tx=anchored.raw_tx, block=anchored.block) == anchored
    assert anchored.commitment == commitment_hash(anchored.batch)


@given(st.integers(0, 3000), st.binary(max_size=5), st.integers(0, 40))
def test_any_document_is_read_or_refused_with_our_error(position: int, inserted: bytes, removed: int):
    data = load("proof", "valid-opened-details")["proof"].encode()
    try:
        read_document(data[:position] + inserted + data[position + removed :])
    except InvalidProofError:
        return
