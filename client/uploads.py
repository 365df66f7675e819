"""Uploading: encrypt while sending, resume at the exact byte, and make the link.

The ciphertext is a function of the plaintext and of the stored `Encryption`. Resuming therefore encrypts
again from the start, compares every chunk with the hash that was stored before it was first sent, and sends
what the server does not have. If anything differs, that ciphertext is given up and a fresh one begins under a
new key.

What fits into one request is not worth resuming. It is encrypted in memory, and its key is stored only with its last
byte sent, for the link: a process that ends before that forgets the key, so it never encrypts anything else.
"""

import hashlib
import io
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from client.age.files import Encryption, begin_for_x25519
from client.age.payload import CHUNK_BYTES, SEALED_CHUNK_BYTES, count_chunks, get_sealed_length
from client.age.recipients import get_recipient
from client.api import Api, NewLink, make_idempotency_key
from client.documents import LinkInfo
from client.durability import sync_folder
from client.errors import (
    LinkGoneError,
    NotFoundError,
    PlaintextChangedError,
    ProtocolError,
    RequestRejectedError,
    ServerUnavailableError,
    UploadBusyError,
    UploadGoneError,
    UploadOffsetError,
)
from client.folders import PayloadReader, Source
from client.links import Link
from client.manifest import Manifest, ManifestFile, encrypt_manifest
from client.multiparts import DOOR, PartSending, create_multipart, get_multipart, is_multipart
from client.paces import Pace
from client.progress import Progress
from client.seals import compute_seal
from client.sending import Sending, send_whole
from client.streamed import StreamPayload, seal_stream
from client.terms import LinkTerms
from client.upload_states import ChunkLog, LinkRequest, StateFile, UploadState, get_plan
from storage.digest import BlobDigest, Digest

# One request carries so much: it bounds the memory and what a broken connection makes us send again.
SEGMENT_BYTES = 64 * SEALED_CHUNK_BYTES
DELETION_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Uploaded:
    """A finished upload: the link, what the server answered, and whether it continued an earlier one.

    `size` is that of the plaintext in bytes, without padding.
    """

    link: Link
    info: LinkInfo
    size: int
    deletion_token: bytes = field(repr=False)
    is_resumed: bool = False
    is_restarted: bool = False


