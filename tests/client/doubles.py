"""A small server on a real socket that speaks the part of the interface which the command uses.

It shares no code with the product. It can cut connections, lie and forget, which a correct server would not do.
"""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TUS = "1.0.0"
QUIET_LOOKS = 5
TOKEN = "cad_bob"
RECORD = "018f0000-0000-7000-8000-00000000000a"


class Double:
    """The server's state; tests set its faults and read what it was told."""

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

    def start(self) -> None:
        """Serve on a free loopback port."""
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.http.daemon_threads = True
        self.http.double = self  # type: ignore[attr-defined]  # the standard library's way to reach a handler
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self.http.shutdown()
        self._thread.join()
        self.http.server_close()

    def wait_until_quiet(self) -> None:
        """Return when no connection is served: what a killed client had sent before is answered by then."""
        quiet = 0
        while quiet < QUIET_LOOKS:
            time.sleep(0.01)
            quiet = 0 if self.connections else quiet + 1

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def double(self) -> Double:
        return self.server.double  # type: ignore[attr-defined, no-any-return]  # set in Double.start

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Keep the tests' output clean."""

    def handle(self) -> None:
        with self.double.lock:
            self.double.connections += 1
        try:
            super().handle()
        except (ConnectionError, ValueError):
            self.close_connection = True
        finally:
            with self.double.lock:
                self.double.connections -= 1

    def do_GET(self) -> None:
        self._dispatch("GET")

    def do_HEAD(self) -> None:
        self._dispatch("HEAD")

    def do_POST(self) -> None:
        self._dispatch("POST")

    def do_PATCH(self) -> None:
        self._dispatch("PATCH")

    def do_OPTIONS(self) -> None:
        self._dispatch("OPTIONS")

    def do_DELETE(self) -> None:
        self._dispatch("DELETE")

    def _dispatch(self, method: str) -> None:
        self.double.seen.append(f"{method} {self.path} {dict(self.headers)}")
        if self.double.unavailable:
            self.double.unavailable -= 1
            self._read_body()
            return self._problem(503, "unavailable")
        path = urlsplit(self.path).path
        for verb, pattern, action in ROUTES:
            match = re.fullmatch(pattern, path)
            if verb == method and match:
                return action(self, *match.groups())
        self._read_body()
        return self._problem(404, "not-found")

    def _read_body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.double.bodies.append(body)
        return body

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, status: int, document: object) -> None:
        self._answer(status, json.dumps(document).encode(), Content_Type="application/json")

    def _problem(self, status: int, code: str, **headers: str) -> None:
        document = {
            "type": f"/problems/{code}",
            "title": code,
            "status": status,
            "detail": self.double.problem_detail or f"It is {code}.",
            "code": code,
        }
        self._answer(status, json.dumps(document).encode(), Content_Type="application/problem+json", **headers)

    def _cut(self) -> None:
        """Break the connection off; if the test named a victim, it is killed at this byte."""
        if self.double.victim is not None:
            os.kill(self.double.victim, signal.SIGKILL)
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def create_user(self) -> None:
        document = json.loads(self._read_body())
        self._json(201, {"id": str(uuid.uuid4()), "username": document["username"]})

    def create_token(self) -> None:
        document = json.loads(self._read_body())
        if document["password"] != "correct horse":
            return self._problem(401, "bad-credentials")
        return self._json(201, {"id": "1", "token": TOKEN, "scopes": document["scopes"], "expires_at": None})

    def describe_uploads(self) -> None:
        self._answer(204, Tus_Extension=self.double.extensions, Tus_Version=TUS)

    def create_upload(self) -> None:
        if self.double.cut_creations and int(self.headers["Content-Length"]):
            self.double.cut_creations -= 1
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
            return self._cut()
        body = self._read_body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._problem(401, "not-authenticated")
        length = int(self.headers["Upload-Length"])
        if length in self.double.refused_creations:
            return self._problem(413, "upload-too-large")
        assert not body or "creation-with-upload" in self.double.extensions
        if body and not self._is_intact(body):
            return self._problem(460, "checksum-mismatch")
        name = str(uuid.uuid4())
        self.double.uploads[name], self.double.lengths[name] = bytearray(body), length
        offset = {"Upload_Offset": str(len(body))} if body else {}
        return self._answer(201, b"", Location=f"/api/v1/uploads/{name}", Tus_Resumable=TUS, **offset)

    def _is_intact(self, body: bytes) -> bool:
        algorithm, _, checksum = self.headers["Upload-Checksum"].partition(" ")
        return algorithm == "sha256" and base64.b64decode(checksum) == hashlib.sha256(body).digest()

    def head_upload(self, name: str) -> None:
        if name not in self.double.uploads:
            return self._problem(410, "upload-gone")
        return self._answer(200, Upload_Offset=str(len(self.double.uploads[name])), Tus_Resumable=TUS)

    def patch_upload(self, name: str) -> None:
        """Take bytes as they come, so that a cut connection leaves exactly the bytes before the cut."""
        data = self.double.uploads[name]
        left = int(self.headers["Content-Length"])
        if int(self.headers["Upload-Offset"]) != len(data):
            self._read_body()
            return self._problem(409, "wrong-offset", Upload_Offset=str(len(data)))
        cut_at = self.double.cut_upload_at
        if cut_at is not None and cut_at < len(data) + left:
            taken = self.rfile.read(max(0, cut_at - len(data)))
            data += taken
            return self._cut()
        body = self.rfile.read(left)
        if not self._is_intact(body):
            return self._problem(460, "checksum-mismatch")
        data += body
        return self._answer(204, Upload_Offset=str(len(data)), Tus_Resumable=TUS)

    def submit_digests(self) -> None:
        """Register digests once under a key; the answer may be cut, forged or refused as the test says."""
        body, key = self._read_body(), self.headers["Idempotency-Key"]
        if self.double.in_flight:
            self.double.in_flight -= 1
            return self._problem(409, "idempotency-key-in-flight", Retry_After="1")
        if self.double.submission_limit is not None and len(self.double.submissions) >= self.double.submission_limit:
            return self._problem(429, "submission-limit", Retry_After="86400")
        if key not in self.double.submissions:
            digests = [json.loads(line)["sha256"] for line in body.splitlines()]
            receipts = [self._make_receipt(number, digest) for number, digest in enumerate(digests, 1)]
            self.double.submissions[key] = body, b"".join(json.dumps(line).encode() + b"\n" for line in receipts)
        stored, answer = self.double.submissions[key]
        if stored != body:
            return self._problem(422, "idempotency-key-reused")
        if self.double.cut_submissions:
            self.double.cut_submissions -= 1
            self.send_response(201)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2])
            return self._cut()
        return self._answer(201, answer, Content_Type="application/x-ndjson")

    def _make_receipt(self, line: int, digest: str) -> dict[str, object]:
        salt, details = uuid.uuid4().bytes * 2, {"registrar": "double", "uploader": "00"}
        plain = json.dumps(details, sort_keys=True, separators=(",", ":")).encode()
        preimage = b"cadastre/leaf/v1\0\0" + bytes.fromhex(digest) + bytes(8 + 32 + 32)
        leaf = hashlib.sha256(preimage + hashlib.sha256(salt + plain).digest()).hexdigest()
        receipt = {"line": line, "record": str(uuid.uuid4()), "sha256": f"sha256:{digest}", "leaf": leaf}
        return receipt | {"details_salt": salt.hex(), "details": details} | self.double.receipt_change

    def delete_upload(self, name: str) -> None:
        self.double.uploads.pop(name, None)
        self._answer(204)

    def create_link(self) -> None:
        body = self._read_body()
        key = self.headers["Idempotency-Key"]
        if key not in self.double.answers:
            document = json.loads(body)
            if "link" in document:
                blob = self.double.blobs[document["link"]]
            else:
                blob = bytes(self.double.uploads[document["upload"]])
            limits = {name: document.get(name) for name in ("expires_at", "transfers_max")}
            limits["transfers_left"] = limits["transfers_max"]
            link_id = self.double.add_link(
                blob,
                base64.b64decode(document["manifest"]),
                root=bytes.fromhex(document["root"].removeprefix("sha256:")),
                seal=bytes.fromhex(document["seal"]),
                price_msat=document["price"]["amount_msat"],
                **(limits | self.double.link_change),
            )
            self.double.tokens[link_id] = document["deletion_token_sha256"]
            self.double.answers[key] = body, dict(self.double.links[link_id])
        if self.double.cut_links:
            self.double.cut_links -= 1
            return self._cut()
        if self.double.answers[key][0] != body:
            return self._problem(422, "idempotency-key-reused")
        return self._json(201, self.double.answers[key][1])

    def list_links(self) -> None:
        """Give the links by pages; the cursor is a number here, and may be any text."""
        start = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        links = list(reversed(self.double.links.values()))
        page, rest = links[start:][: self.double.links_per_page], links[start + self.double.links_per_page :]
        address = f"http://elsewhere.invalid/api/v1/links?cursor={start + self.double.links_per_page}"
        following = (self.double.next_address or address) if rest else None
        self._json(200, {"next": following, "previous": None, "results": page})

    def delete_link(self, link_id: str) -> None:
        self._read_body()
        given = self.headers.get("Cadastre-Deletion-Token")
        if given is None and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._problem(401, "not-authenticated")
        if given is not None:
            token = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
            if hashlib.sha256(token).hexdigest() != self.double.tokens[link_id]:
                return self._problem(403, "deletion-token-refused")
        self.double.links.pop(link_id, None)
        return self._answer(204)

    def get_link(self, link_id: str) -> None:
        if link_id not in self.double.links:
            return self._problem(410, "link-deleted")
        if self.double.links[link_id].get("transfers_left") == 0:
            return self._problem(410, "link-used-up")
        return self._json(200, self.double.links[link_id])

    def get_manifest(self, link_id: str) -> None:
        self._answer(200, self.double.manifests[link_id], Content_Type="application/octet-stream")

    def get_content(self, link_id: str) -> None:
        price = self.double.links[link_id]["price"]["amount_msat"]
        if self.double.uses_passes:
            return self._send_counted(link_id)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" or self.double.balance_msat < price:
            return self._problem(402, "payment-required")
        charged = 0 if self.double.transfers and not self.double.charges_again else price
        if charged > int(self.headers["Cadastre-Price-Max"]) and not self.double.ignores_price_max:
            return self._problem(409, "price-above-max")
        self.double.balance_msat -= charged
        self.double.transfers.append(charged)
        return self._send_content(self.double.blobs[link_id], charged)

    def _send_counted(self, link_id: str) -> None:
        """Count a transfer of an anonymous reader who shows no pass, and go on for one who does."""
        info, shown = self.double.links[link_id], self.headers.get("Cadastre-Pass")
        if shown not in self.double.passes:
            if not info["transfers_left"]:
                return self._problem(410, "link-used-up")
            info["transfers_left"] -= 1
            shown = base64.urlsafe_b64encode(uuid.uuid4().bytes * 2).decode().rstrip("=")
            self.double.passes.add(shown)
        return self._send_content(self.double.blobs[link_id], 0, {"Cadastre-Pass": shown})

    def _send_content(self, blob: bytes, charged: int, headers: dict[str, str] | None = None) -> None:
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(requested[1]) if requested and not self.double.ignores_range else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(blob) - 1}/{len(blob)}")
        self.send_header("Content-Length", str(len(blob) - start))
        self.send_header("Cadastre-Charged-Msat", str(charged))
        self.send_header("Cadastre-Transfer", RECORD)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        cut_at, self.double.cut_content_at = self.double.cut_content_at, None
        self.wfile.write(blob[start:cut_at])
        if cut_at is not None:
            self._cut()

    def get_balance(self) -> None:
        self._json(200, {"balance": {"amount_msat": self.double.balance_msat}, "is_frozen": False})

    def create_address(self) -> None:
        self._read_body()
        assert self.headers["Idempotency-Key"]
        self._json(201, {"address": "bcrt1qalice", "confirmations": 6})

    def get_record(self, record_id: str) -> None:
        proof = json.loads(self.double.proof or b"{}")
        sha256 = proof["record"]["sha256"]
        self._json(200, {"id": record_id, "sha256": f"sha256:{sha256}", "state": "FINAL"})

    def get_proof(self, _record_id: str, suffix: str) -> None:
        if self.double.proof is None:
            return self._problem(409, "proof-not-ready")
        return self._answer(200, b"ots" if suffix else self.double.proof)


