"""Sending ciphertext: forward from an offset, as the server acknowledges it, however often the connection breaks."""

import hashlib
from typing import BinaryIO

from client.api import CREATION_WITH_UPLOAD, Api
from client.errors import ChecksumMismatchError, OffsetConflictError, ServerUnavailableError, UploadOffsetError
from client.paces import Pace
from client.progress import Progress


class Sending:
    """Moves an upload's offset forward, finding out after each failure how far the server came."""

    def __init__(self, api: Api, path: str, *, offset: int, pace: Pace, progress: Progress) -> None:
        self._api, self._path, self._pace, self._progress = api, path, pace, progress
        self.offset = offset
        progress.move_to(self.offset)

    def send(self, data: bytes) -> None:
        """Send bytes that start at the current offset, however many requests it takes.

        Raises UploadOffsetError if the server lost or invented bytes, and what the last attempt raised.
        """
        start, failures = self.offset, 0
        while self.offset < start + len(data):
            rest = data[self.offset - start :]
            try:
                self.offset = self._append(rest)
                failures = 0
            except (ServerUnavailableError, OffsetConflictError, ChecksumMismatchError) as error:
                failures += 1
                if failures >= self._api.server.attempts_max:
                    raise
                if isinstance(error, ServerUnavailableError):
                    self._api.server.wait_after_failure(failures - 1, error)
                self.offset = self._api.get_upload_offset(self._path)
            if not start <= self.offset <= start + len(data):
                raise UploadOffsetError
            self._progress.move_to(self.offset)

    def _append(self, rest: bytes) -> int:
        self._pace.wait(len(rest))
        checksum = hashlib.sha256(rest).digest()
        offset = self._api.append_upload(self._path, offset=self.offset, data=rest, checksum=checksum)
        if offset <= self.offset:
            raise UploadOffsetError("The server took no bytes and said that it did.")
        return offset


def send_whole(api: Api, stream: BinaryIO, *, length: int, segment_bytes: int, pace: Pace, progress: Progress) -> str:
    """Begin an upload, send all of a stream's `length` bytes, and return the upload's path.

    Where the server allows it, the first segment travels with the creation, which saves a request. If that breaks off,
    the upload that it may have begun cannot be named: another one begins, and the server expires the first.
    """
    first = stream.read(min(length, segment_bytes))
    if CREATION_WITH_UPLOAD in api.upload_extensions:
        path, held = _create_with(api, first, length=length, pace=pace)
    else:
        path, held = api.create_upload(length=length)
    sending = Sending(api, path, offset=held, pace=pace, progress=progress)
    sending.send(first[held:])
    while sending.offset < length:
        segment = stream.read(segment_bytes)
        if not segment:
            raise UploadOffsetError(f"The server holds {sending.offset} bytes of {length}.")
        sending.send(segment)
    return path


def _create_with(api: Api, first: bytes, *, length: int, pace: Pace) -> tuple[str, int]:
    pace.wait(len(first))
    try:
        path, held = api.create_upload(length=length, data=first, checksum=hashlib.sha256(first).digest())
    except (ServerUnavailableError, ChecksumMismatchError) as error:
        if isinstance(error, ServerUnavailableError):
            api.server.wait_after_failure(0, error)
        path, held = api.create_upload(length=length)
    if held > len(first):
        raise UploadOffsetError("The server claims to hold bytes that were never sent.")
    return path, held
