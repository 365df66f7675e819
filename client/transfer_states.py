"""The local memory of a transfer from a link that ends: with it, what began before the end goes on after it.

A link that expired or was used up meanwhile no longer answers what it offers. So its description and manifest lie
beside the part that was fetched, and the pass by which an anonymous reader goes on with a transfer that counts.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from client.config import write_private_file
from client.documents import dump_link_info, parse_link_info
from client.errors import ProtocolError
from client.links import Link
from client.offers import Offer, check_offer

SUFFIX = ".transfer"


@dataclass(frozen=True)
class TransferState:
    """What was offered when the transfer began, and its pass if it has one."""

    offer: Offer
    transfer_pass: str | None


class TransferFile:
    """The state of one link's transfer into one folder, on disk."""

    def __init__(self, folder: Path, link: Link) -> None:
        self._path = folder / f".cadastre-{link.id}{SUFFIX}"
        self._link = link

    def read(self) -> TransferState | None:
        """Return the stored state, checked as an offer of the server is, or None if there is none that is whole.

        Raises what `check_offer` raises.
        """
        if not self._path.is_file() or self._path.is_symlink():
            return None
        try:
            document = json.loads(self._path.read_text("utf-8"))
            manifest = base64.b64decode(document["manifest"], validate=True)
            info, transfer_pass = parse_link_info(document["info"]), document["pass"]
        except (OSError, ValueError, KeyError, TypeError, ProtocolError):
            return None
        return TransferState(check_offer(self._link, info, manifest), transfer_pass)

    def write(self, offer: Offer, transfer_pass: str | None) -> None:
        """Store a state."""
        document = {
            "info": dump_link_info(offer.info),
            "manifest": base64.b64encode(offer.manifest_sealed).decode("ascii"),
            "pass": transfer_pass,
        }
        write_private_file(self._path, json.dumps(document).encode())

    def remove(self) -> None:
        """Forget the transfer."""
        self._path.unlink(missing_ok=True)
