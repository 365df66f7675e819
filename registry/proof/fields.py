"""Reading one JSON object field by field, refusing what is missing, unknown or not in its one spelling."""

from registry.proof.errors import MalformedDocumentError
from registry.proof.jcs import INTEGER_MAX


class Fields:
    """The fields of one object. Each is taken once; `finish` refuses those that nobody asked for."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise MalformedDocumentError(f"{where} is not an object")
        self._left: dict[str, object] = dict(value)
        self._where = where

    def has(self, name: str) -> bool:
        """Say whether a field is there to be taken."""
        return name in self._left

    def take(self, name: str) -> object:
        """Return a field's value. Raises MalformedDocumentError if it is missing."""
        if name not in self._left:
            raise MalformedDocumentError(f"{self._where} lacks {name}")
        return self._left.pop(name)

    def take_fields(self, name: str) -> "Fields":
        """Return a field that is an object itself."""
        return Fields(self.take(name), name)

    def take_object(self, name: str) -> dict[str, object]:
        """Return a field that is an object of any content."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise MalformedDocumentError(f"{name} is not an object")
        return value

    def take_text(self, name: str) -> str:
        """Return a string."""
        value = self.take(name)
        if not isinstance(value, str):
            raise MalformedDocumentError(f"{name} is not a string")
        return value

    def take_constant(self, name: str, expected: str | int) -> None:
        """Refuse any value but one."""
        if self.take(name) != expected:
            raise MalformedDocumentError(f"{name} is not {expected}")

    def take_integer(self, name: str) -> int:
        """Return an integer from 0 to 2**53 - 1, which every JSON reader keeps exact."""
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= INTEGER_MAX:
            raise MalformedDocumentError(f"{name} is not an integer from 0 to {INTEGER_MAX}")
        return value

    def take_hex(self, name: str, length: int | None = None) -> bytes:
        """Return bytes written as lower-case hexadecimal, `length` of them if given."""
        return _parse_hex(self.take(name), name, length)

    def take_hashes(self, name: str, count_max: int) -> tuple[bytes, ...]:
        """Return a list of at most `count_max` hashes of 32 bytes."""
        value = self.take(name)
        if not isinstance(value, list) or len(value) > count_max:
            raise MalformedDocumentError(f"{name} is not a list of at most {count_max} hashes")
        return tuple(_parse_hex(item, name, 32) for item in value)

    def finish(self) -> None:
        """Refuse fields that were not taken."""
        if self._left:
            raise MalformedDocumentError(f"{self._where} has unknown fields: {', '.join(sorted(self._left))[:200]}")


def _parse_hex(value: object, name: str, length: int | None) -> bytes:
    if not isinstance(value, str):
        raise MalformedDocumentError(f"{name} is not a string")
    try:
        data = bytes.fromhex(value)
    except ValueError as error:
        raise MalformedDocumentError(f"{name} is not hexadecimal") from error
    if data.hex() != value:
        raise MalformedDocumentError(f"{name} is not lower-case hexadecimal without spaces")
    if length is not None and len(data) != length:
        raise MalformedDocumentError(f"{name} has {len(data)} bytes, not {length}")
    return data
