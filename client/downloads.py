"""Downloading: agree on the price, fetch the ciphertext with resume, check it, decrypt it, then name it.

Nothing appears under its final name before every check has passed. An interruption leaves ciphertext in a
hidden `.part`, which the next attempt continues. A process that is killed while it decrypts also leaves plaintext
in a hidden `.new`, which the next attempt to fetch the link into the same folder removes before anything else.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from client.age.files import decrypt_by_x25519
from client.api import Api
from client.documents import LinkInfo
from client.durability import sync_folder
from client.errors import (
    AgeError,
    BlobMismatchError,
    DownloadBusyError,
    HiddenNameError,
    ManifestMismatchError,
    OutputExistsError,
    PriceNotAcceptedError,
    ProtocolError,
    SealMismatchError,
    ServerUnavailableError,
)
from client.links import Link
from client.manifest import Manifest, decrypt_manifest
from client.plaintexts import write_plaintext
from client.progress import Progress
from client.seals import check_seal
from storage.digest import Digest, digest_stream

READ_BYTES = 256 * 1024


@dataclass(frozen=True)
class Offer:
    """A link whose manifest was checked: what it holds and what a transfer of it costs."""

    link: Link
    info: LinkInfo
    manifest: Manifest
    manifest_sealed: bytes


@dataclass(frozen=True)
class Downloaded:
    """A finished transfer: where the plaintext is, and what was charged (None if nothing was fetched)."""

    path: Path
    charged_msat: int | None
    transfer_id: str | None


def get_offer(api: Api, link: Link) -> Offer:
    """Fetch and check what a link names, before anything is paid.

    Raises ManifestMismatchError if the manifest is not the link's, BlobMismatchError if the server would
    deliver another blob than the manifest's, SealMismatchError if its record is sealed to something else.
    """
    info = api.get_link(link.id)
    sealed = api.get_manifest(link.id)
    if hashlib.sha256(sealed).digest() != link.manifest_sha256:
        raise ManifestMismatchError
    manifest = decrypt_manifest(sealed, link.secret)
    if (info.length, info.root) != (manifest.length, manifest.root):
        raise BlobMismatchError("The server offers another blob than the one in the link's manifest.")
    try:
        check_seal(info.seal, secret=link.secret, manifest_sha256=link.manifest_sha256)
    except SealMismatchError:
        raise SealMismatchError("The server's seal for this link is not of its content and manifest.") from None
    return Offer(link, info, manifest, sealed)


def download(
    api: Api,
    offer: Offer,
    output: Path,
    *,
    price_max_msat: int,
    progress: Progress,
    ciphertext_path: Path | None = None,
) -> Downloaded:
    """Pay for, fetch, check and decrypt a link's content, and give it its name.

    `output` is a folder, or the name for a single file or a folder link. `price_max_msat` bounds the sum of what
    all requests of this call are charged. Raises PriceNotAcceptedError, HiddenNameError, OutputExistsError,
    DownloadBusyError, BlobMismatchError, PlaintextMismatchError, or what `Api.open_content` raises.
    """
    if offer.info.price_msat > price_max_msat:
        raise PriceNotAcceptedError(
            f"The transfer costs {offer.info.price_msat} msat, more than {price_max_msat} msat."
        )
    target = get_target(output, offer.manifest)
    for path in (target, ciphertext_path):
        if path is not None and os.path.lexists(path):
            raise OutputExistsError(f"{path} exists and is not overwritten.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".cadastre-{offer.link.id}.part"
    with _hold(part):
        hidden = part.with_suffix(".new")
        _remove(hidden)
        fetching = _Fetching(api, offer, part, price_max_msat=price_max_msat, progress=progress)
        fetching.run()
        _check_blob(part, offer)
        _decrypt_to(target, part, offer, hidden)
        if ciphertext_path is None:
            part.unlink()
        else:
            shutil.move(part, ciphertext_path)
    return Downloaded(target, fetching.charged_msat, fetching.transfer_id)


def get_target(output: Path, manifest: Manifest) -> Path:
    """Return the final path: `output` itself, or the manifest's name in it if it is a folder.

    Raises HiddenNameError if the manifest's name is to be used and begins with a dot: nobody looks for such a file,
    and some of them are obeyed (`.bashrc`, `.ssh`).
    """
    if not output.is_dir():
        return output
    if manifest.top_name.startswith("."):
        raise HiddenNameError(f"The link's own name is {manifest.top_name!a}, which is hidden: choose one with -o.")
    return output / manifest.top_name


@contextmanager
def _hold(part: Path) -> Iterator[None]:
    """Make the part file if it is missing, and keep every other process from it; an empty one does not stay.

    Raises DownloadBusyError if another process has it.
    """
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadBusyError from error
        if not _is_at(part, stream):
            # Its owner finished between our opening it and our locking it.
            raise DownloadBusyError
        try:
            yield
        finally:
            if _is_at(part, stream) and not part.stat().st_size:
                part.unlink()


def _is_at(path: Path, stream: BinaryIO) -> bool:
    return path.exists() and os.path.samestat(path.lstat(), os.fstat(stream.fileno()))


class _Fetching:
    """Brings a blob's ciphertext into a part file, in as many requests as it takes."""

    def __init__(self, api: Api, offer: Offer, part: Path, *, price_max_msat: int, progress: Progress) -> None:
        self._api, self._offer, self._part = api, offer, part
        self._price_max_msat, self._progress = price_max_msat, progress
        self.charged_msat: int | None = None
        self.transfer_id: str | None = None

    def run(self) -> None:
        """Fetch what is missing; give up after `attempts_max` failures in a row without a byte in between."""
        failures = 0
        while (held := self._measure()) < self._offer.info.length:
            try:
                self._fetch_rest(held)
            except ServerUnavailableError as error:
                failures = 1 if self._measure() > held else failures + 1
                if failures >= self._api.server.attempts_max:
                    raise
                self._api.server.wait_after_failure(failures - 1, error)

    def _measure(self) -> int:
        size = self._part.stat().st_size
        if size > self._offer.info.length:
            os.truncate(self._part, 0)
            return 0
        return size

    def _fetch_rest(self, held: int) -> None:
        left_msat = self._price_max_msat - (self.charged_msat or 0)
        response = self._api.open_content(self._offer.link.id, offset=held, price_max_msat=left_msat)
        with closing(response):
            self._note_charge(response)
            start = _find_start(response, held, self._offer.info.length)
            with self._part.open("r+b") as stream:
                stream.truncate(start)
                stream.seek(start)
                self._copy(response, stream, start)

    def _copy(self, response: requests.Response, stream: BinaryIO, position: int) -> None:
        try:
            # `iter_content` would drop what arrived before the connection broke, up to the size of a piece.
            while piece := response.raw.read1(READ_BYTES):
                position += len(piece)
                if position > self._offer.info.length:
                    raise BlobMismatchError("The server sends more bytes than the blob has.")
                stream.write(piece)
                self._progress.move_to(position)
        except urllib3.exceptions.HTTPError as error:
            raise ServerUnavailableError(f"The connection broke ({type(error).__name__}).") from error
        if position < self._offer.info.length:
            raise ServerUnavailableError("The server closed the connection early.")

    def _note_charge(self, response: requests.Response) -> None:
        """Add what this answer cost; raises PriceNotAcceptedError if all of them cost more than was agreed to."""
        self.transfer_id = self.transfer_id or response.headers.get("Cadastre-Transfer")
        charged = response.headers.get("Cadastre-Charged-Msat")
        if charged is None:
            return
        if not re.fullmatch("[0-9]{1,19}", charged):
            raise ProtocolError("The server's answer has a malformed charge.")
        self.charged_msat = (self.charged_msat or 0) + int(charged)
        if self.charged_msat > self._price_max_msat:
            raise PriceNotAcceptedError(
                f"The server charged {self.charged_msat} msat, more than the {self._price_max_msat} msat agreed to."
            )


