"""The local memory of an unfinished upload, written before the bytes that it is about are sent.

Two files per upload: a JSON document with the keys and the plan, and an append-only list of the SHA-256 of
each ciphertext chunk. Together they make sure that one key never encrypts two different plaintexts: a chunk
whose hash differs from the listed one is never sent.
"""

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from client.age.files import Encryption
from client.config import write_private_file
from client.durability import make_private_folder, sync_folder
from client.errors import PlaintextChangedError, UploadBusyError, UploadStateError
from client.folders import Source
from client.terms import LinkTerms, format_time, parse_time

VERSION = 2
HASH_BYTES = 32


@dataclass(frozen=True)
class LinkRequest:
    """A link that was asked for, so that asking again is the same request."""

    idempotency_key: str
    manifest: bytes
    seal: bytes
    terms: LinkTerms
    expires_at: datetime | None
    deletion_token: bytes = field(repr=False)


@dataclass(frozen=True)
class UploadState:
    """What fixes one ciphertext and where it goes."""

    plan: tuple[tuple[str, int], ...]
    secret: bytes = field(repr=False)
    encryption: Encryption
    upload_path: str | None = None
    link_request: LinkRequest | None = None


class StateFile:
    """The state of one source's upload to one server, on disk."""

    def __init__(self, home: Path, *, server_url: str, source: Source) -> None:
        name = hashlib.sha256(json.dumps([server_url, str(source.path), source.padding > 0]).encode()).hexdigest()
        self._document_path = home / "uploads" / f"{name}.json"
        self._chunks_path = home / "uploads" / f"{name}.chunks"
        self._lock_path = home / "uploads" / f"{name}.lock"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other process from uploading the same path to the same server.

        Raises UploadBusyError if one is doing so.
        """
        make_private_folder(self._lock_path.parent)
        with self._lock_path.open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UploadBusyError from error
            if not self._lock_path.exists() or not os.path.samestat(self._lock_path.lstat(), os.fstat(stream.fileno())):
                # Its owner finished between our opening it and our locking it.
                raise UploadBusyError
            try:
                yield
            finally:
                self._lock_path.unlink()

    def read(self) -> UploadState | None:
        """Return the stored state, or None if there is none.

        Raises UploadStateError if it is damaged.
        """
        try:
            return _parse_state(json.loads(self._document_path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UploadStateError(f"{self._document_path} is damaged: remove it to upload afresh.") from error

    def write(self, state: UploadState) -> None:
        """Replace the stored state."""
        write_private_file(self._document_path, json.dumps(_dump_state(state)).encode())

    def read_hashes(self) -> list[bytes]:
        """Return the hashes of the chunks that may have been sent, in order."""
        try:
            data = self._chunks_path.read_bytes()
        except FileNotFoundError:
            return []
        # A power cut may leave part of the last hash: its chunk was not sent yet.
        return [data[place : place + HASH_BYTES] for place in range(0, len(data) - HASH_BYTES + 1, HASH_BYTES)]

    def write_hashes(self, hashes: list[bytes], *, known: int, is_durable: bool = True) -> None:
        """Add hashes after the first `known`, and return once they and the file's name are on the disk.

        Unless `is_durable`, they may be lost by a power cut.
        """
        descriptor = os.open(self._chunks_path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.seek(known * HASH_BYTES)
            stream.write(b"".join(hashes))
            stream.truncate()
            stream.flush()
            if is_durable:
                os.fsync(stream.fileno())
        if is_durable and not known:
            sync_folder(self._chunks_path.parent)

    def remove(self, *, is_durable: bool = True) -> None:
        """Forget the upload, its keys first: keys that outlived the hashes could encrypt something else.

        Unless `is_durable`, a power cut may bring it back.
        """
        for path in (self._document_path, self._chunks_path):
            if path.exists():
                path.unlink()
                if is_durable:
                    sync_folder(path.parent)


class ChunkLog:
    """Compares each chunk with what was sent before, and notes the new ones before they are sent."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._stored = file.read_hashes()
        self._new: list[bytes] = []
        self.count_before = len(self._stored)

    def add(self, number: int, sealed: bytes) -> None:
        """Take the next chunk; raises PlaintextChangedError if another one was sent in its place."""
        digest = hashlib.sha256(sealed).digest()
        if number < len(self._stored):
            if self._stored[number] != digest:
                raise PlaintextChangedError
        else:
            self._new.append(digest)

    def save(self, *, is_durable: bool = True) -> None:
        """Put the new hashes on the disk: after this, and not before, their chunks may be sent."""
        if self._new:
            self._file.write_hashes(self._new, known=len(self._stored), is_durable=is_durable)
            self._stored += self._new
            self._new = []


def get_plan(source: Source) -> tuple[tuple[str, int], ...]:
    """Return the names and sizes that a ciphertext was begun for; the padding counts as a nameless file."""
    return (*((entry.name, entry.size) for entry in source.files), ("", source.padding))


def _dump_state(state: UploadState) -> dict[str, Any]:
    request = state.link_request
    return {
        "version": VERSION,
        "plan": [list(entry) for entry in state.plan],
        "secret": _encode(state.secret),
        "header": _encode(state.encryption.header),
        "file_key": _encode(state.encryption.file_key),
        "nonce": _encode(state.encryption.nonce),
        "upload_path": state.upload_path,
        "link_request": request and _dump_request(request),
    }


def _dump_request(request: LinkRequest) -> dict[str, Any]:
    return {
        "idempotency_key": request.idempotency_key,
        "manifest": _encode(request.manifest),
        "seal": _encode(request.seal),
        "terms": asdict(request.terms),
        "expires_at": request.expires_at and format_time(request.expires_at),
        "deletion_token": _encode(request.deletion_token),
    }


def _parse_state(document: dict[str, Any]) -> UploadState:
    if document["version"] != VERSION:
        raise ValueError("an upload's state of another version")
    request = document["link_request"]
    encryption = Encryption(_decode(document["header"]), _decode(document["file_key"]), _decode(document["nonce"]))
    return UploadState(
        plan=tuple((str(name), int(size)) for name, size in document["plan"]),
        secret=_decode(document["secret"]),
        encryption=encryption,
        upload_path=document["upload_path"],
        link_request=request and _parse_request(request),
    )


def _parse_request(document: dict[str, Any]) -> LinkRequest:
    expires_at = document["expires_at"]
    return LinkRequest(
        idempotency_key=str(document["idempotency_key"]),
        manifest=_decode(document["manifest"]),
        seal=_decode(document["seal"]),
        terms=LinkTerms(**document["terms"]),
        expires_at=expires_at and parse_time(expires_at),
        deletion_token=_decode(document["deletion_token"]),
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
