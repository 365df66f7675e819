import pytest

from registry.proof.errors import HeaderUnavailableError, UsageError
from registry.proof.esplora import EsploraHeaders
from registry.proof.headers import display_hash, parse_header
from tests.registry.proof.servers import Explorer, serve_answers
from tests.registry.proof.vectors import load

RAW = {int(height): bytes.fromhex(raw) for height, raw in load("proof", "valid-opened-details")["headers"].items()}
HEADERS = {height: parse_header(raw) for height, raw in RAW.items()}
HASHES = {height: display_hash(header.block_hash) for height, header in HEADERS.items()}


def test_an_explorers_headers_are_asked_once():
    explorer = Explorer(RAW, tip=122)
    with serve_answers(explorer.answer) as url:
        source = EsploraHeaders(f"{url}/api/")

        assert source.name == url
        assert source.get_header(117) == source.get_header(117) == HEADERS[117]
        assert source.find_height(HEADERS[17].block_hash) == 17
        assert source.find_height(bytes(32)) is None

    assert explorer.asked[:3] == ["/api/blocks/tip/height", "/api/block-height/117", f"/api/block/{HASHES[117]}/header"]
    assert len(explorer.asked) == 5


@pytest.mark.parametrize(("tip", "confirmations"), [(121, 5), (117, 1), (3, 0)])
def test_a_block_that_is_not_deep_enough_is_not_used(tip: int, confirmations: int):
    with (
        serve_answers(Explorer(RAW, tip=tip).answer) as url,
        pytest.raises(HeaderUnavailableError, match=f"117 has {confirmations} confirmations of 6"),
    ):
        EsploraHeaders(url).get_header(117)


@pytest.mark.parametrize(
    ("path", "answer", "match"),
    [
        ("/blocks/tip/height", b"many", "height is not a number"),
        ("/blocks/tip/height", b"", "height is not a number"),
        ("/blocks/tip/height", b"-1", "height is not a number"),
        ("/blocks/tip/height", b"1" * 11, "height is not a number"),
        ("/blocks/tip/height", b"\xb2", "height is not a number"),
        ("/block-height/117", b"../../etc", "block hash is none"),
        ("/block-height/117", HASHES[17].encode(), "another hash"),
        (f"/block/{HASHES[117]}/header", b"zz", "not a header"),
        (f"/block/{HASHES[117]}/header", RAW[117].hex().encode() + b"00", "not a header"),
        (f"/block/{HASHES[117]}/header", RAW[17].hex().encode(), "another hash"),
        (f"/block/{HASHES[117]}/header", b"0" * 70_000, "more than 65536 bytes"),
    ],
)
def test_an_explorer_that_answers_otherwise_gives_no_header(path: str, answer: bytes, match: str):
    explorer = Explorer(RAW, tip=200)
    explorer.answers[path] = answer
    explorer.answers[f"/block/{HASHES[17]}/header"] = RAW[117].hex().encode()

    with serve_answers(explorer.answer) as url, pytest.raises(HeaderUnavailableError, match=match):
        EsploraHeaders(url).get_header(117)


def test_an_explorer_that_does_not_know_the_block_or_is_gone_gives_no_header():
    with (
        serve_answers(Explorer({}, tip=200).answer) as url,
        pytest.raises(HeaderUnavailableError, match="refuses /block-height/117: status 404"),
    ):
        EsploraHeaders(url).get_header(117)

    with pytest.raises(HeaderUnavailableError, match="does not answer"):
        EsploraHeaders(url).get_header(117)


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"[" * 20_000, b'{"in_best_chain": false}', b'{"in_best_chain": true}',
     b'{"in_best_chain": true, "height": "17"}', b'{"height": 17}'],
)  # fmt: skip
def test_a_cited_block_that_is_not_in_the_best_chain_has_no_height(answer: bytes):
    explorer = Explorer(RAW, tip=200)
    explorer.answers[f"/block/{HASHES[17]}/status"] = answer

    with serve_answers(explorer.answer) as url:
        assert EsploraHeaders(url).find_height(HEADERS[17].block_hash) is None


@pytest.mark.parametrize("url", ["", "explorer.example", "file:///etc/passwd", "http://[", "https://:443"])
def test_refuses_an_address_that_is_not_an_explorers(url: str):
    with pytest.raises(UsageError, match="the explorer's address"):
        EsploraHeaders(url)
