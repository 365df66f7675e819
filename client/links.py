"""Links: `https://host/f/<id>#1.<base64url>`, the only place where the key of a blob travels.

The part after `#` is never sent to a server; everything that talks to one uses `Link.server_url` and
`Link.id`.
"""

import base64
import binascii
import io
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from client.age.files import begin_by_password, encrypt_bytes, open_by_password
from client.age.header import VERSION_LINE
from client.age.payload import decrypt_chunks
from client.errors import AgeError, AgeKeyError, LinkError, PasswordError, PasswordRequiredError

VERSION_PREFIX = "1."
SECRET_BYTES = 32
DIGEST_BYTES = 32
OPEN_BYTES = SECRET_BYTES + DIGEST_BYTES

# 128 MiB and a fraction of a second for each guess: bearable on a phone, dear on a graphics card.
PASSWORD_WORK_FACTOR_LOG2 = 17

# A link is typed, mailed and shown as a QR code; the password form has 366 characters after the prefix.
FRAGMENT_CHARACTERS_MAX = 1024

_PATH = re.compile("/f/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Link:
    """An open link: where the blob is, its X25519 secret, and the SHA-256 of its encrypted manifest."""

    server_url: str
    id: str
    secret: bytes = field(repr=False)
    manifest_sha256: bytes

    @property
    def public_url(self) -> str:
        """The link without its fragment."""
        return f"{self.server_url}/f/{self.id}"


@dataclass(frozen=True)
class LockedLink:
    """A link as it was read: its fragment may need a password."""

    server_url: str
    id: str
    fragment: bytes = field(repr=False)

    @property
    def is_locked(self) -> bool:
        """Whether opening it takes a password."""
        return len(self.fragment) != OPEN_BYTES


def format_link(link: Link, *, password: str | None = None, work_factor_log2: int = PASSWORD_WORK_FACTOR_LOG2) -> str:
    """Return the link as text; a password turns the fragment into an age scrypt file of the same bytes."""
    content = link.secret + link.manifest_sha256
    if password is not None:
        if not password:
            raise PasswordError("A link cannot have an empty password.")
        content = encrypt_bytes(begin_by_password(password, work_factor_log2=work_factor_log2), content)
    return f"{link.public_url}#{VERSION_PREFIX}{base64.urlsafe_b64encode(content).decode('ascii').rstrip('=')}"


def parse_link(text: str) -> LockedLink:
    """Read a link strictly.

    Raises LinkError if it has another scheme, path, query, user or spelling of the fragment.
    """
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise LinkError from error
    path = _PATH.fullmatch(parts.path)
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(parts.netloc) or not path or "?" in text:
        raise LinkError
    if not parts.fragment:
        raise LinkError("The link has no fragment: without the part after `#` there is no key.")
    return LockedLink(f"{parts.scheme}://{parts.netloc.lower()}", path[1], _parse_fragment(parts.fragment))


def parse_public_url(text: str) -> tuple[str, str]:
    """Return the server's URL and the link's id of a link with or without its fragment.

    Raises LinkError if it is not a link.
    """
    bare = text.partition("#")[0]
    dummy = f"{bare}#{VERSION_PREFIX}{'A' * 86}"
    locked = parse_link(dummy)
    return locked.server_url, locked.id


def open_link(locked: LockedLink, *, password: str | None = None) -> Link:
    """Return the link's secret and digest, by its password if it has one.

    Raises PasswordRequiredError, PasswordError or LinkError.
    """
    content = locked.fragment
    if locked.is_locked:
        if password is None:
            raise PasswordRequiredError
        content = _decrypt_fragment(content, password)
    return Link(locked.server_url, locked.id, content[:SECRET_BYTES], content[SECRET_BYTES:])


def _parse_fragment(fragment: str) -> bytes:
    encoded = fragment.removeprefix(VERSION_PREFIX)
    if encoded == fragment or len(fragment) > FRAGMENT_CHARACTERS_MAX:
        raise LinkError("The fragment of the link is not of version 1.")
    if not re.fullmatch("[A-Za-z0-9_-]+", encoded):
        raise LinkError("The fragment of the link is not base64url without padding.")
    try:
        content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error as error:
        raise LinkError("The fragment of the link is not base64url without padding.") from error
    if base64.urlsafe_b64encode(content).decode("ascii").rstrip("=") != encoded:
        raise LinkError("The fragment of the link is not canonical base64url.")
    if len(content) != OPEN_BYTES and not content.startswith(VERSION_LINE):
        raise LinkError("The fragment of the link is cut off, or not a key.")
    return content


def _decrypt_fragment(fragment: bytes, password: str) -> bytes:
    stream = io.BytesIO(fragment)
    try:
        content = b"".join(decrypt_chunks(open_by_password(stream, password), stream))
    except AgeKeyError as error:
        raise PasswordError from error
    except AgeError as error:
        raise LinkError(f"The fragment of the link is malformed: {error}") from error
    if len(content) != OPEN_BYTES:
        raise LinkError("The password opens the link, but there is no key in it.")
    return content
