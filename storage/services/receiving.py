"""Takes the bytes of one request: to the disk, through the digest, and into the row once they are on the disk."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction

from storage.digest import BlobDigest
from storage.digest_states import ResumableDigest
from storage.errors import (
    DigestStateError,
    StorageFullError,
    UploadChecksumError,
    UploadGoneError,
    UploadInterruptedError,
    UploadOverflowError,
)
from storage.models import Upload
from storage.partials import Partial, read_partial, remove_partial, require_room
from storage.sha256 import find_functions

# What a request holds in memory, and writes and digests at a time. A multiple of a block of the digest.
PIECE_BYTES = 256 * 1024


class Stream(Protocol):
    """A connection to read from; it raises OSError when it breaks."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Read up to as many bytes as there is room for; return how many, 0 at the end."""


@dataclass(frozen=True)
class Body:
    """The bytes of one request. `length` is None if it was not announced, `sha256` if no checksum came with it."""

    stream: Stream
    length: int | None
    sha256: bytes | None


def receive_body(*, upload: Upload, partial: Partial, body: Body, now: datetime) -> None:
    """Write a body's bytes where the upload continues, count them in its row, and digest the whole with the last.

    If the digest of what came before cannot be resumed, the upload stays RECEIVING at its end, and is digested from
    its file. Raises UploadInterruptedError, UploadOverflowError, UploadChecksumError, StorageFullError, and
    UploadGoneError if the upload was removed meanwhile.
    """
    receiver = _Receiver(upload, partial, now)
    checksum = hashlib.sha256() if body.sha256 is not None else None
    # Nothing is counted before the end where the end decides whether the bytes are wanted at all.
    has_checkpoints = checksum is None and body.length is not None
    try:
        require_room(0)
        for piece in _read_pieces(body, upload):
            receiver.take(piece, has_checkpoints=has_checkpoints)
            if checksum is not None:
                checksum.update(piece)
    except UploadInterruptedError as error:
        if checksum is None:
            receiver.count()
        raise UploadInterruptedError(upload.offset) from error
    except StorageFullError:
        # What does not count would only keep room from others.
        partial.cut_to(upload.offset)
        raise
    if checksum is not None and checksum.digest() != body.sha256:
        raise UploadChecksumError
    receiver.count()


def get_expiry(now: datetime) -> datetime:
    """Return when an upload expires that gets its last bytes now."""
    return now + timedelta(seconds=settings.CADASTRE_UPLOAD_EXPIRY_SECONDS)


class _Receiver:
    """Writes, digests and counts."""

    def __init__(self, upload: Upload, partial: Partial, now: datetime) -> None:
        self._upload = upload
        self._partial = partial
        self._now = now
        self._digest = _resume_digest(upload)
        self._end = upload.offset

    def take(self, piece: memoryview, *, has_checkpoints: bool) -> None:
        """Write a piece, and count what has come if that is a lot."""
        self._partial.append(piece)
        if self._digest is not None:
            self._digest.update(piece)
        self._end += len(piece)
        if has_checkpoints and self._end - self._upload.offset >= settings.CADASTRE_UPLOAD_CHECKPOINT_BYTES:
            self.count()
            require_room(0)

    def count(self) -> None:
        """Put what was written on the disk, then move the row's offset there. Raises UploadGoneError."""
        upload = self._upload
        if self._end == upload.offset:
            return
        self._partial.sync()
        changes = {"offset": self._end, "expires_at": get_expiry(self._now), **self._describe_digest()}
        with transaction.atomic(durable=True):
            is_moved = Upload.objects.filter(id=upload.id, state=Upload.State.RECEIVING, offset=upload.offset).update(
                **changes
            )
        if not is_moved:
            # The upload was removed before this request had the lock, and the file made anew by it.
            remove_partial(upload.id)
            raise UploadGoneError
        for name, value in changes.items():
            setattr(upload, name, value)

    def _describe_digest(self) -> dict[str, Any]:
        """Return the columns that the digest fills: its state, or at the end its result."""
        if self._digest is not None and self._end == self._upload.length:
            found, state = self._digest.finish(), Upload.State.RECEIVED
            return {"digest_state": None, "state": state, "sha256": found.sha256, "root": found.root}
        if isinstance(self._digest, ResumableDigest):
            return {"digest_state": self._digest.save_state()}
        return {"digest_state": None}


def _resume_digest(upload: Upload) -> BlobDigest | None:
    """Return the digest of what the upload has, or None if it was not put away or its state is not sound."""
    if not upload.offset:
        return BlobDigest() if find_functions() is None else ResumableDigest()
    try:
        with read_partial(upload.id) as stream:
            return ResumableDigest.resume(bytes(upload.digest_state or b""), stream=stream, length=upload.offset)
    except DigestStateError:
        return None


def _read_pieces(body: Body, upload: Upload) -> Iterator[memoryview]:
    """Yield the body in pieces that end at multiples of their size, so that they are whole blocks of the digest.

    Each is good until the next. Raises UploadOverflowError if the body is longer than what the upload lacks,
    UploadInterruptedError, after all that came, if it is cut short.
    """
    start, room, taken = upload.offset, upload.length - upload.offset, 0
    with memoryview(bytearray(PIECE_BYTES)) as buffer:
        while body.length is None or taken < body.length:
            # One byte more than there is room for shows that a body of unknown length is too long.
            wanted = min(PIECE_BYTES - (start + taken) % PIECE_BYTES, room - taken + 1)
            filled, error = _fill(buffer[:wanted], body.stream)
            taken += filled
            if taken > room:
                raise UploadOverflowError
            if filled:
                yield buffer[:filled]
            if error is not None:
                raise UploadInterruptedError(upload.offset) from error
            if filled < wanted:
                break
    if body.length is not None and taken < body.length:
        raise UploadInterruptedError(upload.offset)


def _fill(buffer: memoryview, stream: Stream) -> tuple[int, OSError | None]:
    """Read until the buffer is full, the stream at its end, or broken: what came before counts too."""
    filled = 0
    while filled < len(buffer):
        try:
            count = stream.readinto(buffer[filled:])
        except OSError as error:
            return filled, error
        if not count:
            break
        filled += count
    return filled, None
