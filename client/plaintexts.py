"""Cutting a decrypted payload into the manifest's files, and checking each against the manifest."""

import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from client.errors import PlaintextMismatchError
from client.manifest import Manifest, ManifestFile


def check_plaintext(plaintext: Iterator[bytes], manifest: Manifest) -> None:
    """Read a whole payload without keeping it.

    Raises PlaintextMismatchError if a file or the padding is not as the manifest lists it.
    """
    for _ in cut_payload(plaintext, manifest):
        pass


def write_plaintext(plaintext: Iterator[bytes], manifest: Manifest, path: Path) -> None:
    """Write a payload's files at `path`: a new file, or for a folder a new folder.

    Raises PlaintextMismatchError like `check_plaintext`; what was written by then stays for the caller to
    remove.
    """
    if manifest.is_folder:
        path.mkdir()
    for entry, pieces in itertools.groupby(cut_payload(plaintext, manifest), key=lambda pair: pair[0]):
        destination = path / entry.name.partition("/")[2] if manifest.is_folder else path
        destination.parent.mkdir(parents=True, exist_ok=True)
        with destination.open("xb") as stream:
            for _, piece in pieces:
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())


def cut_payload(plaintext: Iterator[bytes], manifest: Manifest) -> Iterator[tuple[ManifestFile, bytes]]:
    """Yield each file with its pieces in order, at least one per file (an empty one for an empty file).

    A file's digest is checked once its last piece was taken, the padding and the end after the last file; so
    nothing is to be believed before the iterator is exhausted. Raises PlaintextMismatchError.
    """
    payload = _Payload(plaintext)
    for entry in manifest.files:
        digest = hashlib.sha256()
        yield entry, b""
        for piece in payload.take(entry.size):
            digest.update(piece)
            yield entry, piece
        if digest.digest() != entry.sha256:
            raise PlaintextMismatchError(f"{entry.name!a} is not the file that the manifest lists.")
    if any(piece.strip(b"\0") for piece in payload.take(manifest.padding)):
        raise PlaintextMismatchError("The padding of the blob is not zero.")
    if payload.has_more():
        raise PlaintextMismatchError("The blob goes on after the files that the manifest lists.")


class _Payload:
    """Takes exact numbers of bytes from an iterator of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b""

    def take(self, size: int) -> Iterator[bytes]:
        while size:
            self._buffer = self._buffer or next(self._pieces, b"")
            if not self._buffer:
                raise PlaintextMismatchError("The blob is shorter than the files that the manifest lists.")
            piece, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(piece)
            yield piece

    def has_more(self) -> bool:
        """Tell whether a byte is left; if none is, the payload's end was authenticated on the way."""
        return bool(self._buffer) or any(self._pieces)
