"""The node client: strict reading, lost connections, and the difference between unavailable and refused."""

import contextlib
import http.server
import json
import threading

import pytest
from bitcoin.core import CoreRegTestParams
from pytest_django.fixtures import Settings

from chain.errors import (
    NodeAuthenticationError,
    NodeInconsistentError,
    NodeProtocolError,
    NodeRejectedError,
    NodeUnavailableError,
    TransactionAlreadyKnownError,
    TransactionMissingInputsError,
    TransactionRejectedError,
)
from chain.networks import REGTEST
from chain.node import NodeClient, get_node
from chain.node_results import MempoolEntry, read_sat
from chain.transactions import parse_block
from chain.transports import HttpTransport
from tests.nodes import DevnodeProcess

HASH = "11" * 32
GENESIS_HEADER: str = CoreRegTestParams.GENESIS_BLOCK.serialize()[:80].hex()


class ScriptedTransport:
    """Answers calls from a list of results or errors, and keeps what it was asked."""

    def __init__(self, *answers: bytes | dict[str, object]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, list[object], bool]] = []

    def exchange(self, body: bytes, *, is_repeatable: bool):
        request = json.loads(body)
        self.requests.append((request["method"], request["params"], is_repeatable))
        answer = self.answers.pop(0)
        return answer if isinstance(answer, bytes) else json.dumps({**answer, "id": request["id"]}).encode()


def client_answering(*answers: bytes | dict[str, object]):
    return NodeClient("http://unused", transport=ScriptedTransport(*answers))


def result(value: object):
    return {"result": value, "error": None}


def refusal(code: int, message: str):
    return {"result": None, "error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"result": 1, "error": null, "id": 999}',
        b'{"result": NaN, "error": null, "id": 1}',
        {"error": None},
        {"error": "text"},
        {"error": {"message": "no code"}},
        result("7"),
        result(True),
        result(7.0),
        result(None),
    ],
)
def test_an_answer_of_another_shape_is_a_protocol_error(answer: bytes | dict[str, object]):
    with pytest.raises(NodeProtocolError):
        client_answering(answer).get_block_count()


@pytest.mark.parametrize("value", [None, 7, "zz" * 32, "11" * 31])
def test_a_hash_is_32_bytes_of_hex(value: object):
    with pytest.raises(NodeProtocolError):
        client_answering(result(value)).get_best_block_hash()


def test_amounts_are_exact():
    body = b'{"result": {"feerate": 0.00001001}, "error": null, "id": 1}'
    assert client_answering(body).estimate_smart_fee(6) == 1_001
    assert client_answering(result({"errors": ["none"]})).estimate_smart_fee(6) is None
    body = b'{"result": {"feerate": 0.000010015}, "error": null, "id": 1}'
    with pytest.raises(NodeProtocolError, match="finer than a satoshi"):
        client_answering(body).estimate_smart_fee(6)
    for wrong in ("1", 0.1, True, None):
        with pytest.raises(NodeProtocolError):
            read_sat(wrong)


def test_a_starting_node_is_unavailable():
    with pytest.raises(NodeUnavailableError, match="starting"):
        client_answering(refusal(-28, "Loading")).get_block_count()


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-25, "bad-txns-inputs-missingorspent", TransactionMissingInputsError),
        (-25, "Fee exceeds maximum configured by user", TransactionRejectedError),
        (-26, "dust", TransactionRejectedError),
        (-27, "Transaction outputs already in utxo set", TransactionAlreadyKnownError),
        (-22, "TX decode failed", TransactionRejectedError),
        (-1, "something else", NodeRejectedError),
    ],
)
def test_the_refusal_of_a_transaction_says_why(code: int, message: str, kind: type[Exception]):
    with pytest.raises(NodeRejectedError) as refused:
        client_answering(refusal(code, message)).send_raw_transaction(b"\x00")
    assert type(refused.value) is kind
    assert refused.value.code == code


def test_only_reading_calls_are_repeatable():
    transport = ScriptedTransport(result(1), result(HASH), result([HASH]), result(None), result(None), result(None))
    client = NodeClient("http://unused", transport=transport)
    client.get_block_count()
    client.send_raw_transaction(b"\x00")
    client.generate_to_address(1, "address")
    client.submit_block(b"\x00")
    client.invalidate_block(HASH)
    client.reconsider_block(HASH)
    assert [item[2] for item in transport.requests] == [True] + [False] * 5


def test_unknown_things_are_none_where_that_is_an_answer():
    unknown = refusal(-5, "not found")
    assert client_answering(unknown).find_block_header(HASH) is None
    assert client_answering(unknown).find_raw_transaction(HASH) is None
    assert client_answering(unknown).get_mempool_entry(HASH) is None
    assert client_answering(result(None)).get_txout(HASH, 0) is None
    with pytest.raises(NodeRejectedError):
        client_answering(refusal(-8, "malformed")).find_block_header(HASH)


class ScriptedServer(http.server.HTTPServer):
    """Keeps the methods that were called, and the status and type of every answer."""

    methods: list[str]
    response: tuple[int, str]


