"""Reads the lines of a bulk registration piece by piece: the digests are kept, the text never is as a whole."""

import hashlib
import re
from binascii import unhexlify
from dataclasses import dataclass

from registry.errors import DigestLineError, DigestsMissingError, DigestsTooManyError
from registry.proof.errors import MalformedDocumentError
from registry.proof.jcs import parse_strict

LINES_MAX = 100_000
LINE_BYTES_MAX = 256
"""A line as it is usually written has 80 bytes; the rest is room for white space."""

BODY_BYTES_MAX = LINES_MAX * 160
DIGEST_BYTES = 32

# The usual way to write a line; any other goes through the JSON parser.
_LINE = re.compile(rb'\{"sha256": ?"(?:sha256:)?([0-9a-f]{64})"\}\r?')
_DIGEST = re.compile("(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests of a body in the order of its lines, 32 bytes each, joined; and the whole body's SHA-256."""

    joined: bytes
    body_sha256: bytes

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.joined) // DIGEST_BYTES


class DigestLines:
    """Takes a body of NDJSON in pieces: each line is one object, {"sha256": "<64 hexadecimal digits>"}."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._digests = bytearray()
        self._rest = b""
        self._bytes = 0

    def feed(self, piece: bytes) -> None:
        """Take the body's next bytes.

        Raises DigestLineError for the first line that is not a digest, DigestsTooManyError beyond the limits.
        """
        self._bytes += len(piece)
        if self._bytes > BODY_BYTES_MAX:
            raise DigestsTooManyError(f"A submission has at most {BODY_BYTES_MAX} bytes.")
        self._hash.update(piece)
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._take(line)
        if len(self._rest) > LINE_BYTES_MAX:
            self._take(self._rest)

    def finish(self) -> Digests:
        """Return the digests once the whole body was taken; the last line needs no line feed.

        Raises DigestsMissingError if there is none, DigestLineError or DigestsTooManyError for a last line.
        """
        if self._rest:
            self._take(self._rest)
        if not self._digests:
            raise DigestsMissingError
        return Digests(joined=bytes(self._digests), body_sha256=self._hash.digest())

    def _take(self, line: bytes) -> None:
        number = len(self._digests) // DIGEST_BYTES + 1
        if number > LINES_MAX:
            raise DigestsTooManyError(f"A submission has at most {LINES_MAX} lines.")
        match = _LINE.fullmatch(line)
        self._digests += unhexlify(match[1]) if match else _parse_line(line, number)


def _parse_line(line: bytes, number: int) -> bytes:
    """Return the digest of a line that is written in an unusual way. Raises DigestLineError if it has none."""
    if len(line) > LINE_BYTES_MAX:
        raise DigestLineError(number, f"it is longer than {LINE_BYTES_MAX} bytes.")
    if not line.strip():
        raise DigestLineError(number, "it is empty.")
    try:
        value = parse_strict(line)
    except MalformedDocumentError as error:
        raise DigestLineError(number, f"it is {error}.") from error
    if not isinstance(value, dict) or value.keys() != {"sha256"}:
        raise DigestLineError(number, "it is not an object with the one member sha256.")
    match = _DIGEST.fullmatch(value["sha256"]) if isinstance(value["sha256"], str) else None
    if match is None:
        raise DigestLineError(number, "sha256 is not 64 lower-case hexadecimal digits.")
    return bytes.fromhex(match[1])
