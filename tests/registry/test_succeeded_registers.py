"""A register that was succeeded is exported, listed and downloaded as before, if its first outpoint names it."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from registry.errors import RegisterMissingError
from registry.models import Batch, Register
from registry.proof.__main__ import main as run_verifier
from registry.selectors.registers import choose_register, get_register
from tests.nodes import DevnodeProcess
from tests.registry.anchoring import Anchoring
from tests.registry.conftest import FoundedRegister
from tests.registry.test_services_successions import lose_key, succeed


@pytest.fixture
def old(devnode: DevnodeProcess, own: FoundedRegister, settings: Settings) -> Register:
    """A register with two final batches, and one that only its successor anchored."""
    anchoring = Anchoring(own, devnode)
    anchoring.anchor()
    anchoring.anchor()
    anchoring.mine(6)
    anchoring.seal()
    register = anchoring.founded.register
    succeed(anchoring, register, lose_key(anchoring, settings))
    anchoring.settle()
    anchoring.mine(6)
    return register


def name(register: Register) -> str:
    return f"{register.first_txid}:{register.first_vout}"


def test_both_registers_are_exported_each_to_its_folder(old: Register, tmp_path: Path):
    printed = io.StringIO()
    call_command("export_register", str(tmp_path / "old"), "--register", name(old), stdout=printed)
    call_command("export_register", str(tmp_path / "new"), stdout=printed)

    assert printed.getvalue().startswith("2 batches (2 new), 2 records, ")
    assert run_verifier(["audit", str(tmp_path / "old"), "--registry", name(old), "--network", "regtest"]) == 0
    assert (
        run_verifier(["audit", str(tmp_path / "new"), "--registry", name(get_register()), "--network", "regtest"]) == 0
    )
    with pytest.raises(CommandError, match="another register"):
        call_command("export_register", str(tmp_path / "old"))


def test_a_succeeded_registers_batches_and_proofs_are_in_the_api(old: Register, client: Client, tmp_path: Path):
    asked = {"register": name(old)}
    new = client.get("/api/v1/batches").json()["results"]
    results = client.get("/api/v1/batches", asked).json()["results"]

    assert [batch["seq"] for batch in results] == [2, 1, 0]
    assert {batch["commitment"] for batch in results}.isdisjoint(batch["commitment"] for batch in new)
    assert client.get("/api/v1/batches/1", asked).json() == results[1]
    assert client.get("/api/v1/batches/1").json() == new[-2]
    archive = b"".join(client.get("/api/v1/batches/1/proofs", asked | {"format": "both"}).streaming_content)  # type: ignore[attr-defined]
    (tmp_path / "proofs.zip").write_bytes(archive)
    call_command("export_register", str(tmp_path / "export"), "--register", name(old), stdout=io.StringIO())
    headers = str(tmp_path / "export" / "headers.bin")
    assert run_verifier(["audit", str(tmp_path / "proofs.zip"), "--headers", headers, "--network", "regtest"]) == 0
    record = Batch.objects.get(register=old, seq=1).records.get()
    assert f"{record.id}.ots".encode() in archive


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/batches", "/api/v1/batches/0", "/api/v1/batches/0/proofs"])
def test_a_register_that_is_not_there_is_not_found_and_no_outpoint_is_refused(client: Client, path: str):
    missing = client.get(path, {"register": "00" * 32 + ":0"})
    wrong = client.get(path, {"register": "no outpoint"})

    assert (missing.status_code, missing.json()["code"]) == (404, "register-missing")
    assert wrong.status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("outpoint", "message"), [("00" * 32 + ":0", "no register"), ("no outpoint", "not a first outpoint")]
)
def test_the_command_refuses_a_register_that_is_not_there(tmp_path: Path, outpoint: str, message: str):
    with pytest.raises(RegisterMissingError, match=message):
        choose_register(outpoint)
    with pytest.raises(CommandError, match=message):
        call_command("export_register", str(tmp_path), "--register", outpoint)
