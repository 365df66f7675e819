"""The calls of `/api/v1/` that the command uses, one method each, with typed answers."""

import base64
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import requests

from client.connections import Server, read_body
from client.documents import (
    Balance,
    DepositAddress,
    LinkInfo,
    RecordInfo,
    get_member,
    parse_balance,
    parse_deposit_address,
    parse_link_info,
    parse_record_info,
)
from client.errors import ProtocolError, ServerUnavailableError
from client.manifest import MANIFEST_BYTES_MAX
from registry.proof.documents import PROOF_BYTES_MAX
from storage.digest import Digest

TUS_VERSION = "1.0.0"
OTS_BYTES_MAX = 1024 * 1024
RECEIPTS_BYTES_MAX = 100_000 * 4096


@dataclass(frozen=True)
class NewLink:
    """What a link is made from: a finished upload and its digest, encrypted manifest, seal and price."""

    upload_id: str
    digest: Digest
    manifest: bytes
    seal: bytes
    price_msat: int


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

    def create_upload(self, *, length: int) -> str:
        """Begin an upload of so many bytes and return its path on the server."""
        headers = {"Tus-Resumable": TUS_VERSION, "Upload-Length": str(length), "Content-Length": "0"}
        with self.server.request("POST", "/api/v1/uploads", headers=headers) as response:
            location = response.headers.get("Location", "").removeprefix(self.server.url)
        if not location.startswith("/api/v1/uploads/"):
            raise ProtocolError("The server's answer has no Location on this server for the upload.")
        return location

    def get_upload_offset(self, path: str) -> int:
        """Return how many bytes of an upload the server holds."""
        headers = {"Tus-Resumable": TUS_VERSION}
        with self.server.retry(lambda: self.server.request("HEAD", path, headers=headers)) as response:
            return _read_offset(response)

    def append_upload(self, path: str, *, offset: int, data: bytes, checksum: bytes) -> int:
        """Send bytes at exactly this offset, with their SHA-256, once; return the new offset."""
        headers = {
            "Tus-Resumable": TUS_VERSION,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Upload-Checksum": f"sha256 {base64.b64encode(checksum).decode('ascii')}",
        }
        with self.server.request("PATCH", path, body=data, headers=headers) as response:
            return _read_offset(response)

    def delete_upload(self, path: str) -> None:
        """Remove an unfinished upload."""
        self.server.request("DELETE", path, headers={"Tus-Resumable": TUS_VERSION}).close()

    def create_link(self, new: NewLink, *, idempotency_key: str) -> LinkInfo:
        """Make a link; the same key and content give the same link however often it is called."""
        document = {
            "upload": new.upload_id,
            "sha256": f"sha256:{new.digest.sha256.hex()}",
            "length": new.digest.length,
            "root": f"sha256:{new.digest.root.hex()}",
            "manifest": base64.b64encode(new.manifest).decode("ascii"),
            "seal": new.seal.hex(),
            "price": {"amount_msat": new.price_msat},
        }
        return parse_link_info(self._post("/api/v1/links", document, idempotency_key))

    def get_link(self, link_id: str) -> LinkInfo:
        """Return what the server says about a link."""
        info = parse_link_info(self._get(f"/api/v1/links/{link_id}"))
        if info.id != link_id:
            raise ProtocolError("The server answered about another link.")
        return info

    def get_manifest(self, link_id: str) -> bytes:
        """Return a link's encrypted manifest."""
        return self._get_bytes(f"/api/v1/links/{link_id}/manifest", MANIFEST_BYTES_MAX)

    def open_content(self, link_id: str, *, offset: int, price_max_msat: int) -> requests.Response:
        """Ask for a link's ciphertext from an offset on; this is the call that charges.

        Raises PaymentRequiredError, or PriceAboveMaxError if the charge would be more than `price_max_msat`.
        """
        headers = {"Cadastre-Price-Max": str(price_max_msat), "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        return self.server.request("GET", f"/api/v1/links/{link_id}/content", headers=headers)

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
