"""Downloading: fetch the ciphertext with resume, check it, decrypt it, then name it; or decrypt it into a stream.

No file appears under its final name before every check has passed. An interruption leaves ciphertext in a
hidden `.part`, which the next attempt continues. A process that is killed while it decrypts also leaves plaintext
in a hidden `.new`, which the next attempt to fetch the link into the same folder removes before anything else.

A stream cannot be taken back. It gets a chunk only once that is authenticated, in its place; but whether all of them
come, and are what the manifest lists, shows only at the end.
"""

import errno
import fcntl
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from client.age.files import decrypt_by_x25519
from client.api import Api
from client.durability import sync_folder
from client.errors import (
    AgeError,
    BlobMismatchError,
    DownloadBusyError,
    FolderStreamError,
    HiddenNameError,
    OutputExistsError,
    PriceNotAcceptedError,
)
from client.fetching import Fetching
from client.manifest import Manifest
from client.offers import Offer
from client.paces import Pace
from client.plaintexts import cut_payload, write_plaintext
from client.progress import Progress
from client.transfer_states import TransferFile
from storage.digest import BlobDigest, Digest, digest_stream

_UNLINKABLE = {errno.EPERM, errno.ENOTSUP, errno.EMLINK}


@dataclass(frozen=True)
class Downloaded:
    """A finished transfer: where the plaintext is, and what was charged (None if nothing was fetched)."""

    path: Path
    charged_msat: int | None
    transfer_id: str | None


def download(
    api: Api,
    offer: Offer,
    output: Path,
    *,
    price_max_msat: int,
    progress: Progress,
    ciphertext_path: Path | None = None,
    pace: Pace | None = None,
) -> Downloaded:
    """Pay for, fetch, check and decrypt a link's content, and give it its name.

    `output` is a folder, or the name for a single file or a folder link. `price_max_msat` bounds the sum of what
    all requests of this call are charged. Raises PriceNotAcceptedError, HiddenNameError, OutputExistsError,
    DownloadBusyError, BlobMismatchError, PlaintextMismatchError, or what `Fetching.iterate` raises.
    """
    _check_price(offer, price_max_msat)
    target = get_target(output, offer.manifest)
    for path in (target, ciphertext_path):
        if path is not None and os.path.lexists(path):
            raise OutputExistsError(f"{path} exists and is not overwritten.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".cadastre-{offer.link.id}.part"
    with _hold(part):
        hidden = part.with_suffix(".new")
        _remove(hidden)
        state_file = TransferFile(part.parent, offer.link)
        fetching = Fetching(
            api,
            offer,
            price_max_msat=price_max_msat,
            pace=pace or Pace(None),
            transfer_pass=_remember(state_file, offer),
            keep_pass=partial(state_file.write, offer),
        )
        _fetch(part, offer, fetching, progress)
        _check_blob(part, offer)
        _decrypt_to(target, part, offer, hidden)
        state_file.remove()
        if ciphertext_path is None:
            part.unlink()
        else:
            shutil.move(part, ciphertext_path)
    return Downloaded(target, fetching.charged_msat, fetching.transfer_id)


def stream(
    api: Api,
    offer: Offer,
    write: Callable[[bytes], object],
    *,
    price_max_msat: int,
    progress: Progress,
    pace: Pace | None = None,
) -> Downloaded:
    """Pay for and fetch a single file, and write each chunk once it is authenticated.

    If this raises, what was written is to be thrown away. Raises FolderStreamError for a folder, and the errors of
    `download` that are not about files.
    """
    _check_price(offer, price_max_msat)
    if offer.manifest.is_folder:
        raise FolderStreamError
    fetching = Fetching(api, offer, price_max_msat=price_max_msat, pace=pace or Pace(None))
    raw = _RawPieces(fetching.iterate(0), progress)
    try:
        for _, piece in cut_payload(decrypt_by_x25519(io.BufferedReader(raw), offer.link.secret), offer.manifest):
            write(piece)
    except AgeError as error:
        raise BlobMismatchError(f"The blob does not decrypt: {error}") from error
    _compare_digest(raw.digest.finish(), offer)
    return Downloaded(Path("-"), fetching.charged_msat, fetching.transfer_id)


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


class _RawPieces(io.RawIOBase):
    """A stream of bytes that are fetched as they are read, and digested."""

    def __init__(self, pieces: Iterator[bytes], progress: Progress) -> None:
        super().__init__()
        self._pieces, self._progress = pieces, progress
        self._rest = memoryview(b"")
        self._taken_bytes = 0
        self.digest = BlobDigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]  # of any writable buffer
        if not self._rest:
            piece = next(self._pieces, b"")
            self.digest.update(piece)
            self._taken_bytes += len(piece)
            self._progress.move_to(self._taken_bytes)
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


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


def _check_price(offer: Offer, price_max_msat: int) -> None:
    if offer.info.price_msat > price_max_msat:
        raise PriceNotAcceptedError(
            f"The transfer costs {offer.info.price_msat} msat, more than {price_max_msat} msat."
        )


def _remember(file: TransferFile, offer: Offer) -> str | None:
    """Store the offer of a link that may end before the transfer does; return the pass that is known already."""
    state = file.read()
    transfer_pass = state.transfer_pass if state is not None else None
    if state is None and (offer.info.expires_at is not None or offer.info.transfers_max is not None):
        file.write(offer, transfer_pass)
    return transfer_pass


def _fetch(part: Path, offer: Offer, fetching: Fetching, progress: Progress) -> None:
    """Bring what the part file lacks."""
    with part.open("r+b") as stream:
        held = stream.seek(0, os.SEEK_END)
        if held > offer.info.length:
            held = stream.seek(0)
            stream.truncate()
        progress.move_to(held)
        for piece in fetching.iterate(held):
            stream.write(piece)
            held += len(piece)
            progress.move_to(held)


def _check_blob(part: Path, offer: Offer) -> None:
    """Compare the ciphertext with the manifest and the record's SHA-256; discard it if it differs."""
    with part.open("rb") as stream:
        digest = digest_stream(stream)
    try:
        _compare_digest(digest, offer)
    except BlobMismatchError:
        part.unlink()
        raise


def _compare_digest(digest: Digest, offer: Offer) -> None:
    if digest != Digest(sha256=offer.info.sha256, length=offer.manifest.length, root=offer.manifest.root):
        raise BlobMismatchError


def _decrypt_to(target: Path, part: Path, offer: Offer, hidden: Path) -> None:
    try:
        with part.open("rb") as stream:
            write_plaintext(decrypt_by_x25519(stream, offer.link.secret), offer.manifest, hidden)
        _name(hidden, target)
        sync_folder(target.parent)
    except AgeError as error:
        raise BlobMismatchError(f"The blob does not decrypt: {error}") from error
    finally:
        _remove(hidden)


def _name(hidden: Path, target: Path) -> None:
    """Give a file or folder its name. Raises OutputExistsError if something has it."""
    exists = OutputExistsError(f"{target} exists and is not overwritten.")
    if os.path.lexists(target):
        raise exists
    if not hidden.is_dir():
        try:
            # Unlike renaming, this fails if another process was faster.
            os.link(hidden, target)
        except FileExistsError:
            raise exists from None
        except OSError as error:
            if error.errno not in _UNLINKABLE:
                raise
        else:
            return
    hidden.rename(target)


def _remove(hidden: Path) -> None:
    """Remove a file or folder with all that is in it, if it is there, and follow no symbolic link."""
    if hidden.is_dir() and not hidden.is_symlink():
        shutil.rmtree(hidden)
    hidden.unlink(missing_ok=True)
