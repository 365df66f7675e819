"""The text header of an age v1 file: recipient stanzas and their MAC (C2SP/age, "Header").

Reading is as strict as the grammar: one spelling per header, so that nobody can change a byte unseen.
"""

import hashlib
import hmac
import io
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from client.age.encoding import decode_base64, encode_base64
from client.errors import AgeHeaderError, AgeMacError

VERSION_LINE = b"age-encryption.org/v1\n"
COLUMNS = 64
MAC_BYTES = 32

# The grammar has no limit; ours have about 200 bytes. This bounds what a hostile file makes us hold.
HEADER_BYTES_MAX = 64 * 1024


@dataclass(frozen=True)
class Stanza:
    """The file key wrapped for one recipient: printable arguments (the first names the type) and a body."""

    arguments: tuple[str, ...]
    body: bytes


@dataclass(frozen=True)
class Header:
    """A parsed header: `authenticated` is every byte up to and including the `---` mark."""

    stanzas: tuple[Stanza, ...]
    authenticated: bytes
    mac: bytes


def write_header(stanzas: tuple[Stanza, ...], file_key: bytes) -> bytes:
    """Return the header's bytes, ended by the MAC under the 16-byte file key."""
    text = io.BytesIO()
    text.write(VERSION_LINE)
    for stanza in stanzas:
        text.write(f"-> {' '.join(stanza.arguments)}\n".encode("ascii"))
        body = encode_base64(stanza.body)
        # A body ends with a line shorter than 64 columns, which is empty if the last full line used it up.
        for start in range(0, len(body) + 1, COLUMNS):
            text.write(f"{body[start : start + COLUMNS]}\n".encode("ascii"))
    text.write(b"---")
    mac = _compute_mac(text.getvalue(), file_key)
    return text.getvalue() + f" {encode_base64(mac)}\n".encode("ascii")


def read_header(stream: BinaryIO) -> Header:
    """Read one header and leave the stream at the payload.

    Raises AgeHeaderError if it departs from the grammar or is longer than HEADER_BYTES_MAX.
    """
    lines = _HeaderLines(stream)
    if lines.read_line() != VERSION_LINE[:-1]:
        raise AgeHeaderError("This is not an age v1 file.")
    stanzas: list[Stanza] = []
    while True:
        before = lines.taken
        line = lines.read_line()
        if not line.startswith(b"-> "):
            break
        stanzas.append(Stanza(_parse_arguments(line[3:]), _read_body(lines)))
    if not stanzas or not line.startswith(b"--- "):
        raise AgeHeaderError
    mac = decode_base64(_decode_ascii(line[4:]))
    if len(mac) != MAC_BYTES:
        raise AgeHeaderError("The MAC of the age file's header has a wrong length.")
    return Header(tuple(stanzas), before + b"---", mac)


def check_mac(header: Header, file_key: bytes) -> None:
    """Raise AgeMacError unless the header's MAC is right under the file key."""
    if not hmac.compare_digest(_compute_mac(header.authenticated, file_key), header.mac):
        raise AgeMacError


class _HeaderLines:
    """Takes whole lines from a stream up to the limit, and remembers every byte taken."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.taken = b""

    def read_line(self) -> bytes:
        line = self._stream.readline(HEADER_BYTES_MAX + 1 - len(self.taken))
        self.taken += line
        if len(self.taken) > HEADER_BYTES_MAX:
            raise AgeHeaderError(f"The header of the age file is longer than {HEADER_BYTES_MAX} bytes.")
        if not line.endswith(b"\n"):
            raise AgeHeaderError("The age file ends inside its header.")
        return line[:-1]


def _read_body(lines: _HeaderLines) -> bytes:
    body = ""
    while True:
        line = _decode_ascii(lines.read_line())
        body += line
        if len(line) > COLUMNS:
            raise AgeHeaderError("A line of the age file's header is longer than 64 columns.")
        if len(line) < COLUMNS:
            return decode_base64(body)


def _parse_arguments(line: bytes) -> tuple[str, ...]:
    arguments = tuple(_decode_ascii(line).split(" "))
    if any(not argument or not all("!" <= letter <= "~" for letter in argument) for argument in arguments):
        raise AgeHeaderError("A recipient stanza of the age file has malformed arguments.")
    return arguments


def _decode_ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise AgeHeaderError from error


def _compute_mac(authenticated: bytes, file_key: bytes) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"header").derive(file_key)
    return hmac.new(key, authenticated, hashlib.sha256).digest()
