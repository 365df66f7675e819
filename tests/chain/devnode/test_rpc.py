"""JSON-RPC over HTTP as Bitcoin Core speaks it: codes, versions, batches, credentials, damaged requests."""

import base64
import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bitcoin.core import CBlock
from opentimestamps.bitcoin import make_timestamp_from_block
from opentimestamps.core.op import OpSHA256
from opentimestamps.core.serialize import StreamSerializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp

from chain.devnode.json_text import dump_json, to_coins
from chain.devnode.rpc import CALL_NAMES
from chain.transactions import Output
from tests.nodes import PASSWORD, ROOT, USER, DevnodeProcess, MiningWallet, running_devnode


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory):
    with running_devnode(tmp_path_factory.mktemp("rpc")) as running:
        yield running


def post(process: DevnodeProcess, body: object, credentials: str = f"{USER}:{PASSWORD}"):
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=10)
    headers = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
    connection.request("POST", "/", body if isinstance(body, bytes) else json.dumps(body).encode(), headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content) if content else None


def call(process: DevnodeProcess, method: str, *params: object):
    status, reply = post(process, {"id": 1, "method": method, "params": params})
    return status, reply["result"] if reply["error"] is None else reply["error"]["code"]


@pytest.mark.parametrize(
    ("method", "params", "status", "code"),
    [
        ("nonsense", [], 404, -32601),
        ("getblockhash", [10**6], 500, -8),
        ("getblockhash", [-1], 500, -8),
        ("getblockhash", ["1"], 500, -3),
        ("getblockhash", [True], 500, -3),
        ("getblockhash", [], 500, -1),
        ("getblockcount", [1], 500, -1),
        ("getblockheader", ["00" * 32], 500, -5),
        ("getblockheader", ["zz" * 32], 500, -8),
        ("getblockheader", ["00"], 500, -8),
        ("getblock", ["00" * 32], 500, -5),
        ("getrawtransaction", ["00" * 32], 500, -5),
        ("getrawtransaction", ["00" * 32, 0, "00" * 32], 500, -5),
        ("getmempoolentry", ["00" * 32], 500, -5),
        ("generatetoaddress", [1, "nonsense"], 500, -5),
        ("generatetoaddress", [-1, "nonsense"], 500, -8),
        ("sendrawtransaction", ["zz"], 500, -22),
        ("testmempoolaccept", [[]], 500, -8),
        ("estimatesmartfee", [0], 500, -8),
        ("submitblock", ["00"], 500, -22),
        ("invalidateblock", ["00" * 32], 500, -5),
    ],
)
def test_a_refused_call_has_cores_code(
    process: DevnodeProcess, method: str, params: list[object], status: int, code: int
):
    assert call(process, method, *params) == (status, code)


def test_named_parameters_are_understood(process: DevnodeProcess):
    _, reply = post(process, {"id": 1, "method": "getblockhash", "params": {"height": 0}})
    assert reply["result"] == call(process, "getblockhash", 0)[1]
    _, reply = post(process, {"id": 1, "method": "getblockhash", "params": {"hoehe": 0}})
    assert reply["error"]["code"] == -8


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 500, -32700),
        (b"\xff\xfe", 500, -32700),
        (b"[" * 100_000, 500, -32700),
        (b'{"id": 1, "method": NaN}', 500, -32700),
        (b"17", 400, -32600),
        (b'{"id": 1}', 400, -32600),
        (b'{"id": 1, "method": 7}', 400, -32600),
        (b'{"id": 1, "method": "getblockcount", "params": 7}', 400, -32600),
    ],
)
def test_a_malformed_request_is_answered_with_an_error(process: DevnodeProcess, body: bytes, status: int, code: int):
    found, reply = post(process, body)
    assert (found, reply["error"]["code"]) == (status, code)
    assert call(process, "getblockcount")[0] == 200


def test_version_2_answers_errors_with_status_200(process: DevnodeProcess):
    status, reply = post(process, {"jsonrpc": "2.0", "id": "a", "method": "nonsense"})
    assert status == 200
    assert reply == {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "a"}


def test_a_notification_is_not_answered(process: DevnodeProcess):
    assert post(process, {"jsonrpc": "2.0", "method": "getblockcount"}) == (204, None)