def _find_start(response: requests.Response, held: int, length: int) -> int:
    """Return where the answer's bytes belong: at `held`, or at 0 if the server sends everything again."""
    if response.status_code == 200:  # noqa: PLR2004 - RFC 9110: the whole content
        return 0
    ranges = re.fullmatch(
        r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", response.headers.get("Content-Range", ""), re.ASCII
    )
    if response.status_code != 206 or not ranges or not held:  # noqa: PLR2004 - RFC 9110: partial content
        raise ProtocolError("The server's answer to a request for a range is malformed.")
    if tuple(map(int, ranges.groups())) != (held, length - 1, length):
        raise ProtocolError("The server sends another range than the one asked for.")
    return held


def _check_blob(part: Path, offer: Offer) -> None:
    """Compare the ciphertext with the manifest and the record's SHA-256; discard it if it differs."""
    with part.open("rb") as stream:
        digest = digest_stream(stream)
    if digest != Digest(sha256=offer.info.sha256, length=offer.manifest.length, root=offer.manifest.root):
        part.unlink()
        raise BlobMismatchError


def _decrypt_to(target: Path, part: Path, offer: Offer, hidden: Path) -> None:
    try:
        with part.open("rb") as stream:
            write_plaintext(decrypt_by_x25519(stream, offer.link.secret), offer.manifest, hidden)
        if os.path.lexists(target):
            raise OutputExistsError(f"{target} exists and is not overwritten.")
        hidden.rename(target)
        sync_folder(target.parent)
    except AgeError as error:
        raise BlobMismatchError(f"The blob does not decrypt: {error}") from error
    finally:
        _remove(hidden)


def _remove(hidden: Path) -> None:
    """Remove a file or folder with all that is in it, if it is there, and follow no symbolic link."""
    if hidden.is_dir() and not hidden.is_symlink():
        shutil.rmtree(hidden)
    hidden.unlink(missing_ok=True)
