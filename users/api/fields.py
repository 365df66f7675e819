"""The API's ways of writing digests, bytes and money."""

import base64
import binascii
import re
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

# Every bitcoin there will ever be, in millisatoshi.
AMOUNT_MSAT_MAX = 21_000_000 * 100_000_000 * 1_000

_DIGEST = re.compile("sha256:([0-9a-f]{64})")
_BASE64URL_32 = re.compile("[A-Za-z0-9_-]{43}=?")
_HEX_32 = re.compile("[0-9a-f]{64}")


@extend_schema_field({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"})
class DigestField(serializers.Field[bytes, Any, str, Any]):
    """32 bytes, written `sha256:<hex>` in lower case."""

    default_error_messages: ClassVar = {"malformed": "Write a digest as sha256: and 64 lower-case hexadecimal digits."}

    def to_internal_value(self, data: object) -> bytes:
        """Return the 32 bytes."""
        match = _DIGEST.fullmatch(data) if isinstance(data, str) else None
        if match is None:
            self.fail("malformed")
        return bytes.fromhex(match[1])

    def to_representation(self, value: bytes | memoryview) -> str:
        """Return the text."""
        return f"sha256:{bytes(value).hex()}"


@extend_schema_field({"type": "string", "pattern": "^[0-9a-f]{64}$"})
class Hex32Field(serializers.Field[bytes, Any, str, Any]):
    """32 bytes, written as 64 hexadecimal digits in lower case."""

    default_error_messages: ClassVar = {"malformed": "Write 32 bytes as 64 lower-case hexadecimal digits."}

    def to_internal_value(self, data: object) -> bytes:
        """Return the 32 bytes."""
        if not isinstance(data, str) or not _HEX_32.fullmatch(data):
            self.fail("malformed")
        return bytes.fromhex(data)

    def to_representation(self, value: bytes | memoryview) -> str:
        """Return the text."""
        return bytes(value).hex()


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z0-9_-]{43}=?$"})
class Base64Url32Field(serializers.Field[bytes, Any, str, Any]):
    """32 bytes in base64url (RFC 4648, section 5), with or without padding, as headers carry them."""

    default_error_messages: ClassVar = {"malformed": "Write 32 bytes as 43 characters of base64url."}

    def to_internal_value(self, data: object) -> bytes:
        """Return the 32 bytes."""
        if not isinstance(data, str) or not _BASE64URL_32.fullmatch(data):
            self.fail("malformed")
        return base64.urlsafe_b64decode(f"{data[:43]}=")

    def to_representation(self, value: bytes | memoryview) -> str:
        """Return the text, without padding."""
        return base64.urlsafe_b64encode(bytes(value)).decode("ascii").rstrip("=")


@extend_schema_field({"type": "string", "contentEncoding": "base64"})
class Base64Field(serializers.Field[bytes, Any, str, Any]):
    """Bytes in base64 with padding (RFC 4648, section 4)."""

    default_error_messages: ClassVar = {"malformed": "Write the bytes in base64, with padding and without line breaks."}

    def to_internal_value(self, data: object) -> bytes:
        """Return the bytes."""
        if not isinstance(data, str):
            self.fail("malformed")
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            self.fail("malformed")

    def to_representation(self, value: bytes | memoryview) -> str:
        """Return the text."""
        return base64.b64encode(bytes(value)).decode("ascii")


class StrictIntegerField(serializers.IntegerField):
    """An integer of JSON: no text, no fraction, no boolean."""

    def to_internal_value(self, data: object) -> int:
        """Return the integer."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class MoneySerializer(serializers.Serializer[dict[str, int]]):
    """An amount of money in millisatoshi, at least 0."""

    amount_msat = StrictIntegerField(min_value=0, max_value=AMOUNT_MSAT_MAX)


class LengthField(StrictIntegerField):
    """A length in bytes, at least 1."""

    def __init__(self, *, help_text: str = "", required: bool = True) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, help_text=help_text, required=required)
