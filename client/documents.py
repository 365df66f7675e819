"""The server's JSON answers as frozen dataclasses.

A server is not trusted to answer in the documented form: whatever departs from it raises ProtocolError, and
nothing of it reaches the caller.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from client.errors import ProtocolError
from client.terms import format_time, parse_time

_Value = TypeVar("_Value")

_DIGEST = re.compile("sha256:([0-9a-f]{64})")
_SEAL = re.compile("[0-9a-f]{64}")
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Payee:
    """Who is paid by a transfer: a fee in basis points off the top, or a share in millionths of the rest."""

    payee: str
    name: str
    fee_bp: int | None
    share_ppm: int | None


@dataclass(frozen=True)
class LinkInfo:
    """What the server says about a link to anybody. Digests are raw bytes, the price is in millisatoshi."""

    id: str
    length: int
    sha256: bytes
    root: bytes
    seal: bytes
    price_msat: int
    record_id: str | None
    payees: tuple[Payee, ...]
    expires_at: datetime | None = None
    transfers_max: int | None = None
    transfers_left: int | None = None


@dataclass(frozen=True)
class OwnLink:
    """What the server says about one of the own links; `state` is `open`, or why no transfer begins."""

    info: LinkInfo
    created_at: datetime
    state: str


@dataclass(frozen=True)
class RecordInfo:
    """What the server says about a record; `state` goes from REGISTERED to FINAL."""

    id: str
    sha256: bytes
    state: str


@dataclass(frozen=True)
class Balance:
    """A prepaid balance in millisatoshi; a frozen one cannot be spent."""

    balance_msat: int
    is_frozen: bool


@dataclass(frozen=True)
class DepositAddress:
    """An address to pay to, and after how many confirmations the deposit counts."""

    address: str
    confirmations: int


def parse_link_info(document: object) -> LinkInfo:
    """Read the answer for one link."""
    link_id, record = get_member(document, "id", str), find_text(document, "record")
    if not is_uuid(link_id) or not (record is None or is_uuid(record)):
        raise ProtocolError("The server's answer has a malformed id of the link or its record.")
    return LinkInfo(
        id=link_id,
        length=get_member(document, "length", int),
        sha256=_parse_digest(document, "sha256"),
        root=_parse_digest(document, "root"),
        seal=_parse_seal(document),
        price_msat=parse_amount(get_member(document, "price", dict)),
        record_id=record,
        payees=tuple(_parse_payee(entry) for entry in get_member(document, "payees", list)),
        expires_at=_find_time(document, "expires_at"),
        transfers_max=_find_count(document, "transfers_max"),
        transfers_left=_find_count(document, "transfers_left"),
    )


def dump_link_info(info: LinkInfo) -> dict[str, object]:
    """Return the document that `parse_link_info` reads, to keep an answer in a file."""
    return {
        "id": info.id,
        "length": info.length,
        "sha256": f"sha256:{info.sha256.hex()}",
        "root": f"sha256:{info.root.hex()}",
        "seal": info.seal.hex(),
        "price": {"amount_msat": info.price_msat},
        "record": info.record_id,
        "payees": [_dump_payee(payee) for payee in info.payees],
        "expires_at": info.expires_at and format_time(info.expires_at),
        "transfers_max": info.transfers_max,
        "transfers_left": info.transfers_left,
    }


def parse_own_link(document: object) -> OwnLink:
    """Read one entry of the list of the own links."""
    created_at = _find_time(document, "created_at")
    if created_at is None:
        raise ProtocolError("The server's answer has no well-formed 'created_at'.")
    return OwnLink(parse_link_info(document), created_at, get_member(document, "state", str))


def parse_record_info(document: object) -> RecordInfo:
    """Read the answer for one record."""
    return RecordInfo(
        id=get_member(document, "id", str),
        sha256=_parse_digest(document, "sha256"),
        state=get_member(document, "state", str),
    )


def parse_balance(document: object) -> Balance:
    """Read the answer for the own balance."""
    amount = get_member(get_member(document, "balance", dict), "amount_msat", int)
    return Balance(amount, get_member(document, "is_frozen", bool))


def parse_deposit_address(document: object) -> DepositAddress:
    """Read the answer for a new deposit address."""
    return DepositAddress(get_member(document, "address", str), get_member(document, "confirmations", int))


def parse_amount(document: object) -> int:
    """Read `{"amount_msat": n}` with n >= 0."""
    amount = get_member(document, "amount_msat", int)
    if amount < 0:
        raise ProtocolError("The server's answer has a negative amount.")
    return amount


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its canonical spelling."""
    return _UUID.fullmatch(text) is not None


def get_member(document: object, name: str, kind: type[_Value]) -> _Value:
    """Return a member of a JSON object if it has the right type; true is not an integer."""
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ProtocolError(f"The server's answer has no well-formed {name!r}.")
    return value


def find_text(document: object, name: str) -> str | None:
    """Return a text member of a JSON object, or None if it is null."""
    if isinstance(document, dict) and name in document and document[name] is None:
        return None
    return get_member(document, name, str)


def _find_time(document: object, name: str) -> datetime | None:
    """Return a time; a member that is missing is like null, for servers had none of these at first."""
    if not isinstance(document, dict) or document.get(name) is None:
        return None
    time = parse_time(get_member(document, name, str))
    if time is None:
        raise ProtocolError(f"The server's answer has a malformed {name!r}.")
    return time


def _find_count(document: object, name: str) -> int | None:
    if not isinstance(document, dict) or document.get(name) is None:
        return None
    count = get_member(document, name, int)
    if count < 0:
        raise ProtocolError(f"The server's answer has a malformed {name!r}.")
    return count


def _parse_digest(document: object, name: str) -> bytes:
    match = _DIGEST.fullmatch(get_member(document, name, str))
    if not match:
        raise ProtocolError(f"The server's answer has a malformed {name!r}.")
    return bytes.fromhex(match[1])


def _parse_seal(document: object) -> bytes:
    text = get_member(document, "seal", str)
    if not _SEAL.fullmatch(text):
        raise ProtocolError("The server's answer has a malformed 'seal'.")
    return bytes.fromhex(text)


def _parse_payee(document: object) -> Payee:
    fee_bp = share_ppm = None
    if isinstance(document, dict) and "fee_bp" in document:
        fee_bp = get_member(document, "fee_bp", int)
    else:
        share_ppm = get_member(document, "share_ppm", int)
    name = get_member(document, "name", str)
    return Payee(get_member(document, "payee", str), name, fee_bp, share_ppm)


def _dump_payee(payee: Payee) -> dict[str, object]:
    part = {"share_ppm": payee.share_ppm} if payee.fee_bp is None else {"fee_bp": payee.fee_bp}
    return {"payee": payee.payee, "name": payee.name, **part}
