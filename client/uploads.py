"""Uploading: encrypt while sending, resume at the exact byte, and make the link.

The ciphertext is a function of the plaintext and of the stored `Encryption`. Resuming therefore encrypts
again from the start, compares every chunk with the hash that was stored before it was first sent, and sends
what the server does not have. If anything differs, that ciphertext is given up and a fresh one begins under a
new key.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from client.age.files import begin_for_x25519
from client.age.payload import CHUNK_BYTES, SEALED_CHUNK_BYTES, count_chunks, get_sealed_length
from client.age.recipients import get_recipient
from client.api import Api, NewLink, make_idempotency_key
from client.documents import LinkInfo
from client.errors import (
    ChecksumMismatchError,
    NotFoundError,
    OffsetConflictError,
    PlaintextChangedError,
    ProtocolError,
    RequestRejectedError,
    ServerUnavailableError,
    UploadGoneError,
    UploadOffsetError,
)
from client.folders import PayloadReader, Source
from client.links import Link
from client.manifest import Manifest, ManifestFile, encrypt_manifest
from client.progress import Progress
from client.seals import compute_seal
from client.upload_states import ChunkLog, LinkRequest, StateFile, UploadState, get_plan
from storage.digest import BlobDigest, Digest

# One request carries so much: it bounds the memory and what a broken connection makes us send again.
SEGMENT_BYTES = 64 * SEALED_CHUNK_BYTES


@dataclass(frozen=True)
class Uploaded:
    """A finished upload: the link, what the server answered, and whether it continued an earlier one."""

    link: Link
    info: LinkInfo
    is_resumed: bool
    is_restarted: bool


class Uploader:
    """Uploads sources to one server; `home` is the folder of the unfinished uploads' states."""

    def __init__(
        self,
        api: Api,
        home: Path,
        *,
        rate_bytes_s: int | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._home = home
        self._segment_bytes = segment_bytes
        self._pace = _Pace(rate_bytes_s, clock=clock, sleep=api.server.sleep)

    def upload(self, source: Source, *, price_msat: int, progress: Progress) -> Uploaded:
        """Upload a source and return its link.

        An interrupted upload of the same path continues. If its plaintext changed meanwhile, or the server
        gave it up, a fresh encryption with new keys begins instead. Raises PlaintextChangedError if a file
        changes during this very call, UploadBusyError if another process uploads it, and what
        `Server.request` raises.
        """
        file = StateFile(self._home, server_url=self._api.server.url, source=source)
        with file.lock():
            state = file.read()
            if state is not None:
                try:
                    return self._continue(source, file, state, price_msat=price_msat, progress=progress)
                except (PlaintextChangedError, UploadGoneError, NotFoundError, UploadOffsetError):
                    self._give_up(file, state)
            fresh = self._begin(source, file)
            uploaded = self._finish(source, file, fresh, price_msat=price_msat, progress=progress)
            return replace(uploaded, is_restarted=state is not None)

    def _continue(
        self, source: Source, file: StateFile, state: UploadState, *, price_msat: int, progress: Progress
    ) -> Uploaded:
        request = state.link_request
        if state.plan != get_plan(source) or (request is not None and request.price_msat != price_msat):
            # An upload becomes one link: asking for it again at another price needs another upload.
            raise PlaintextChangedError
        uploaded = self._finish(source, file, state, price_msat=price_msat, progress=progress)
        return replace(uploaded, is_resumed=True)

    def _begin(self, source: Source, file: StateFile) -> UploadState:
        secret = secrets.token_bytes(32)
        state = UploadState(get_plan(source), secret, begin_for_x25519(get_recipient(secret)))
        file.remove()
        file.write(state)
        return state

    def _give_up(self, file: StateFile, state: UploadState) -> None:
        file.remove()
        if state.upload_path is not None:
            try:
                self._api.delete_upload(state.upload_path)
            except (RequestRejectedError, ServerUnavailableError):
                return  # The server removes what expires; nothing here depends on it.

    def _finish(
        self, source: Source, file: StateFile, state: UploadState, *, price_msat: int, progress: Progress
    ) -> Uploaded:
        length = len(state.encryption.prefix) + get_sealed_length(source.length)
        if state.upload_path is None:
            state = replace(state, upload_path=self._api.create_upload(length=length))
            file.write(state)
        assert state.upload_path is not None, "the upload was just created"
        # Once a link was asked for, the server had everything, and it may know the upload no more.
        held = length if state.link_request else self._api.get_upload_offset(state.upload_path)
        sending = _Sending(self._api, state.upload_path, offset=held, pace=self._pace, progress=progress)
        digest, files = self._send_all(source, file, state, sending)
        if sending.offset != length:
            raise UploadOffsetError(f"The server holds {sending.offset} bytes of {length}.")
        state = self._request_link(file, state, digest, files, source.padding, price_msat)
        return self._make_link(file, state, digest)

    def _send_all(
        self, source: Source, file: StateFile, state: UploadState, sending: "_Sending"
    ) -> tuple[Digest, tuple[ManifestFile, ...]]:
        log, blob, payload = ChunkLog(file), BlobDigest(), PayloadReader(source)
        held = sending.offset
        if held > len(state.encryption.prefix) + log.count_before * SEALED_CHUNK_BYTES:
            raise UploadOffsetError("The server claims to hold bytes that were never sent.")
        segment, position = bytearray(), 0
        for piece in _encrypt(state, payload, source.length, log):
            blob.update(piece)
            segment += piece[max(0, held - position) :]
            position += len(piece)
            if len(segment) >= self._segment_bytes:
                log.save()
                sending.send(bytes(segment))
                segment.clear()
        log.save()
        sending.send(bytes(segment))
        return blob.finish(), payload.list_files()

    def _request_link(
        self,
        file: StateFile,
        state: UploadState,
        digest: Digest,
        files: tuple[ManifestFile, ...],
        padding: int,
        price_msat: int,
    ) -> UploadState:
        """Fix and store the request for the link, so that a repetition after a crash is the same request."""
        if state.link_request is not None:
            return state
        manifest = encrypt_manifest(Manifest(files, digest.length, digest.root, padding), state.secret)
        seal = compute_seal(secret=state.secret, manifest_sha256=hashlib.sha256(manifest).digest())
        state = replace(state, link_request=LinkRequest(make_idempotency_key(), manifest, seal, price_msat))
        file.write(state)
        return state

    def _make_link(self, file: StateFile, state: UploadState, digest: Digest) -> Uploaded:
        request, path = state.link_request, state.upload_path
        assert request is not None, "the request is stored before it is sent"
        assert path is not None, "there is no request without an upload"
        upload_id = path.rstrip("/").rpartition("/")[2]
        new = NewLink(upload_id, digest, request.manifest, request.seal, request.price_msat)
        info = self._api.create_link(new, idempotency_key=request.idempotency_key)
        if (info.sha256, info.length, info.root) != (digest.sha256, digest.length, digest.root):
            raise ProtocolError("The server made a link to something else than what was uploaded.")
        if info.seal != request.seal or info.price_msat != request.price_msat:
            raise ProtocolError("The server made a link with another seal or price.")
        file.remove()
        manifest_sha256 = hashlib.sha256(request.manifest).digest()
        link = Link(self._api.server.url, info.id, state.secret, manifest_sha256)
        return Uploaded(link, info, is_resumed=False, is_restarted=False)


class _Sending:
    """Moves an upload's offset forward, finding out after each failure how far the server came."""

    def __init__(self, api: Api, path: str, *, offset: int, pace: "_Pace", progress: Progress) -> None:
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
        self._pace.wait()
        checksum = hashlib.sha256(rest).digest()
        offset = self._api.append_upload(self._path, offset=self.offset, data=rest, checksum=checksum)
        self._pace.count(len(rest))
        if offset <= self.offset:
            raise UploadOffsetError("The server took no bytes and said that it did.")
        return offset


class _Pace:
    """Keeps the average rate at a limit in bytes per second, by waiting before each request."""

    def __init__(self, rate_bytes_s: int | None, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._rate_bytes_s, self._clock, self._sleep = rate_bytes_s, clock, sleep
        self._free_at = clock()

    def wait(self) -> None:
        delay_s = self._free_at - self._clock()
        if delay_s > 0:
            self._sleep(delay_s)

    def count(self, sent_bytes: int) -> None:
        if self._rate_bytes_s is not None:
            self._free_at = max(self._free_at, self._clock()) + sent_bytes / self._rate_bytes_s


def _encrypt(state: UploadState, payload: PayloadReader, length: int, log: ChunkLog) -> Iterator[bytes]:
    """Yield the ciphertext in order: the prefix, then each chunk once it was compared with the log."""
    yield state.encryption.prefix
    cipher, count = state.encryption.get_cipher(), count_chunks(length)
    for number in range(count):
        sealed = cipher.encrypt(number, payload.read(CHUNK_BYTES), is_final=number == count - 1)
        log.add(number, sealed)
        yield sealed
    if payload.read(1):
        raise PlaintextChangedError
