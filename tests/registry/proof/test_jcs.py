import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.errors import MalformedDocumentError, NotCanonicalError
from registry.proof.jcs import DEPTH_MAX, INTEGER_MAX, canonicalise, parse_strict

ASCII = st.text(st.characters(max_codepoint=127))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ASCII, inner, max_size=4),
    max_leaves=12,
)


def test_writes_the_examples_of_the_standard():
    value = {"\r": "Carriage Return", "1": "One", "</script>": "Browser Challenge", "a": [True, False, None]}

    assert canonicalise(value) == (
        b'{"\\r":"Carriage Return","1":"One","</script>":"Browser Challenge","a":[true,false,null]}'
    )
    assert canonicalise('€$\x0f\nA\'B"\\"/') == '"€$\\u000f\\nA\'B\\"\\\\\\"/"'.encode()


@given(VALUES)
def test_what_is_written_reads_back_and_is_written_the_same(value: object):
    data = canonicalise(value)

    assert parse_strict(data) == value
    assert canonicalise(parse_strict(json.dumps(value, indent=2).encode())) == data


@pytest.mark.parametrize(
    "value",
    [0.5, b"", Decimal(1), {1: 2}, {"é": 1}, INTEGER_MAX + 1, -INTEGER_MAX - 1, "\ud800", (1,)],
)
def test_refuses_what_has_no_canonical_form(value: object):
    with pytest.raises(NotCanonicalError):
        canonicalise([value])


def test_refuses_what_nests_too_deep():
    value: list[object] = []
    for _ in range(DEPTH_MAX - 1):
        value = [value]
    assert canonicalise(value).count(b"[") == DEPTH_MAX

    with pytest.raises(NotCanonicalError, match="deep"):
        canonicalise([value])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"1.0",
        b"1e3",
        b"NaN",
        b"Infinity",
        b'{"a":1,"a":1}',
        b"{} {}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"9" * 5000,
        b"'a'",
    ],
)
def test_refuses_json_that_is_not_strict(data: bytes):
    with pytest.raises(MalformedDocumentError):
        parse_strict(data)


@given(st.binary(max_size=64))
def test_any_bytes_parse_or_raise_our_error(data: bytes):
    try:
        parse_strict(data)
    except MalformedDocumentError:
        return
