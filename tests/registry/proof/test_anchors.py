import json
from io import BytesIO

import pytest

from registry.proof import anchors
from registry.proof.anchors import (
    LINE_BYTES_MAX,
    check_chain,
    read_anchored_batches,
    read_registry,
    write_anchor_line,
    write_registry_line,
)
from registry.proof.documents import read_document
from registry.proof.errors import AnchorChainError, MalformedDocumentError, ProofTooLargeError
from tests.registry.proof.vectors import load


def get_lines() -> list[bytes]:
    data: bytes = load("anchors", "valid")["anchors"].encode()
    return data.splitlines(keepends=True)


def test_what_is_read_is_written_as_it_was():
    stream = BytesIO(b"".join(get_lines()))

    written = [write_registry_line(read_registry(stream)), *map(write_anchor_line, read_anchored_batches(stream))]

    assert written == get_lines()


def test_a_line_over_the_limit_is_refused_without_reading_the_rest():
    stream = BytesIO(b" " * (4 * LINE_BYTES_MAX))

    with pytest.raises(ProofTooLargeError):
        read_registry(stream)

    assert stream.tell() == LINE_BYTES_MAX + 1


def test_more_anchors_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(anchors, "ANCHORS_MAX", 2)

    with pytest.raises(ProofTooLargeError, match="2 anchors"):
        list(read_anchored_batches(BytesIO(b"".join(get_lines()[1:]))))


@pytest.mark.parametrize("first", [b"", b"null\n", b"[]\n", b"{}\n", b"\n"])
def test_refuses_a_file_that_does_not_name_its_registry(first: bytes):
    with pytest.raises(MalformedDocumentError):
        read_registry(BytesIO(first + b"".join(get_lines()[1:])))


def check_lines(lines: list[bytes], proof: bytes) -> None:
    stream = BytesIO(b"".join(lines))
    registry = read_registry(stream)
    check_chain(registry=registry, anchors=read_anchored_batches(stream), target=read_document(proof).anchored)


def test_every_anchor_of_the_chain_can_be_the_target():
    lines = get_lines()
    for name in ("valid-only-leaf", "valid-closed-details", "valid-leaf-7-of-8"):
        check_lines(lines, load("proof", name)["proof"].encode())


def test_lines_after_the_target_are_not_read():
    lines = [*get_lines()[:2], b"not read"]

    check_lines(lines, load("proof", "valid-only-leaf")["proof"].encode())


def test_refuses_blocks_that_go_down():
    lines = get_lines()
    first = json.loads(lines[1])
    first["block"]["height"] = 1000
    lines[1] = json.dumps(first).encode() + b"\n"

    with pytest.raises(AnchorChainError, match="earlier block"):
        check_lines(lines, load("proof", "valid-closed-details")["proof"].encode())


def test_refuses_a_batch_that_does_not_continue_the_one_before():
    lines = get_lines()
    first = json.loads(lines[0])
    # The right first outpoint under another network gives another first previous_commitment.
    first["genesis_block_hash"] = "00" * 32
    lines[0] = json.dumps(first).encode() + b"\n"

    with pytest.raises(AnchorChainError, match="does not continue"):
        check_lines(lines, load("proof", "valid-only-leaf")["proof"].encode())


def test_refuses_a_proof_whose_place_another_anchor_has():
    document = json.loads(load("proof", "valid-closed-details")["proof"])
    document["block"]["height"] += 1

    with pytest.raises(AnchorChainError, match="another anchor 1"):
        check_lines(get_lines(), json.dumps(document).encode())
