"""The static export of a register: which files it has, and register.json, which says what it is an export of.

docs/reference/format-export.md has the format.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from registry.proof.anchors import Registry
from registry.proof.commitments import OUTPOINT_BYTES
from registry.proof.fields import Fields
from registry.proof.jcs import parse_strict
from registry.proof.packed import RECORD_BYTES

FORMAT = "cadastre-export-v1"
REGISTER_NAME, ANCHORS_NAME, HEADERS_NAME, BATCHES_NAME = "register.json", "anchors.ndjson", "headers.bin", "batches"
REGISTER_BYTES_MAX = 64 * 1024
_LEAVES_NAME = re.compile(r"([0-9]{10})\.leaves", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExportHead:
    """What register.json says: the network's name, and the registry's identity."""

    network: str
    registry: Registry


def name_leaves_file(seq: int) -> str:
    """Return the name, below `batches`, of the file that has a batch's packed records."""
    return f"{seq:010}.leaves"


def find_seq(name: str) -> int | None:
    """Return the batch whose packed records a name is for, or None if it is no such name."""
    found = _LEAVES_NAME.fullmatch(name)
    return None if found is None else int(found[1])


def is_export(directory: Path) -> bool:
    """Say whether a folder looks like an export, whole or not."""
    return any((directory / name).exists() for name in (REGISTER_NAME, ANCHORS_NAME, BATCHES_NAME))


def write_export_head(head: ExportHead) -> bytes:
    """Return the bytes of register.json."""
    fields = {
        "format": FORMAT,
        "network": head.network,
        "genesis_block_hash": head.registry.genesis_block_hash.hex(),
        "first_outpoint": head.registry.first_outpoint.hex(),
        "record_bytes": RECORD_BYTES,
    }
    return (json.dumps(fields, indent=1) + "\n").encode()


def read_export_head(data: bytes) -> ExportHead:
    """Read register.json. Raises MalformedDocumentError if it is not one, or of another version."""
    fields = Fields(parse_strict(data), REGISTER_NAME)
    fields.take_constant("format", FORMAT)
    fields.take_constant("record_bytes", RECORD_BYTES)
    head = ExportHead(
        network=fields.take_text("network"),
        registry=Registry(
            genesis_block_hash=fields.take_hex("genesis_block_hash", 32),
            first_outpoint=fields.take_hex("first_outpoint", OUTPOINT_BYTES),
        ),
    )
    fields.finish()
    return head
