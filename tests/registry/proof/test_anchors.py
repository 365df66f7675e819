import json
from io import BytesIO

import pytest

from registry.proof import anchors
from registry.proof.anchors import (
    LINE_BYTES_MAX,
    check_chain,
    display_outpoint,
    parse_outpoint,
    read_anchored_batches,
    read_registry,
    write_anchor_line,
    write_registry_line,
)
from registry.proof.documents import read_document
from registry.proof.errors import AnchorChainError, MalformedDocumentError, ProofTooLargeError, UsageError
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


def test_a_file_from_before_a_reorganisation_may_have_the_anchor_in_another_block():
    vector = load("anchors", "another-block")
    lines = vector["anchors"].encode().splitlines(keepends=True)
    assert json.loads(lines[-1])["block"] != json.loads(vector["proof"])["block"]

    check_lines(lines, vector["proof"].encode())


def test_refuses_a_proof_whose_place_another_anchor_has():
    vector = load("anchors", "another-anchor")

    with pytest.raises(AnchorChainError, match="another anchor 2"):
        check_lines(vector["anchors"].encode().splitlines(keepends=True), vector["proof"].encode())


@pytest.mark.parametrize("vout", [0, 7, 0xFFFFFFFF])
def test_an_outpoint_is_read_as_it_is_printed(vout: int):
    outpoint = bytes(range(32)) + vout.to_bytes(4, "little")
    text = display_outpoint(outpoint)

    assert text == f"{bytes(range(31, -1, -1)).hex()}:{vout}"
    assert parse_outpoint(text) == parse_outpoint(text.upper()) == outpoint


@pytest.mark.parametrize("vout", ["", ":", ":-1", ":4294967296", ":1 ", ":x", "0:1", ":1:1"])
def test_refuses_what_is_no_outpoint(vout: str):
    with pytest.raises(UsageError, match="TXID:VOUT"):
        parse_outpoint("ab" * 32 + vout)
