"""Uploads in parts: the ciphertext goes to the store of the server's operator, and only its hashes to the server.

Parts are sent in order, one at a time, so that what the store holds is always a beginning of the ciphertext, as with
tus. At the end the server's worker reads everything and compares it with the digest; that is waited for.
"""

import hashlib
import re
from dataclasses import dataclass

from client.api import Api, make_idempotency_key
from client.documents import get_member
from client.errors import ProtocolError, ServerUnavailableError, UploadOffsetError
from client.paces import Pace
from client.progress import Progress
from client.stores import check_store_url
from storage.digest import Digest

DOOR = "multipart"
PATH = "/api/v1/multiparts"
PART_BYTES_MAX = 512 * 1024 * 1024
"""A part is held in memory: a server that wants larger ones is refused."""
POLL_FIRST_S, POLL_MAX_S = 1.0, 15.0

_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class MultipartInfo:
    """How an upload in parts stands. `state` goes from RECEIVING over CLOSED to VERIFIED or REFUSED."""

    path: str
    state: str
    length: int
    part_bytes: int
    fault: str | None


class PartSending:
    """Takes a ciphertext in order and sends it to the store in parts; `offset` is how much of it was taken."""

    def __init__(self, api: Api, info: MultipartInfo, *, pace: Pace, progress: Progress) -> None:
        self._api, self._info, self._pace, self._progress = api, info, pace, progress
        self._waiting = bytearray()
        self._is_closed = info.state != "RECEIVING"
        self.offset = info.length if self._is_closed else _count_held(api, info)
        progress.move_to(self.offset)

    def send(self, data: bytes) -> None:
        """Take bytes that start at the current offset, and send every part that is full."""
        self._waiting += data
        self.offset += len(data)
        while len(self._waiting) >= self._info.part_bytes:
            self._send_part(self._info.part_bytes)

    def finish(self, digest: Digest) -> None:
        """Send what is left, and wait until the server has verified the whole.

        Raises UploadOffsetError if the server found something else, and what `Server.request` raises.
        """
        if self._waiting:
            self._send_part(len(self._waiting))
        document = {
            "sha256": f"sha256:{digest.sha256.hex()}",
            "length": digest.length,
            "root": f"sha256:{digest.root.hex()}",
        }
        path = f"{self._info.path}/close"
        info = _parse_info(self._api.server.request_json("POST", path, is_repeatable=True, document=document))
        wait_s = POLL_FIRST_S
        while info.state == "CLOSED":
            self._api.server.sleep(wait_s)
            wait_s = min(POLL_MAX_S, wait_s * 2)
            info = get_multipart(self._api, self._info.path)
        if info.state != "VERIFIED":
            raise UploadOffsetError(f"The server refused the upload: {info.fault or info.state.lower()}.")

    def _send_part(self, length: int) -> None:
        number = (self.offset - len(self._waiting)) // self._info.part_bytes + 1
        data = bytes(self._waiting[:length])
        self._pace.wait(len(data))
        self._api.server.retry(lambda: self._try_part(number, data))
        del self._waiting[:length]
        self._progress.move_to(self.offset - len(self._waiting))

    def _try_part(self, number: int, data: bytes) -> None:
        """Send one part by a fresh address. Raises ServerUnavailableError if the store does not take it."""
        url, headers = self._sign(number, hashlib.sha256(data).digest())
        with self._api.server.request_store("PUT", url, headers=headers, body=data) as answer:
            if not answer.ok:
                raise ServerUnavailableError(f"The store answered {answer.status_code} to a part.")

    def _sign(self, number: int, sha256: bytes) -> tuple[str, dict[str, str]]:
        document = {"parts": [{"number": number, "sha256": f"sha256:{sha256.hex()}"}]}
        path = f"{self._info.path}/parts"
        answer = self._api.server.request_json("POST", path, is_repeatable=False, document=document)
        parts = get_member(answer, "parts", list)
        if len(parts) != 1 or get_member(parts[0], "number", int) != number:
            raise ProtocolError("The server signed other parts than it was asked for.")
        headers = get_member(parts[0], "headers", dict)
        # What else a header could do to a request is nobody's business; the length is the body's.
        wanted = {name: value for name, value in headers.items() if name.lower().startswith("x-amz-")}
        return check_store_url(get_member(parts[0], "url", str)), {str(name): str(wanted[name]) for name in wanted}


def create_multipart(api: Api, *, length: int) -> MultipartInfo:
    """Begin an upload in parts."""
    headers = {"Idempotency-Key": make_idempotency_key()}
    answer = api.server.request_json("POST", PATH, is_repeatable=True, document={"length": length}, headers=headers)
    return _parse_info(answer)


def get_multipart(api: Api, path: str) -> MultipartInfo:
    """Return how an upload in parts stands."""
    info = _parse_info(api.server.request_json("GET", path, is_repeatable=True))
    if info.path != path:
        raise ProtocolError("The server answered about another upload.")
    return info


def is_multipart(path: str) -> bool:
    """Whether an upload's path is that of one in parts."""
    return path.startswith(f"{PATH}/")


def _count_held(api: Api, info: MultipartInfo) -> int:
    """Return how many bytes the store holds without a gap from the start."""
    answer = api.server.request_json("GET", f"{info.path}/parts", is_repeatable=True)
    held = 0
    for entry in get_member(answer, "parts", list):
        number, length = get_member(entry, "number", int), get_member(entry, "length", int)
        expected = min(info.part_bytes, info.length - held)
        if number != held // info.part_bytes + 1 or length != expected:
            break
        held += length
        if held == info.length:
            break
    return held


def _parse_info(answer: object) -> MultipartInfo:
    identifier = get_member(answer, "id", str)
    if not _UUID.fullmatch(identifier):
        raise ProtocolError("The server's answer has a malformed id.")
    fault = answer.get("fault") if isinstance(answer, dict) else None
    info = MultipartInfo(
        path=f"{PATH}/{identifier}",
        state=get_member(answer, "state", str),
        length=get_member(answer, "length", int),
        part_bytes=get_member(answer, "part_bytes", int),
        fault=fault if isinstance(fault, str) else None,
    )
    if not 0 < info.part_bytes <= PART_BYTES_MAX:
        raise ProtocolError(f"The server wants parts of {info.part_bytes} bytes.")
    return info
