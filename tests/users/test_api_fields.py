"""How the API writes digests, bytes and money."""

import pytest
from rest_framework.exceptions import ValidationError

from users.api.fields import AMOUNT_MSAT_MAX, Base64Field, Base64Url32Field, DigestField, Hex32Field, MoneySerializer

DIGEST = bytes(range(32))


def test_writes_and_reads_alike():
    for field, text in (
        (DigestField(), f"sha256:{DIGEST.hex()}"),
        (Hex32Field(), DIGEST.hex()),
        (Base64Field(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        (Base64Url32Field(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
    ):
        assert field.to_representation(DIGEST) == text
        assert field.to_internal_value(text) == DIGEST


@pytest.mark.parametrize(
    "text", [None, 1, "", DIGEST.hex(), f"sha256:{DIGEST.hex().upper()}", f"sha256:{DIGEST.hex()}\n"]
)
def test_refuses_a_malformed_digest(text: object):
    with pytest.raises(ValidationError):
        DigestField().to_internal_value(text)


@pytest.mark.parametrize("text", [None, "A", "AA==\n", "A A=", "_-8=", "é"])
def test_refuses_malformed_base64(text: object):
    with pytest.raises(ValidationError):
        Base64Field().to_internal_value(text)


@pytest.mark.parametrize("text", [None, "", "A" * 42, "A" * 44, "+" * 43, "A" * 43 + "\n", "é" * 43, "A" * 43 + "=="])
def test_refuses_malformed_base64url(text: object):
    with pytest.raises(ValidationError):
        Base64Url32Field().to_internal_value(text)


def test_takes_base64url_with_padding():
    assert Base64Url32Field().to_internal_value("A" * 43 + "=") == bytes(32)


@pytest.mark.parametrize("amount", [-1, AMOUNT_MSAT_MAX + 1, 1.0, "1", True, None])
def test_refuses_an_amount_that_is_not_an_integer_of_millisatoshi(amount: object):
    assert not MoneySerializer(data={"amount_msat": amount}).is_valid()


@pytest.mark.parametrize("amount", [0, 1, AMOUNT_MSAT_MAX])
def test_takes_an_amount(amount: int):
    assert MoneySerializer(data={"amount_msat": amount}).is_valid()