ROUTES = (
    ("POST", "/api/v1/users", _Handler.create_user),
    ("POST", "/api/v1/tokens", _Handler.create_token),
    ("POST", "/api/v1/uploads", _Handler.create_upload),
    ("HEAD", "/api/v1/uploads/([^/]+)", _Handler.head_upload),
    ("PATCH", "/api/v1/uploads/([^/]+)", _Handler.patch_upload),
    ("DELETE", "/api/v1/uploads/([^/]+)", _Handler.delete_upload),
    ("OPTIONS", "/api/v1/uploads", _Handler.describe_uploads),
    ("POST", "/api/v1/links", _Handler.create_link),
    ("GET", "/api/v1/links", _Handler.list_links),
    ("DELETE", "/api/v1/links/([^/]+)", _Handler.delete_link),
    ("GET", "/api/v1/links/([^/]+)", _Handler.get_link),
    ("GET", "/api/v1/links/([^/]+)/manifest", _Handler.get_manifest),
    ("GET", "/api/v1/links/([^/]+)/content", _Handler.get_content),
    ("GET", "/api/v1/balance", _Handler.get_balance),
    ("POST", "/api/v1/deposit-addresses", _Handler.create_address),
    ("POST", "/api/v1/records/bulk", _Handler.submit_digests),
    ("GET", "/api/v1/records/([^/]+)", _Handler.get_record),
    ("GET", r"/api/v1/records/([^/]+)/proof(\.ots)?", _Handler.get_proof),
)
