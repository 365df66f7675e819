"""How the server's double answers: each request that the command makes, and the faults on the way."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import uuid
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.client.double_states import RECORD, TOKEN, DoubleState

TUS = "1.0.0"


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests from the state of the double that it belongs to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def double(self) -> DoubleState:
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
    ("POST", "/api/v1/users", Handler.create_user),
    ("POST", "/api/v1/tokens", Handler.create_token),
    ("POST", "/api/v1/uploads", Handler.create_upload),
    ("HEAD", "/api/v1/uploads/([^/]+)", Handler.head_upload),
    ("PATCH", "/api/v1/uploads/([^/]+)", Handler.patch_upload),
    ("DELETE", "/api/v1/uploads/([^/]+)", Handler.delete_upload),
    ("OPTIONS", "/api/v1/uploads", Handler.describe_uploads),
    ("POST", "/api/v1/links", Handler.create_link),
    ("GET", "/api/v1/links", Handler.list_links),
    ("DELETE", "/api/v1/links/([^/]+)", Handler.delete_link),
    ("GET", "/api/v1/links/([^/]+)", Handler.get_link),
    ("GET", "/api/v1/links/([^/]+)/manifest", Handler.get_manifest),
    ("GET", "/api/v1/links/([^/]+)/content", Handler.get_content),
    ("GET", "/api/v1/balance", Handler.get_balance),
    ("POST", "/api/v1/deposit-addresses", Handler.create_address),
    ("POST", "/api/v1/records/bulk", Handler.submit_digests),
    ("GET", "/api/v1/records/([^/]+)", Handler.get_record),
    ("GET", r"/api/v1/records/([^/]+)/proof(\.ots)?", Handler.get_proof),
)
