"""The vectors under fixtures/vectors/, for the tests of the verifier."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from registry.proof.anchors import Registry, parse_outpoint, read_registry
from registry.proof.claims import Claims, describe_document, describe_timestamp
from registry.proof.documents import read_document
from registry.proof.headers import parse_header
from registry.proof.sources import GivenHeaders
from registry.proof.timestamps import read_timestamp
from registry.proof.verify import verify_canonical, verify_document, verify_timestamp

FOLDER = Path(__file__).parents[3] / "fixtures" / "vectors"


def list_names(kind: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / kind).glob("*.json"))


def load(kind: str, name: str) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads((FOLDER / kind / f"{name}.json").read_text(encoding="utf-8"))
    return vector


def get_headers(vector: dict[str, Any]) -> GivenHeaders:
    return GivenHeaders({int(h): parse_header(bytes.fromhex(raw)) for h, raw in vector["headers"].items()})


def prove_document(vector: dict[str, Any], data: bytes) -> Claims:
    """Verify as the command does, and return what was proved."""
    headers = get_headers(vector)
    document = read_document(data)
    verify_document(document, subject=bytes.fromhex(vector["sha256"]), headers=headers)
    registry: Registry | None = None
    known = parse_outpoint(vector["registry"]) if "registry" in vector else None
    if "anchors" in vector:
        stream = BytesIO(vector["anchors"].encode())
        registry = read_registry(stream)
        verify_canonical(document, registry=registry, anchors=stream, headers=headers, known_outpoint=known)
    return describe_document(document, headers=headers, registry=registry, is_registry_checked=known is not None)


def prove_timestamp(vector: dict[str, Any], data: bytes) -> Claims:
    headers = get_headers(vector)
    timestamp = read_timestamp(data)
    verify_timestamp(timestamp, digest=bytes.fromhex(vector["sha256"]), headers=headers)
    return describe_timestamp(timestamp, headers=headers)
