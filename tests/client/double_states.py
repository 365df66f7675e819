"""What the server's double holds: its uploads and links, the faults that a test wants, and what it was told."""

import hashlib
import uuid
from threading import Lock
from typing import Any

TOKEN = "cad_bob"
RECORD = "018f0000-0000-7000-8000-00000000000a"


class DoubleState:
    """What a server's double holds; tests set its faults and read what it was told."""

    def __init__(self) -> None:
        self.uploads: dict[str, bytearray] = {}
        self.lengths: dict[str, int] = {}
        self.links: dict[str, dict[str, Any]] = {}
        self.manifests: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.answers: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.cut_upload_at: int | None = None
        self.cut_links = 0
        self.cut_content_at: int | None = None
        self.unavailable = 0
        self.balance_msat = 0
        self.transfers: list[int] = []
        self.proof: bytes | None = None
        self.ignores_range = False
        self.charges_again = False
        self.ignores_price_max = False
        self.problem_detail: str | None = None
        self.submissions: dict[str, tuple[bytes, bytes]] = {}
        self.cut_submissions = 0
        self.in_flight = 0
        self.submission_limit: int | None = None
        self.receipt_change: dict[str, object] = {}
        self.extensions = "creation,checksum,termination,expiration"
        self.cut_creations = 0
        self.refused_creations: set[int] = set()
        self.link_change: dict[str, object] = {}
        self.tokens: dict[str, str] = {}
        self.links_per_page = 2
        self.next_address: str | None = None
        self.passes: set[str] = set()
        self.uses_passes = False
        self.victim: int | None = None
        self.lock = Lock()
        self.connections = 0
        self.url = ""

    def add_link(
        self, blob: bytes, manifest: bytes, *, root: bytes, seal: bytes, price_msat: int = 0, **limits: object
    ) -> str:
        """Hold a link as if it had been uploaded, and return its id."""
        link_id = str(uuid.uuid4())
        self.blobs[link_id], self.manifests[link_id] = blob, manifest
        self.links[link_id] = {
            "id": link_id,
            "url": f"{self.url}/f/{link_id}",
            "length": len(blob),
            "sha256": f"sha256:{hashlib.sha256(blob).hexdigest()}",
            "root": f"sha256:{root.hex()}",
            "seal": seal.hex(),
            "price": {"amount_msat": price_msat},
            "record": RECORD,
            "payees": [{"payee": "platform", "name": "Cadastre", "fee_bp": 250},
                       {"payee": "uploader", "name": "bob", "share_ppm": 1_000_000}],
            "created_at": "2026-01-01T00:00:00Z",
            "state": "open",
            **limits,
        }  # fmt: skip
        return link_id
