"""Registers digests in bulk: in parts, each under a key that follows from its content, with every receipt checked."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from client.api import Api
from client.documents import get_member, is_uuid
from client.errors import DigestListError, ProtocolError, SourceError
from client.folders import SourceFile, list_files
from client.progress import Progress
from registry.proof import leaves
from registry.proof.errors import ProofError

PART_MAX = 100_000
LINE_BYTES_MAX = 8_192
READ_BYTES = 1024 * 1024
KEY_TAG = b"cadastre/submission/v1\0"
HASH_BYTES = 32

# What sha256sum prints, or a digest alone.
_LIST_LINE = re.compile(r"\\?(?:sha256:)?([0-9a-fA-F]{64})(?: [ *]?(.*))?")


@dataclass(frozen=True)
class NamedDigest:
    """A SHA-256 to register, and the name of what it is of, if it has one."""

    sha256: bytes
    name: str | None


@dataclass(frozen=True)
class Receipt:
    """The record that a digest became, with all that its leaf is made from."""

    digest: NamedDigest
    record_id: str
    leaf: bytes
    details: dict[str, object]
    details_salt: bytes

    def to_json(self) -> dict[str, object]:
        """Return the receipt as it is written for the user."""
        named = {} if self.digest.name is None else {"name": self.digest.name}
        return {
            **named,
            "sha256": f"sha256:{self.digest.sha256.hex()}",
            "record": self.record_id,
            "leaf": self.leaf.hex(),
            "details_salt": self.details_salt.hex(),
            "details": self.details,
        }


def list_sources(paths: Sequence[Path]) -> list[SourceFile]:
    """Return the files to hash, those of a folder in the order of their names.

    Raises SourceError for what is neither a file nor a folder of files.
    """
    files: list[SourceFile] = []
    for path in paths:
        if path.is_dir():
            files.extend(list_files(path.resolve()))
        elif path.is_file():
            files.append(SourceFile(str(path), path, path.stat().st_size))
        else:
            raise SourceError(f"{path} is neither a file nor a folder.")
    return files


def hash_sources(files: Iterable[SourceFile], progress: Progress) -> Iterator[NamedDigest]:
    """Yield the digest of each file. Raises SourceError if one cannot be read."""
    done = 0
    for file in files:
        digest = hashlib.sha256()
        try:
            with file.path.open("rb") as stream:
                while part := stream.read(READ_BYTES):
                    digest.update(part)
                    done += len(part)
                    progress.move_to(done)
        except OSError as error:
            raise SourceError(f"{file.path} cannot be read: {error.strerror}.") from error
        yield NamedDigest(digest.digest(), file.name)


def read_digests(stream: BinaryIO) -> Iterator[NamedDigest]:
    """Yield the digests of a list: 64 hexadecimal digits a line, as sha256sum prints them with names or without.

    Raises DigestListError for a line that is none; empty lines are passed over.
    """
    number = 0
    while line := stream.readline(LINE_BYTES_MAX):
        number += 1
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        match = _LIST_LINE.fullmatch(text)
        if match:
            yield NamedDigest(bytes.fromhex(match[1]), match[2] or None)
        elif text:
            raise DigestListError(f"Line {number} is not a SHA-256 of 64 hexadecimal digits.")


def submit(api: Api, digests: Sequence[NamedDigest], progress: Progress) -> Iterator[Receipt]:
    """Register digests in parts of PART_MAX and yield their receipts in the same order.

    A part's key follows from its digests, so the same list gives the same records however often it is sent.
    Raises ProtocolError if a receipt is not of its digest or its leaf does not follow from it.
    """
    for start in range(0, len(digests), PART_MAX):
        part = digests[start : start + PART_MAX]
        body = b"".join(b'{"sha256":"%s"}\n' % digest.sha256.hex().encode() for digest in part)
        key = hashlib.sha256(KEY_TAG + body).hexdigest()
        lines = api.submit_digests(body, idempotency_key=key).splitlines()
        if len(lines) != len(part):
            raise ProtocolError(f"The server gave {len(lines)} receipts for {len(part)} digests.")
        for digest, line in zip(part, lines, strict=True):
            yield parse_receipt(line, digest)
        progress.move_to((start + len(part)) * HASH_BYTES)


def parse_receipt(line: bytes, digest: NamedDigest) -> Receipt:
    """Read the receipt of a digest, and compute its leaf anew.

    Raises ProtocolError if anything is not as it must be.
    """
    try:
        document = json.loads(line)
        record_id = get_member(document, "record", str)
        details: dict[str, object] = get_member(document, "details", dict)
        leaf, salt = (bytes.fromhex(get_member(document, name, str)) for name in ("leaf", "details_salt"))
        details_hash = leaves.details_hash(salt=salt, details=details)
        fields = leaves.Record(
            leaves.Kind.BARE_DIGEST, digest.sha256, 0, leaves.ZERO_HASH, leaves.ZERO_HASH, details_hash
        )
    except (ValueError, ProofError) as error:
        raise ProtocolError("The server's receipt is malformed.") from error
    if not is_uuid(record_id) or get_member(document, "sha256", str) != f"sha256:{digest.sha256.hex()}":
        raise ProtocolError("The server's receipt is of another digest.")
    if leaves.leaf_hash(fields) != leaf:
        raise ProtocolError("The leaf of the server's receipt does not follow from what the receipt says.")
    return Receipt(digest=digest, record_id=record_id, leaf=leaf, details=details, details_salt=salt)