class DroppingHandler(http.server.BaseHTTPRequestHandler):
    """Answers once on each connection and then drops it without saying so, as an idle timeout does."""

    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.methods.append(request["method"])
        status, kind = self.server.response
        value = HASH if request["method"] == "sendrawtransaction" else len(self.server.methods)
        body = json.dumps({**result(value), "id": request["id"]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object):  # noqa: A002  the standard library's signature
        """Stay quiet."""


@contextlib.contextmanager
def scripted_server(status: int = 200, kind: str = "application/json"):
    server = ScriptedServer(("127.0.0.1", 0), DroppingHandler)
    server.methods, server.response = [], (status, kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server, f"http://u:p@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_connection_dropped_while_idle_is_opened_again():
    with scripted_server() as (server, url):
        client = NodeClient(url)
        assert [client.get_block_count(), client.get_block_count()] == [1, 2]
        assert client.send_raw_transaction(b"\x00") == HASH
        assert server.methods.count("sendrawtransaction") == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_page_without_json_means_unavailable(status: int):
    with scripted_server(status, "text/html") as (_, url), pytest.raises(NodeUnavailableError, match=str(status)):
        NodeClient(url).get_block_count()


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_transient(status: int):
    with scripted_server(status, "text/html") as (_, url), pytest.raises(NodeAuthenticationError):
        NodeClient(url).get_block_count()


def test_a_refused_connection_means_unavailable():
    with scripted_server() as (_, url):
        pass
    with pytest.raises(NodeUnavailableError):
        NodeClient(url).get_block_count()


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "127.0.0.1:8332"])
def test_a_malformed_address_is_refused(url: str):
    with pytest.raises(NodeProtocolError, match="address"):
        HttpTransport(url)


def test_the_settings_name_node_and_transport(settings: Settings, shared_devnode: DevnodeProcess):
    settings.CADASTRE_NODE_URL = shared_devnode.url
    settings.CADASTRE_NODE_TRANSPORT = "chain.transports.HttpTransport"
    info = get_node().get_blockchain_info()
    assert info.chain == "regtest"
    assert get_node() is get_node()


@pytest.mark.parametrize("nested", [b"[" * 100_000, b'{"id": 1, "error": null, "result": ' + b"[" * 100_000])
def test_an_answer_that_is_nested_too_deeply_is_a_protocol_error(nested: bytes):
    with pytest.raises(NodeProtocolError, match="not answered with JSON"):
        client_answering(nested).get_block_count()


@pytest.mark.parametrize("number", ["1e999999999", "21000001", "-1e400000", "1" * 5_000])
def test_an_amount_that_cannot_be_is_a_protocol_error(number: str):
    body = b'{"result": {"feerate": %s}, "error": null, "id": 1}' % number.encode()
    with pytest.raises(NodeProtocolError):
        client_answering(body).estimate_smart_fee(6)


def test_a_reply_longer_than_any_is_a_protocol_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chain.transports.REPLY_BYTES_MAX", 20)
    with scripted_server() as (_, url), pytest.raises(NodeProtocolError, match="longer than 20 bytes"):
        NodeClient(url).get_block_count()


def test_a_transaction_that_was_not_asked_for_is_refused(shared_devnode: DevnodeProcess):
    coinbase = parse_block(shared_devnode.client.get_block(REGTEST.genesis_hash)).transactions[0]
    answer = result(coinbase.raw.hex())
    assert client_answering(answer).get_raw_transaction(coinbase.txid) == coinbase.raw
    with pytest.raises(NodeInconsistentError, match=coinbase.txid):
        client_answering(answer).get_raw_transaction(HASH)


@pytest.mark.parametrize("answer", ["00", GENESIS_HEADER + "00", GENESIS_HEADER[:-2]])
def test_a_header_has_80_bytes(answer: str):
    with pytest.raises(NodeProtocolError, match="where a header belongs"):
        client_answering(result(answer)).get_raw_header(REGTEST.genesis_hash)


@pytest.mark.parametrize(
    ("lacking", "is_none"),
    [
        (refusal(-32601, "Method not found"), True),
        (refusal(-1, "Command unimplemented"), True),
        (refusal(-1, "something else"), False),
    ],
)
def test_an_estimate_that_the_node_cannot_make_is_none(lacking: dict[str, object], is_none: bool):
    if is_none:
        assert client_answering(lacking).estimate_smart_fee(6) is None
    else:
        with pytest.raises(NodeRejectedError):
            client_answering(lacking).estimate_smart_fee(6)


def test_a_mempool_entry_is_looked_for_in_the_whole_mempool_where_the_call_is_lacking():
    lacking = refusal(-1, "Command unimplemented")
    listed = (
        b'{"result": {"%s": {"vsize": 110, "fee": 0.00001, "depends": []}}, "error": null, "id": 2}' % HASH.encode()
    )
    assert client_answering(lacking, listed).get_mempool_entry(HASH) == MempoolEntry(110, 1_000, ())
    assert client_answering(lacking, listed).get_mempool_entry("22" * 32) is None
    with pytest.raises(NodeProtocolError, match="getrawmempool"):
        client_answering(lacking, result([HASH])).get_mempool_entry(HASH)
    with pytest.raises(NodeRejectedError):
        client_answering(refusal(-1, "something else")).get_mempool_entry(HASH)


def test_a_refusal_without_a_word_about_being_allowed_has_a_reason():
    refused = client_answering(result([{"reject-reason": "missing-inputs"}])).test_mempool_accept(b"")
    assert (refused.is_allowed, refused.reject_reason) == (False, "missing-inputs")
    with pytest.raises(NodeProtocolError):
        client_answering(result([{}])).test_mempool_accept(b"")


@pytest.mark.parametrize("url", ["http://u:p@127.0.0.1:1", "https://u:p@127.0.0.1:1"])
def test_a_port_that_nobody_listens_on_means_unavailable(url: str):
    with pytest.raises(NodeUnavailableError, match="refused"):
        NodeClient(url, timeout_s=5).get_block_count()