def test_a_batch_is_answered_in_order(process: DevnodeProcess):
    requests = [{"id": 1, "method": "nonsense"}, {"id": 2, "method": "getblockhash", "params": [0]}, 7]
    status, replies = post(process, requests)
    assert status == 200
    assert [reply["id"] for reply in replies] == [1, 2, None]
    assert replies[1]["error"] is None


@pytest.mark.parametrize("credentials", ["cadastre:wrong", ":", "carol:cadastre"])
def test_carol_without_the_password_is_refused(process: DevnodeProcess, credentials: str):
    status, reply = post(process, {"id": 1, "method": "getblockcount"}, credentials)
    assert (status, reply) == (401, None)


def test_a_request_without_a_length_is_refused(process: DevnodeProcess):
    with socket.create_connection(("127.0.0.1", process.port), timeout=10) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")


def test_amounts_keep_eight_decimals():
    assert dump_json({"value": to_coins(1), "all": [to_coins(21 * 10**14)]}) == (
        '{"value":0.00000001,"all":[21000000.00000000]}'
    )


def test_the_cookie_is_readable_by_its_owner_alone_and_works(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "chain.devnode", "--data", str(tmp_path), "--port", "0", "--cookie"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        running = DevnodeProcess(tmp_path, port=int(process.stdout.readline().rsplit(":", 1)[1]))
        cookie = tmp_path / ".cookie"
        assert cookie.stat().st_mode & 0o777 == 0o600
        assert post(running, {"id": 1, "method": "getblockcount"}, cookie.read_text())[1]["result"] == 0
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert not cookie.exists()


def test_every_call_is_documented():
    page = (ROOT / "docs" / "reference" / "development-node.md").read_text()
    for name in CALL_NAMES:
        assert f"`{name}`" in page


def test_getblock_describes_its_transactions(process: DevnodeProcess):
    wallet = MiningWallet(process.client)
    block_hash = wallet.mine()[0]
    _, ids = call(process, "getblock", block_hash, 1)
    _, full = call(process, "getblock", block_hash, 2)
    assert ids["tx"] == [item["txid"] for item in full["tx"]]
    assert full["tx"][0]["vout"][0]["scriptPubKey"]["address"] == wallet.address
    assert full["nTx"] == 1
    assert call(process, "getblock", block_hash, False)[1] == call(process, "getblock", block_hash, 0)[1]


def test_the_unmodified_ots_client_verifies_against_this_node(process: DevnodeProcess, tmp_path: Path):
    document = tmp_path / "deed.txt"
    document.write_bytes(b"Alice holds this.")
    height = anchor_document(process, document)
    result = verify_with_ots(process, document, tmp_path)
    assert f"Success! Bitcoin block {height} attests existence" in result.stderr
    assert result.returncode == 0
    document.write_bytes(b"Carol holds this.")
    assert verify_with_ots(process, document, tmp_path).returncode != 0


def anchor_document(process: DevnodeProcess, document: Path) -> int:
    """Mine a transaction that commits to the document, write its .ots beside it, and return the
    block's height."""
    wallet = MiningWallet(process.client)
    coin = wallet.fund()[0]
    with document.open("rb") as stream:
        detached = DetachedTimestampFile.from_fd(OpSHA256(), stream)
    digest = detached.file_digest
    change = Output(coin.value_sat - 1_000, wallet.key.script_pubkey)
    raw = wallet.build([coin], [change, Output(0, b"\x6a\x20" + digest)])
    process.client.send_raw_transaction(raw)
    block = CBlock.deserialize(process.client.get_block(wallet.mine()[0]))
    height = process.client.get_block_count()
    timestamp: Timestamp = make_timestamp_from_block(digest, block, height)
    with document.with_suffix(".txt.ots").open("wb") as stream:
        DetachedTimestampFile(OpSHA256(), timestamp).serialize(StreamSerializationContext(stream))
    return height


def verify_with_ots(process: DevnodeProcess, document: Path, home: Path):
    """Run the stock client as a user would."""
    ots = Path(sys.executable).parent / "ots"
    return subprocess.run(
        [ots, "--btc-regtest", "--no-cache", "--bitcoin-node", process.url, "verify", f"{document}.ots"],
        env={"HOME": str(home), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
