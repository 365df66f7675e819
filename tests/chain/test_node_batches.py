"""Many calls in one request, and nodes that do not take them so."""

import json

import pytest

from chain.errors import NodeInconsistentError, NodeRejectedError
from chain.node import NodeClient
from chain.transports import HttpTransport
from tests.nodes import DevnodeProcess, MiningWallet


class WatchedTransport(HttpTransport):
    """Counts requests, and can turn the reply to a batch into another."""

    def __init__(self, url: str, batch_reply: bytes | None = None) -> None:
        super().__init__(url)
        self.requests = 0
        self.batch_reply = batch_reply

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        self.requests += 1
        if self.batch_reply is not None and body.startswith(b"["):
            return self.batch_reply
        return super().exchange(body, is_repeatable=is_repeatable)


def test_headers_are_asked_in_two_requests(devnode: DevnodeProcess, wallet: MiningWallet):
    hashes = wallet.mine(30)
    transport = WatchedTransport(devnode.url)
    node = NodeClient(devnode.url, transport=transport)

    found = node.get_raw_headers(5, 20)

    assert transport.requests == 2
    assert found == [node.get_raw_header(block_hash) for block_hash in hashes[4:24]]


@pytest.mark.parametrize(
    "reply",
    [
        b"", b"null", b"[" * 20_000, b"[]", b"[1]", b'[{"id": "1", "result": 2}]', b'[{"id": 1}]', b"[NaN]",
        b'{"result": null, "error": {"code": -32600, "message": "no batches"}, "id": null}',
        b'[{"id": 1, "result": null, "error": {"code": -8, "message": "no"}}]',
    ],
)  # fmt: skip
def test_a_node_that_takes_no_batches_is_asked_call_by_call(
    devnode: DevnodeProcess, wallet: MiningWallet, reply: bytes
):
    hashes = wallet.mine(5)
    transport = WatchedTransport(devnode.url, reply)
    node = NodeClient(devnode.url, transport=transport)

    assert node.get_raw_headers(1, 5) == [devnode.client.get_raw_header(block_hash) for block_hash in hashes]
    assert transport.requests == 2 + 10


def test_heights_beyond_the_chain_are_refused_as_by_a_single_call(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine(5)

    with pytest.raises(NodeRejectedError) as caught:
        devnode.client.get_raw_headers(3, 10)

    assert caught.value.code == -8


class SwappingTransport(HttpTransport):
    """Answers a batch of headers with those of each other's blocks."""

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        reply = super().exchange(body, is_repeatable=is_repeatable)
        if b"getblockheader" not in body:
            return reply
        answers = json.loads(reply)
        swapped = [answer["result"] for answer in answers[::-1]]
        for answer, result in zip(answers, swapped, strict=True):
            answer["result"] = result
        return json.dumps(answers).encode()


def test_a_header_of_another_block_is_refused(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine(5)
    node = NodeClient(devnode.url, transport=SwappingTransport(devnode.url))

    with pytest.raises(NodeInconsistentError):
        node.get_raw_headers(1, 4)
