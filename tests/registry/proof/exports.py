"""The vectors of static exports, written to a folder for the tests of the audit."""

from pathlib import Path
from typing import Any

from registry.proof.anchors import parse_outpoint
from registry.proof.audits import RegisterClaims, audit_export
from registry.proof.networks import get_network
from tests.registry.proof.vectors import get_headers


def write_export(vector: dict[str, Any], folder: Path) -> Path:
    (folder / "batches").mkdir(parents=True, exist_ok=True)
    for name, text in vector["files"].items():
        (folder / name).write_bytes(bytes.fromhex(text) if name.endswith(".leaves") else text.encode())
    return folder


def audit_vector(vector: dict[str, Any], folder: Path) -> RegisterClaims:
    known = parse_outpoint(vector["registry"]) if "registry" in vector else None
    network = get_network(vector["network"]) if "network" in vector else None
    export = write_export(vector, folder)
    return audit_export(export, headers=get_headers(vector), known_outpoint=known, network=network)
