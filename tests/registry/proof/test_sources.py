import base64
import json

import pytest

from registry.proof.errors import HeaderUnavailableError, UsageError
from registry.proof.headers import display_hash, parse_header
from registry.proof.sources import GivenHeaders, NodeHeaders, parse_given_header
from tests.registry.proof.nodes import Node, serve
from tests.registry.proof.vectors import load

RAW = {int(height): bytes.fromhex(raw) for height, raw in load("proof", "valid-opened-details")["headers"].items()}
HEADERS = {height: parse_header(raw) for height, raw in RAW.items()}


def test_given_headers_are_found_by_height_and_by_hash():
    source = GivenHeaders(HEADERS)

    assert source.get_header(117) == HEADERS[117]
    assert source.find_height(HEADERS[17].block_hash) == 17
    assert source.find_height(bytes(32)) is None
    with pytest.raises(HeaderUnavailableError, match="118"):
        source.get_header(118)


def test_a_nodes_headers_are_asked_once_with_the_password_of_the_address():
    with serve(Node(RAW, tip=122)) as node:
        source = NodeHeaders(node.url)

        assert source.get_header(117) == source.get_header(117) == HEADERS[117]
        assert source.find_height(HEADERS[17].block_hash) == 17
        assert source.find_height(bytes(32)) is None

    assert [method for method, _ in node.asked[:3]] == ["getblockcount", "getblockhash", "getblockheader"]
    assert {auth for _, auth in node.asked} == {"Basic " + base64.b64encode(b"alice:p@ss").decode()}


@pytest.mark.parametrize(("tip", "confirmations"), [(121, 5), (117, 1), (100, 0)])
def test_a_block_that_is_not_deep_enough_is_not_used(tip: int, confirmations: int):
    with serve(Node(RAW, tip=tip)) as node, pytest.raises(HeaderUnavailableError, match=f"has {confirmations} conf"):
        NodeHeaders(node.url).get_header(117)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("getblockcount", b'{"result": "x"}'),
        ("getblockcount", b"[]"),
        ("getblockcount", b"not json"),
        ("getblockcount", b'{"result": 1, "error": {"code": -1}}'),
        ("getblockhash", b'{"result": 5}'),
        ("getblockhash", json.dumps({"result": display_hash(HEADERS[17].block_hash)}).encode()),
        ("getblockheader", b'{"result": "zz"}'),
        ("getblockheader", b'{"result": "00"}'),
        ("getblockheader", json.dumps({"result": RAW[17].hex()}).encode()),
    ],
)
def test_a_node_that_answers_otherwise_gives_no_header(method: str, answer: bytes):
    node = Node(RAW, tip=200)
    node.answers[method] = answer
    if method == "getblockhash" and b"5}" not in answer:
        node.answers["getblockheader"] = json.dumps({"result": RAW[117].hex()}).encode()

    with serve(node), pytest.raises(HeaderUnavailableError):
        NodeHeaders(node.url).get_header(117)


def test_a_node_that_refuses_or_is_gone_gives_no_header():
    with serve(Node({}, tip=200)) as node, pytest.raises(HeaderUnavailableError, match="status 500"):
        NodeHeaders(node.url).get_header(117)

    with pytest.raises(HeaderUnavailableError, match="does not answer"):
        NodeHeaders(node.url).get_header(117)
    assert NodeHeaders(node.url).find_height(bytes(32)) is None


@pytest.mark.parametrize(
    "answer", [b'{"result": 7}', b'{"result": {"height": 17}}', b'{"result": {"height": 17, "confirmations": -1}}']
)
def test_a_cited_block_that_is_not_in_the_best_chain_has_no_height(answer: bytes):
    node = Node(RAW, tip=200)
    node.answers["getblockheader"] = answer

    with serve(node):
        assert NodeHeaders(node.url).find_height(HEADERS[17].block_hash) is None


def test_a_node_is_called_by_its_address_without_the_password():
    assert NodeHeaders("http://alice:p%40ss@[::1]:8332/wallet").name == "http://[::1]:8332"
    with pytest.raises(UsageError, match="the node's address"):
        NodeHeaders("file:///etc/passwd")


def test_parses_a_given_header():
    assert parse_given_header(f"117:{RAW[117].hex()}") == (117, HEADERS[117])


@pytest.mark.parametrize("text", ["", "117", "117:", ":00", "-1:00", "117:zz", "1" * 11 + ":", "²:" + RAW[117].hex()])
def test_refuses_a_header_given_otherwise(text: str):
    with pytest.raises(UsageError):
        parse_given_header(text)
