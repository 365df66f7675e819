"""The calls of `/api/v1/` that the command uses, one method each, with typed answers."""

import base64
import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from client.connections import Server, read_body, skip_body
from client.documents import (
    Balance,
    DepositAddress,
    LinkInfo,
    OwnLink,
    RecordInfo,
    find_text,
    get_member,
    parse_balance,
    parse_deposit_address,
    parse_link_info,
    parse_own_link,
    parse_record_info,
)
from client.errors import ProtocolError, ServerUnavailableError
from client.kept_links import encode_token
from client.manifest import MANIFEST_BYTES_MAX
from client.stores import follow_to_store
from client.terms import format_time
from registry.proof.documents import PROOF_BYTES_MAX
from storage.digest import Digest

TUS_VERSION = "1.0.0"
UPLOAD_MEDIA_TYPE = "application/offset+octet-stream"
CREATION_WITH_UPLOAD = "creation-with-upload"
LINKS_PER_PAGE = 200
OTS_BYTES_MAX = 1024 * 1024
RECEIPTS_BYTES_MAX = 100_000 * 4096


@dataclass(frozen=True)
class NewLink:
    """What a link is made from and on what terms: a finished upload, or another link (its id) to the same blob."""

    digest: Digest
    manifest: bytes
    seal: bytes
    price_msat: int
    upload_id: str | None = None
    link_id: str | None = None
    expires_at: datetime | None = None
    transfers_max: int | None = None
    deletion_token: bytes | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, object]:
        """Return the request's document. What is not asked for is left out, and the token's hash alone is sent."""
        token = self.deletion_token
        document: dict[str, object | None] = {
            "upload": self.upload_id,
            "link": self.link_id,
            "sha256": f"sha256:{self.digest.sha256.hex()}",
            "length": self.digest.length,
            "root": f"sha256:{self.digest.root.hex()}",
            "manifest": base64.b64encode(self.manifest).decode("ascii"),
            "seal": self.seal.hex(),
            "price": {"amount_msat": self.price_msat},
            "expires_at": self.expires_at and format_time(self.expires_at),
            "transfers_max": self.transfers_max,
            "deletion_token_sha256": token and hashlib.sha256(token).hexdigest(),
        }
        return {name: value for name, value in document.items() if value is not None}


