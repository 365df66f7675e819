"""The manifest: what is inside a blob, for whoever has its link.

It is canonical JSON (RFC 8785) in an age file of its own, to the same recipient as the blob. The link names
the SHA-256 of that file, so that nobody else who has the secret can put another manifest in its place.
"""

import io
import re
import unicodedata
from dataclasses import dataclass

from client.age.files import begin_for_x25519, decrypt_by_x25519, encrypt_bytes
from client.age.recipients import get_recipient
from client.errors import AgeError, ManifestError
from registry.proof.errors import MalformedProofError
from registry.proof.jcs import canonicalise, parse_strict

VERSION = 1

# The server's limit for the encrypted manifest; some thousands of names fit.
MANIFEST_BYTES_MAX = 1024 * 1024

NAME_BYTES_MAX = 1024
COMPONENT_BYTES_MAX = 255

# Controls, invisible format characters (which can reverse how a name reads), line and paragraph separators.
CATEGORIES_REFUSED = frozenset({"Cc", "Cf", "Zl", "Zp"})

# RFC 8785 numbers are doubles: above this, two sizes could read the same.
SIZE_MAX = 2**53 - 1

_HEX_DIGEST = re.compile("[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True)
class ManifestFile:
    """One file: its name (components joined by `/`), media type, plaintext size in bytes and SHA-256."""

    name: str
    media_type: str
    size: int
    sha256: bytes


@dataclass(frozen=True)
class Manifest:
    """Files in the payload's order, the ciphertext that holds them, and the zero bytes after the last."""

    files: tuple[ManifestFile, ...]
    length: int
    root: bytes
    padding: int

    @property
    def is_folder(self) -> bool:
        """Whether the files lie in one folder, rather than being a single file."""
        return "/" in self.files[0].name

    @property
    def top_name(self) -> str:
        """The name of the single file, or of the folder that all files lie in."""
        return self.files[0].name.partition("/")[0]


def serialize_manifest(manifest: Manifest) -> bytes:
    """Return the canonical JSON of a manifest.

    Raises ManifestError if a reader would refuse it.
    """
    check_names([entry.name for entry in manifest.files])
    document = {
        "blob": {"length": manifest.length, "root": manifest.root.hex()},
        "files": [
            {
                "media_type": entry.media_type,
                "name": entry.name,
                "sha256": entry.sha256.hex(),
                "size": entry.size,
            }
            for entry in manifest.files
        ],
        "padding": manifest.padding,
        "version": VERSION,
    }
    return canonicalise(document)


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest of canonical JSON.

    Raises ManifestError for any other spelling, unknown members, wrong types, or names that could leave the
    folder which they are written to.
    """
    document = _take_members(_parse_canonical(data), {"blob", "files", "padding", "version"})
    if document["version"] != VERSION or isinstance(document["version"], bool):
        raise ManifestError(f"The manifest has version {document['version']!r}; this program reads version {VERSION}.")
    blob = _take_members(document["blob"], {"length", "root"})
    files = document["files"]
    if not isinstance(files, list) or not files:
        raise ManifestError("The manifest lists no files.")
    entries = tuple(_parse_file(entry) for entry in files)
    check_names([entry.name for entry in entries])
    return Manifest(entries, _parse_size(blob["length"]), _parse_digest(blob["root"]), _parse_size(document["padding"]))


def encrypt_manifest(manifest: Manifest, secret: bytes) -> bytes:
    """Return the manifest as an age file to the blob's recipient.

    Raises ManifestError if that file is longer than MANIFEST_BYTES_MAX.
    """
    sealed = encrypt_bytes(begin_for_x25519(get_recipient(secret)), serialize_manifest(manifest))
    if len(sealed) > MANIFEST_BYTES_MAX:
        raise ManifestError(f"The manifest has {len(sealed)} bytes, more than {MANIFEST_BYTES_MAX}: too many files.")
    return sealed


def decrypt_manifest(sealed: bytes, secret: bytes) -> Manifest:
    """Return the manifest of an age file.

    Raises ManifestError if it is too long, does not decrypt or is malformed.
    """
    if len(sealed) > MANIFEST_BYTES_MAX:
        raise ManifestError(f"The manifest has {len(sealed)} bytes, more than {MANIFEST_BYTES_MAX}.")
    try:
        plaintext = b"".join(decrypt_by_x25519(io.BytesIO(sealed), secret))
    except AgeError as error:
        raise ManifestError(f"The manifest does not decrypt: {error}") from error
    return parse_manifest(plaintext)


def check_names(names: list[str]) -> None:
    """Check the names of a manifest's files together.

    One file has a plain name; several lie in one folder, which is the first component of each name. No name
    repeats, is a folder of another, or has a component that a file system reads as something else than a
    name.

    Raises ManifestError if a name breaks these rules.
    """
    for name in names:
        _check_name(name)
    tops = {name.partition("/")[0] for name in names}
    if len(tops) != 1 or (len(names) > 1 and not all("/" in name for name in names)):
        raise ManifestError("The files of the manifest do not lie in one folder.")
    folders = {name.rpartition("/")[0][:end] for name in names for end in _find_folder_ends(name)}
    if len(set(names)) != len(names) or folders & set(names):
        raise ManifestError("A name in the manifest is used twice.")


def _find_folder_ends(name: str) -> list[int]:
    return [place for place, letter in enumerate(name) if letter == "/"]


def _check_name(name: str) -> None:
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ManifestError(f"The name {name!a} is not valid Unicode.") from error
    if size > NAME_BYTES_MAX:
        raise ManifestError(f"A name in the manifest is longer than {NAME_BYTES_MAX} bytes.")
    for component in name.split("/"):
        if component in {"", ".", ".."} or len(component.encode("utf-8")) > COMPONENT_BYTES_MAX:
            raise ManifestError(f"The name {name!a} is not a path below a folder.")
        if any(letter == "\\" or unicodedata.category(letter) in CATEGORIES_REFUSED for letter in component):
            raise ManifestError(f"The name {name!a} has a backslash, or a character that is not seen.")


def _parse_canonical(data: bytes) -> object:
    try:
        document = parse_strict(data)
        is_canonical = canonicalise(document) == data
    except MalformedProofError as error:
        raise ManifestError("The manifest is not canonical JSON.") from error
    if not is_canonical:
        raise ManifestError("The manifest is not canonical JSON.")
    return document


def _take_members(value: object, names: set[str]) -> dict[str, object]:
    if not isinstance(value, dict) or set(value) != names:
        raise ManifestError(f"The manifest needs an object of exactly {', '.join(sorted(names))}.")
    return value


def _parse_file(value: object) -> ManifestFile:
    entry = _take_members(value, {"media_type", "name", "sha256", "size"})
    name, media_type = entry["name"], entry["media_type"]
    if not isinstance(name, str) or not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise ManifestError("A file of the manifest has a malformed name or media type.")
    return ManifestFile(name, media_type, _parse_size(entry["size"]), _parse_digest(entry["sha256"]))


def _parse_size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= SIZE_MAX:
        raise ManifestError("A size in the manifest is not a whole number of bytes.")
    return value


def _parse_digest(value: object) -> bytes:
    if not isinstance(value, str) or not _HEX_DIGEST.fullmatch(value):
        raise ManifestError("A digest in the manifest is not 64 lowercase hexadecimal digits.")
    return bytes.fromhex(value)
