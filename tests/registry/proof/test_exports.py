from dataclasses import replace

import pytest

from registry.proof.anchors import Registry
from registry.proof.errors import MalformedDocumentError
from registry.proof.exports import ExportHead, find_seq, name_leaves_file, read_export_head, write_export_head

HEAD = ExportHead(network="regtest", registry=Registry(genesis_block_hash=b"\1" * 32, first_outpoint=b"\2" * 36))


def test_what_is_read_is_what_was_written():
    assert read_export_head(write_export_head(HEAD)) == HEAD
    assert read_export_head(write_export_head(replace(HEAD, network="main"))).network == "main"


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"137", b"138"), (b"export-v1", b"export-v2"), (b'"regtest"', b"7"), (b"}", b',"more":1}'), (b"{", b"[")],
)
def test_another_register_file_is_refused(old: bytes, new: bytes):
    with pytest.raises(MalformedDocumentError):
        read_export_head(write_export_head(HEAD).replace(old, new))


def test_a_batchs_file_is_named_by_ten_digits():
    assert name_leaves_file(7) == "0000000007.leaves"
    assert find_seq("0000000007.leaves") == 7


@pytest.mark.parametrize(
    "name", ["7.leaves", "0000000007.leaf", "00000000007.leaves", "0000000007.leaves ", "\u0660" * 10 + ".leaves"]
)
def test_no_other_name_is_a_batchs(name: str):
    assert find_seq(name) is None