class Api:
    """The interface of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def create_user(self, *, username: str, password: str, email: str | None) -> str:
        """Sign up and return the user's id."""
        document = {"username": username, "password": password} | ({"email": email} if email else {})
        answer = self.server.request_json("POST", "/api/v1/users", is_repeatable=False, document=document)
        return str(get_member(answer, "id", str))

    def create_token(self, *, username: str, password: str, name: str, scopes: Sequence[str]) -> str:
        """Return a new token, which the server never shows again."""
        document = {"username": username, "password": password, "name": name, "scopes": list(scopes)}
        answer = self.server.request_json("POST", "/api/v1/tokens", is_repeatable=False, document=document)
        return str(get_member(answer, "token", str))

    @property
    def upload_extensions(self) -> frozenset[str]:
        """The names of the extensions of tus that the server supports."""
        return self._upload_options[0]

    @property
    def upload_doors(self) -> frozenset[str]:
        """The names of the ways by which the server takes bytes."""
        return self._upload_options[1]

    @cached_property
    def _upload_options(self) -> tuple[frozenset[str], frozenset[str]]:
        """What the server says about uploads, asked for once."""
        with self.server.retry(lambda: self.server.request("OPTIONS", "/api/v1/uploads")) as response:
            skip_body(response)
            names = (response.headers.get(header, "") for header in ("Tus-Extension", "Cadastre-Upload-Doors"))
            extensions, doors = (frozenset(name.strip() for name in text.split(",")) for text in names)
            return extensions, doors

    def create_upload(self, *, length: int, data: bytes = b"", checksum: bytes | None = None) -> tuple[str, int]:
        """Begin an upload of so many bytes, once, and return its path on the server and the bytes that it holds.

        The first bytes may come with it, and their SHA-256, if the server supports CREATION_WITH_UPLOAD.
        """
        headers = {"Tus-Resumable": TUS_VERSION, "Upload-Length": str(length), "Content-Length": str(len(data))}
        if checksum is not None:
            headers |= {"Content-Type": UPLOAD_MEDIA_TYPE, "Upload-Checksum": _format_checksum(checksum)}
        with self.server.request("POST", "/api/v1/uploads", headers=headers, body=data or None) as response:
            skip_body(response)
            location = response.headers.get("Location", "").removeprefix(self.server.url)
            held = _read_offset(response) if data else 0
        if not location.startswith("/api/v1/uploads/"):
            raise ProtocolError("The server's answer has no Location on this server for the upload.")
        return location, held

    def get_upload_offset(self, path: str) -> int:
        """Return how many bytes of an upload the server holds."""
        headers = {"Tus-Resumable": TUS_VERSION}
        with self.server.retry(lambda: self.server.request("HEAD", path, headers=headers)) as response:
            skip_body(response)
            return _read_offset(response)

    def append_upload(self, path: str, *, offset: int, data: bytes, checksum: bytes) -> int:
        """Send bytes at exactly this offset, with their SHA-256, once; return the new offset."""
        headers = {
            "Tus-Resumable": TUS_VERSION,
            "Upload-Offset": str(offset),
            "Content-Type": UPLOAD_MEDIA_TYPE,
            "Upload-Checksum": _format_checksum(checksum),
        }
        with self.server.request("PATCH", path, body=data, headers=headers) as response:
            skip_body(response)
            return _read_offset(response)

    def delete_upload(self, path: str) -> None:
        """Remove an unfinished upload."""
        self.server.request("DELETE", path, headers={"Tus-Resumable": TUS_VERSION}).close()

    def create_link(self, new: NewLink, *, idempotency_key: str) -> LinkInfo:
        """Make a link; the same key and content give the same link however often it is called."""
        return parse_link_info(self._post("/api/v1/links", new.to_json(), idempotency_key))

    def list_links(self) -> Iterator[OwnLink]:
        """Yield the own links, the newest first, however many pages they are on."""
        query: dict[str, str] | None = {"limit": str(LINKS_PER_PAGE)}
        while query is not None:
            answer = self._get(f"/api/v1/links?{urlencode(query)}")
            yield from (parse_own_link(entry) for entry in get_member(answer, "results", list))
            query = _find_next(answer, query)

    def delete_link(self, link_id: str, *, deletion_token: bytes | None = None) -> None:
        """Delete a link, as its owner or by its deletion token; a second time changes nothing."""
        headers = {} if deletion_token is None else {"Cadastre-Deletion-Token": encode_token(deletion_token)}

        def delete() -> None:
            with self.server.request("DELETE", f"/api/v1/links/{link_id}", headers=headers) as response:
                skip_body(response)

        self.server.retry(delete)

    def get_link(self, link_id: str) -> LinkInfo:
        """Return what the server says about a link."""
        info = parse_link_info(self._get(f"/api/v1/links/{link_id}"))
        if info.id != link_id:
            raise ProtocolError("The server answered about another link.")
        return info

    def get_manifest(self, link_id: str) -> bytes:
        """Return a link's encrypted manifest."""
        return self._get_bytes(f"/api/v1/links/{link_id}/manifest", MANIFEST_BYTES_MAX)

    def open_content(
        self, link_id: str, *, offset: int, price_max_msat: int, transfer_pass: str | None = None
    ) -> requests.Response:
        """Ask for a link's ciphertext from an offset on; this is the call that charges.

        `transfer_pass` is the Cadastre-Pass of the answer that the transfer began with, where there was one.
        Raises PaymentRequiredError, or PriceAboveMaxError if the charge would be more than `price_max_msat`.
        """
        headers = {"Cadastre-Price-Max": str(price_max_msat), "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        if transfer_pass is not None:
            headers["Cadastre-Pass"] = transfer_pass
        path = f"/api/v1/links/{link_id}/content"
        answer = self.server.request("GET", path, headers=headers, may_redirect=True)
        return follow_to_store(self.server, answer, headers)

    def get_record(self, record_id: str) -> RecordInfo:
        """Return what the server says about a record."""
        info = parse_record_info(self._get(f"/api/v1/records/{record_id}"))
        if info.id != record_id:
            raise ProtocolError("The server answered about another record.")
        return info

    def get_proof(self, record_id: str) -> bytes:
        """Return a record's proof document; raises ProofNotReadyError before its anchor is mined."""
        return self._get_bytes(f"/api/v1/records/{record_id}/proof", PROOF_BYTES_MAX)

    def get_timestamp(self, record_id: str) -> bytes:
        """Return a record's OpenTimestamps proof; raises ProofNotReadyError before its anchor is mined."""
        return self._get_bytes(f"/api/v1/records/{record_id}/proof.ots", OTS_BYTES_MAX)

    def submit_digests(self, body: bytes, *, idempotency_key: str) -> bytes:
        """Register a body of digests, one JSON object a line, and return the receipts; the same key gives the same."""
        headers = {"Idempotency-Key": idempotency_key, "Content-Type": "application/x-ndjson"}
        return self.server.retry(
            lambda: read_body(
                self.server.request("POST", "/api/v1/records/bulk", body=body, headers=headers), RECEIPTS_BYTES_MAX
            )
        )

    def get_balance(self) -> Balance:
        """Return the own prepaid balance."""
        return parse_balance(self._get("/api/v1/balance"))

    def create_deposit_address(self, *, idempotency_key: str) -> DepositAddress:
        """Return an address whose deposits are credited to the own balance."""
        return parse_deposit_address(self._post("/api/v1/deposit-addresses", {}, idempotency_key))

    def _get(self, path: str) -> object:
        return self.server.request_json("GET", path, is_repeatable=True)

    def _get_bytes(self, path: str, bytes_max: int) -> bytes:
        return self.server.retry(lambda: read_body(self.server.request("GET", path), bytes_max))

    def _post(self, path: str, document: dict[str, object], idempotency_key: str) -> object:
        headers = {"Idempotency-Key": idempotency_key}
        return self.server.request_json("POST", path, is_repeatable=True, document=document, headers=headers)


def make_idempotency_key() -> str:
    """Return a fresh key for one write that may be sent several times."""
    return str(uuid.uuid4())


def _read_offset(response: requests.Response) -> int:
    text = response.headers.get("Upload-Offset", "")
    if not re.fullmatch("[0-9]{1,19}", text):
        raise ServerUnavailableError("The server's answer has no Upload-Offset.")
    return int(text)


def _format_checksum(sha256: bytes) -> str:
    return f"sha256 {base64.b64encode(sha256).decode('ascii')}"


def _find_next(answer: object, query: dict[str, str]) -> dict[str, str] | None:
    """Return the query of the next page. Only its cursor is taken: the token goes where it went before."""
    address = find_text(answer, "next")
    if address is None:
        return None
    cursor = parse_qs(urlsplit(address).query).get("cursor", [""])[0]
    if not cursor or cursor == query.get("cursor"):
        raise ProtocolError("The server's list has no next page where it says that there is one.")
    return {**query, "cursor": cursor}
