import pytest

from registry.proof.errors import MalformedDocumentError
from registry.proof.fields import Fields
from registry.proof.jcs import INTEGER_MAX


def test_takes_each_kind_of_field():
    fields = Fields({"a": "x", "b": INTEGER_MAX, "c": "00ff", "d": ["11" * 32], "e": {"f": 1}, "g": {}}, "it")

    fields.take_constant("a", "x")

    assert fields.take_integer("b") == INTEGER_MAX
    assert fields.take_hex("c", 2) == b"\x00\xff"
    assert fields.take_hashes("d", 1) == (b"\x11" * 32,)
    assert fields.take_object("e") == {"f": 1}
    assert fields.has("g")
    fields.take_fields("g").finish()
    fields.finish()


@pytest.mark.parametrize("value", [None, 1, "x", []])
def test_refuses_what_is_not_an_object(value: object):
    with pytest.raises(MalformedDocumentError, match="not an object"):
        Fields(value, "it")
    with pytest.raises(MalformedDocumentError, match="not an object"):
        Fields({"a": value}, "it").take_object("a")


@pytest.mark.parametrize("value", [-1, INTEGER_MAX + 1, True, "1", None])
def test_refuses_what_is_not_an_integer_in_range(value: object):
    with pytest.raises(MalformedDocumentError, match="integer"):
        Fields({"a": value}, "it").take_integer("a")


@pytest.mark.parametrize("value", [1, None, "0", "0g", "AA", "a a", " aa", "aaaa", ""])
def test_refuses_what_is_not_a_byte_in_lower_case_hexadecimal(value: object):
    with pytest.raises(MalformedDocumentError):
        Fields({"a": value}, "it").take_hex("a", 1)


@pytest.mark.parametrize("value", ["", {}, ["11" * 32] * 3, ["11" * 31], [None]])
def test_refuses_what_is_not_a_short_list_of_hashes(value: object):
    with pytest.raises(MalformedDocumentError):
        Fields({"a": value}, "it").take_hashes("a", 2)


def test_refuses_missing_unknown_and_false_fields():
    fields = Fields({"a": "x"}, "it")

    with pytest.raises(MalformedDocumentError, match="lacks b"):
        fields.take("b")
    with pytest.raises(MalformedDocumentError, match="unknown fields: a"):
        fields.finish()
    with pytest.raises(MalformedDocumentError, match="not y"):
        fields.take_constant("a", "y")
