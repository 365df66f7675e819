"""What arrives on standard input: one file whose length nobody knows before its end.

An upload announces its length before its first byte. So the stream is encrypted into a file without a name first, which
holds ciphertext alone and is gone with the process, however that ends; then it is sent from there.
"""

import hashlib
import itertools
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from client.age.files import Encryption
from client.age.payload import encrypt_chunks
from client.durability import make_private_folder
from client.errors import EmptySourceError, ManifestError, SourceError
from client.folders import SourceFile, get_padded_length
from client.manifest import ManifestFile, check_names
from storage.digest import BlobDigest, Digest


class StreamPayload:
    """Reads a stream as a payload of one file and its padding, and knows both once all was read.

    Raises SourceError for a name that a manifest refuses.
    """

    def __init__(self, stream: BinaryIO, *, name: str, is_padded: bool) -> None:
        try:
            check_names([name])
        except ManifestError as error:
            raise SourceError(str(error)) from error
        if "/" in name:
            raise SourceError(f"The name {name!a} is more than a file's name.")
        self._stream, self._name, self._is_padded = stream, name, is_padded
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._padding_left: int | None = None
        self.padding = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the payload's end.

        Raises EmptySourceError if the stream has not one byte.
        """
        if self._padding_left is None:
            part = self._stream.read(size)
            if part:
                self._sha256.update(part)
                self._size += len(part)
                return part
            if not self._size:
                raise EmptySourceError
            self.padding = get_padded_length(self._size) - self._size if self._is_padded else 0
            self._padding_left = self.padding
        zeros = bytes(min(size, self._padding_left))
        self._padding_left -= len(zeros)
        return zeros

    def list_files(self) -> tuple[ManifestFile, ...]:
        """Return the manifest's one entry; the payload must have been read to its end."""
        assert self._padding_left == 0, "the payload was not read to its end"
        entry = SourceFile(self._name, Path(self._name), self._size)
        return (ManifestFile(entry.name, entry.media_type, entry.size, self._sha256.digest()),)


def seal_stream(payload: StreamPayload, encryption: Encryption, *, folder: Path) -> tuple[BinaryIO, Digest]:
    """Encrypt a payload into a nameless file in a folder; return it, to be read from its start, and its digest."""
    make_private_folder(folder)
    sealed: BinaryIO = TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
    digest = BlobDigest()
    try:
        for piece in itertools.chain([encryption.prefix], encrypt_chunks(encryption.get_cipher(), payload)):
            digest.update(piece)
            sealed.write(piece)
        sealed.seek(0)
    except BaseException:
        sealed.close()
        raise
    return sealed, digest.finish()
