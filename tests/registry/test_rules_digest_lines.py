"""Reading the lines of a bulk registration, whatever the pieces they come in."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import DigestLineError, DigestsMissingError, DigestsTooManyError, RegistryError
from registry.rules import digest_lines
from registry.rules.digest_lines import LINE_BYTES_MAX, DigestLines, Digests

GOOD = "ab" * 32


def make_line(number: int) -> bytes:
    return json.dumps({"sha256": hashlib.sha256(str(number).encode()).hexdigest()}).encode() + b"\n"


def read(*pieces: bytes) -> Digests:
    lines = DigestLines()
    for piece in pieces:
        lines.feed(piece)
    return lines.finish()


@given(st.integers(1, 12), st.data())
def test_the_pieces_of_a_body_do_not_matter(count: int, data: st.DataObject):
    body = b"".join(make_line(number) for number in range(count))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    digests = read(*pieces)

    assert digests.joined == b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(count))
    assert (digests.count, digests.body_sha256) == (count, hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    "line",
    [
        f'{{"sha256":"{GOOD}"}}',
        f'{{"sha256": "{GOOD}"}}\r',
        f'{{"sha256":"sha256:{GOOD}"}}',
        f'  {{ "sha256" : "{GOOD}" }}  ',
        f'{{"\\u0073ha256": "{GOOD}"}}',
    ],
)
def test_a_line_may_be_written_as_json_may(line: str):
    assert read(line.encode()).joined == bytes.fromhex(GOOD)
    assert read(line.encode() + b"\n").joined == bytes.fromhex(GOOD)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"", "empty"),
        (b"  \t", "empty"),
        (b"{", "not strict JSON"),
        (b'{"sha256": "\xff"}', "not strict JSON"),
        (b'{"sha256": 1.5}', "not strict JSON"),
        (f'{{"sha256": "{GOOD}", "sha256": "{GOOD}"}}'.encode(), "a name is repeated"),
        (f'{{"sha256": "{GOOD}"}} {{}}'.encode(), "not strict JSON"),
        (f'["{GOOD}"]'.encode(), "one member"),
        (b"{}", "one member"),
        (f'{{"sha256": "{GOOD}", "name": "x"}}'.encode(), "one member"),
        (b'{"sha256": 7}', "64 lower-case"),
        (b'{"sha256": null}', "64 lower-case"),
        (f'{{"sha256": "{GOOD.upper()}"}}'.encode(), "64 lower-case"),
        (f'{{"sha256": "{GOOD[:-1]}"}}'.encode(), "64 lower-case"),
        (f'{{"sha256": "{GOOD}\\n"}}'.encode(), "64 lower-case"),
        (b" " * (LINE_BYTES_MAX + 1), "longer than"),
        (f'{{"sha256": "{GOOD}"}}'.encode() + b" " * LINE_BYTES_MAX, "longer than"),
    ],
)
def test_the_first_bad_line_is_named_with_its_cause(line: bytes, cause: str):
    with pytest.raises(DigestLineError, match=cause) as caught:
        read(make_line(1), make_line(2), line + b"\n" + b"worse\n")

    assert caught.value.line == 3
    assert "Line 3: " in str(caught.value)


def test_a_line_without_end_is_refused_before_it_ends():
    lines = DigestLines()
    lines.feed(make_line(1) + b"{")

    with pytest.raises(DigestLineError, match="Line 2: it is longer"):
        lines.feed(b" " * LINE_BYTES_MAX)


def test_a_body_without_lines_is_refused():
    with pytest.raises(DigestsMissingError):
        read()


def test_lines_and_bytes_are_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(digest_lines, "LINES_MAX", 3)
    body = b"".join(make_line(number) for number in range(3))
    assert read(body).count == 3
    with pytest.raises(DigestsTooManyError, match="3 lines"):
        read(body, make_line(4))
    with pytest.raises(DigestsTooManyError, match="3 lines"):
        read(body, make_line(4)[:-1])
    monkeypatch.setattr(digest_lines, "BODY_BYTES_MAX", len(body) - 1)
    with pytest.raises(DigestsTooManyError, match="bytes"):
        read(body)


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_other_bytes_raise_our_errors_alone(pieces: list[bytes]):
    try:
        assert read(*pieces).count
    except RegistryError:
        return