class Uploader:
    """Uploads sources to one server, also from several threads; `home` is where the unfinished uploads' states are."""

    def __init__(
        self,
        api: Api,
        home: Path,
        *,
        pace: Pace | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._home = home
        self._segment_bytes = segment_bytes
        self._pace = pace or Pace(None)
        self._now = now

    def upload(self, source: Source, *, terms: LinkTerms, progress: Progress) -> Uploaded:
        """Upload a source and return its link.

        An interrupted upload of the same path continues, and one that was finished gives the same link, until `forget`
        is called. If its plaintext or the terms changed meanwhile, or the server gave it up, a fresh encryption with
        new keys begins instead. Raises PlaintextChangedError if a file changes during this very call, UploadBusyError
        if another process uploads it, and what `Server.request` raises.
        """
        file = self._get_file(source)
        with file.lock():
            state = file.read()
            if state is not None:
                try:
                    return self._continue(source, file, state, terms=terms, progress=progress)
                except (PlaintextChangedError, UploadGoneError, NotFoundError, LinkGoneError, UploadOffsetError):
                    self._give_up(file, state)
            file.remove()
            fresh = UploadState(get_plan(source), *_make_keys())
            length = len(fresh.encryption.prefix) + get_sealed_length(source.length)
            if length <= self._segment_bytes:
                uploaded = self._upload_at_once(source, file, fresh, terms=terms, progress=progress)
            else:
                file.write(fresh)
                uploaded = self._finish(source, file, fresh, terms=terms, progress=progress)
            return replace(uploaded, is_restarted=state is not None)

    def upload_stream(
        self, stream: BinaryIO, *, name: str, is_padded: bool, terms: LinkTerms, progress: Progress
    ) -> Uploaded:
        """Upload what a stream holds, to its end, as a file of this name. It cannot be resumed.

        Raises SourceError for a name that a manifest refuses, EmptySourceError, and what `Server.request` raises.
        """
        payload = StreamPayload(stream, name=name, is_padded=is_padded)
        secret, encryption = _make_keys()
        sealed, digest = seal_stream(payload, encryption, folder=self._home / "uploads")
        with sealed:
            path = self._send_whole(sealed, digest, progress)
        files = payload.list_files()
        request = self._draft_link(secret, digest, files, payload.padding, terms)
        return self._make_link(secret, path, request, digest, size=files[0].size)

    def forget(self, *sources: Source) -> None:
        """Remove what is stored about sources' uploads, finished or not; one that another process uploads stays."""
        for source in sources:
            file = self._get_file(source)
            try:
                with file.lock():
                    file.remove(is_durable=False)
            except UploadBusyError:
                continue  # That process removes it.
        # A state that a power cut brings back is of a finished upload, and gives the same link again.
        sync_folder(self._home / "uploads")

    def _get_file(self, source: Source) -> StateFile:
        return StateFile(self._home, server_url=self._api.server.url, source=source)

    def _continue(
        self, source: Source, file: StateFile, state: UploadState, *, terms: LinkTerms, progress: Progress
    ) -> Uploaded:
        request = state.link_request
        if state.plan != get_plan(source) or (request is not None and request.terms != terms):
            # An upload becomes one link: asking for it again on other terms needs another upload.
            raise PlaintextChangedError
        uploaded = self._finish(source, file, state, terms=terms, progress=progress)
        if request is not None:
            # The answer may be a stored one, of a link that was deleted since.
            self._api.get_link(uploaded.info.id)
        return replace(uploaded, is_resumed=True)

    def _give_up(self, file: StateFile, state: UploadState) -> None:
        file.remove()
        if state.upload_path is not None:
            try:
                self._api.delete_upload(state.upload_path)
            except (RequestRejectedError, ServerUnavailableError):
                return  # The server removes what expires; nothing here depends on it.

    def _upload_at_once(
        self, source: Source, file: StateFile, state: UploadState, *, terms: LinkTerms, progress: Progress
    ) -> Uploaded:
        log, blob, payload = ChunkLog(file), BlobDigest(), PayloadReader(source)
        data = b"".join(_encrypt(state, payload, source.length, log))
        blob.update(data)
        digest = blob.finish()
        path = self._send_whole(io.BytesIO(data), digest, progress)
        request = self._draft_link(state.secret, digest, payload.list_files(), source.padding, terms)
        # If a power cut takes these hashes and leaves the keys, the upload begins again: all of it was sent.
        log.save(is_durable=False)
        file.write(replace(state, upload_path=path, link_request=request))
        return self._make_link(state.secret, path, request, digest, size=source.length - source.padding)

    def _send_whole(self, sealed: BinaryIO, digest: Digest, progress: Progress) -> str:
        return send_whole(
            self._api,
            sealed,
            length=digest.length,
            segment_bytes=self._segment_bytes,
            pace=self._pace,
            progress=progress,
        )

    def _finish(
        self, source: Source, file: StateFile, state: UploadState, *, terms: LinkTerms, progress: Progress
    ) -> Uploaded:
        length = len(state.encryption.prefix) + get_sealed_length(source.length)
        if state.upload_path is None:
            path, held = self._create(length)
            state = replace(state, upload_path=path)
            file.write(state)
        else:
            path = state.upload_path
            # Once a link was asked for, the server had everything, and it may know the upload no more.
            held = length if state.link_request else None
        sending = self._begin_sending(path, held, progress)
        digest, files = self._send_all(source, file, state, sending)
        if sending.offset != length:
            raise UploadOffsetError(f"The server holds {sending.offset} bytes of {length}.")
        if isinstance(sending, PartSending):
            sending.finish(digest)
        request = state.link_request
        if request is None:
            # Stored before it is sent, so that a repetition after a crash is the same request.
            request = self._draft_link(state.secret, digest, files, source.padding, terms)
            file.write(replace(state, link_request=request))
        return self._make_link(state.secret, path, request, digest, size=source.length - source.padding)

    def _create(self, length: int) -> tuple[str, int | None]:
        """Begin an upload by the door that the server prefers; return its path, and what is known to be there."""
        if DOOR in self._api.upload_doors:
            return create_multipart(self._api, length=length).path, None
        return self._api.create_upload(length=length)

    def _begin_sending(self, path: str, held: int | None, progress: Progress) -> Sending | PartSending:
        """Return what sends the rest of an upload; the server is asked what it holds where that is not known."""
        if held is None and is_multipart(path):
            return PartSending(self._api, get_multipart(self._api, path), pace=self._pace, progress=progress)
        offset = self._api.get_upload_offset(path) if held is None else held
        return Sending(self._api, path, offset=offset, pace=self._pace, progress=progress)

    def _send_all(
        self, source: Source, file: StateFile, state: UploadState, sending: Sending | PartSending
    ) -> tuple[Digest, tuple[ManifestFile, ...]]:
        log, blob, payload = ChunkLog(file), BlobDigest(), PayloadReader(source)
        held = sending.offset
        if held > len(state.encryption.prefix) + log.count_before * SEALED_CHUNK_BYTES:
            raise UploadOffsetError("The server claims to hold bytes that were never sent.")
        segment: list[bytes] = []
        position, sent = 0, held
        for piece in _encrypt(state, payload, source.length, log):
            blob.update(piece)
            segment.append(piece[max(0, held - position) :])
            position += len(piece)
            if position - sent >= self._segment_bytes:
                log.save()
                sending.send(b"".join(segment))
                segment, sent = [], position
        log.save()
        sending.send(b"".join(segment))
        return blob.finish(), payload.list_files()

    def _draft_link(
        self, secret: bytes, digest: Digest, files: tuple[ManifestFile, ...], padding: int, terms: LinkTerms
    ) -> LinkRequest:
        manifest = encrypt_manifest(Manifest(files, digest.length, digest.root, padding), secret)
        return LinkRequest(
            idempotency_key=make_idempotency_key(),
            manifest=manifest,
            seal=compute_seal(secret=secret, manifest_sha256=hashlib.sha256(manifest).digest()),
            terms=terms,
            expires_at=terms.get_expiry(self._now()),
            deletion_token=secrets.token_bytes(DELETION_TOKEN_BYTES),
        )

    def _make_link(
        self, secret: bytes, upload_path: str, request: LinkRequest, digest: Digest, *, size: int
    ) -> Uploaded:
        new = NewLink(
            digest=digest,
            manifest=request.manifest,
            seal=request.seal,
            price_msat=request.terms.price_msat,
            upload_id=upload_path.rstrip("/").rpartition("/")[2],
            expires_at=request.expires_at,
            transfers_max=request.terms.transfers_max,
            deletion_token=request.deletion_token,
        )
        info = self._api.create_link(new, idempotency_key=request.idempotency_key)
        check_new_link(info, new)
        link = Link(self._api.server.url, info.id, secret, hashlib.sha256(request.manifest).digest())
        return Uploaded(link, info, size, request.deletion_token)


def check_new_link(info: LinkInfo, new: NewLink) -> None:
    """Check that a link which was just made is the one that was asked for. Raises ProtocolError."""
    if (info.sha256, info.length, info.root) != (new.digest.sha256, new.digest.length, new.digest.root):
        raise ProtocolError("The server made a link to something else than what was uploaded.")
    if info.seal != new.seal or info.price_msat != new.price_msat:
        raise ProtocolError("The server made a link with another seal or price.")
    if info.expires_at != new.expires_at or info.transfers_max != new.transfers_max:
        raise ProtocolError(f"The server made the link {info.id} without its expiry or maximum of transfers.")


def _make_keys() -> tuple[bytes, Encryption]:
    secret = secrets.token_bytes(32)
    return secret, begin_for_x25519(get_recipient(secret))


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
