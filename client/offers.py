"""What a link offers: its manifest, checked against the link and the server's word before anything is paid."""

import hashlib
from dataclasses import dataclass

from client.api import Api
from client.documents import LinkInfo
from client.errors import BlobMismatchError, ManifestMismatchError, SealMismatchError
from client.links import Link
from client.manifest import Manifest, decrypt_manifest
from client.seals import check_seal


@dataclass(frozen=True)
class Offer:
    """A link whose manifest was checked: what it holds and what a transfer of it costs."""

    link: Link
    info: LinkInfo
    manifest: Manifest
    manifest_sealed: bytes


def get_offer(api: Api, link: Link) -> Offer:
    """Fetch and check what a link names, before anything is paid. Raises what `check_offer` and the calls raise."""
    return check_offer(link, api.get_link(link.id), api.get_manifest(link.id))


def check_offer(link: Link, info: LinkInfo, sealed: bytes) -> Offer:
    """Check what a server, or a file, says that a link names.

    Raises ManifestMismatchError if the manifest is not the link's, BlobMismatchError if the server would
    deliver another blob than the manifest's, SealMismatchError if its record is sealed to something else.
    """
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
