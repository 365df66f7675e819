"""The static export: what it holds, that the audit accepts it, and what interrupts it."""

import fcntl
import os
import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from chain.errors import NodeUnavailableError
from chain.node import NodeClient
from registry.errors import (
    ExportBusyError,
    ExportConflictError,
    ExportDirectoryError,
    ExportMismatchError,
    HeadersFileError,
    RegisterMissingError,
)
from registry.files import Workshop
from registry.models import Anchor, Batch
from registry.proof.__main__ import main as run_verifier
from registry.services import anchors, exports
from registry.services.batches import seal_batch
from registry.services.exports import Exported, export_register
from tests.factories.registry import make_document_record
from tests.nodes import DevnodeProcess
from tests.registry.conftest import NOW, FoundedRegister


def anchor(founded: FoundedRegister, *, records: int = 1, blocks: int = 6) -> Batch:
    """Register, seal and anchor, and mine so many blocks on it."""
    for _ in range(records):
        make_document_record(now=NOW)
    batch = seal_batch(now=NOW)
    anchors.send_anchors(node=founded.node, now=NOW)
    founded.mine(blocks)
    return batch


def export(founded: FoundedRegister, folder: Path) -> Exported:
    return export_register(directory=folder, node=founded.node)


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def exported(founded: FoundedRegister, tmp_path: Path) -> Path:
    """An export of two final batches, of three and one records."""
    anchor(founded, records=3, blocks=1)
    anchor(founded)
    assert export(founded, tmp_path).records == 4
    return tmp_path


def test_an_export_is_audited_offline(exported: Path, founded: FoundedRegister, capsys: pytest.CaptureFixture[str]):
    outpoint = f"{founded.register.first_txid}:{founded.register.first_vout}"

    assert run_verifier(["audit", str(exported), "--registry", outpoint, "--network", "regtest"]) == 0

    printed = capsys.readouterr().out
    assert "4 in 2 batches; nothing missing, nothing twice" in printed
    assert f"source    file {exported / 'headers.bin'}: has this header\n            regtest, blocks 0 to " in printed
    assert list_files(exported) == [
        "README.txt", "anchors.ndjson", "batches/0000000000.leaves", "batches/0000000001.leaves", "headers.bin",
        "register.json",
    ]  # fmt: skip
    assert f"audit . --registry {outpoint} --network regtest\n" in (exported / "README.txt").read_text()


def test_only_new_batches_are_written(exported: Path, founded: FoundedRegister):
    old = exported / "batches" / "0000000000.leaves"
    inode = old.stat().st_ino
    anchor(founded, records=2)

    told: list[tuple[int, int]] = []
    result = export_register(
        directory=exported, node=founded.node, note_progress=lambda done, total: told.append((done, total))
    )

    assert (result.batches, result.new_batches, result.records) == (3, 1, 6)
    assert old.stat().st_ino == inode
    assert told[0] == (0, 2)
    assert told[-1] == (2, 2)
    assert run_verifier(["audit", str(exported), "--network", "regtest"]) == 0


def test_what_is_not_final_is_not_exported(founded: FoundedRegister, tmp_path: Path):
    anchor(founded)
    anchor(founded, blocks=5)

    assert export(founded, tmp_path).batches == 1
    assert run_verifier(["audit", str(tmp_path), "--network", "regtest"]) == 0


def test_what_is_not_six_blocks_deep_is_not_exported_whatever_the_operator_calls_final(
    founded: FoundedRegister, tmp_path: Path, settings: Settings
):
    settings.CADASTRE_CONFIRMATIONS_FINAL = 2
    anchor(founded)
    batch = anchor(founded, blocks=3)
    assert Anchor.objects.get(batch=batch).state == Anchor.State.FINAL

    assert export(founded, tmp_path).batches == 1
    assert run_verifier(["audit", str(tmp_path), "--network", "regtest"]) == 0


def test_an_export_of_nothing_is_undecided(founded: FoundedRegister, tmp_path: Path):
    assert export(founded, tmp_path).batches == 0
    assert run_verifier(["audit", str(tmp_path), "--network", "regtest"]) == 2


def test_an_interrupted_export_is_taken_up_again(exported: Path, founded: FoundedRegister):
    anchor(founded)
    batch = anchor(founded)
    # As if it had been killed between two batches, and inside one.
    (exported / ".unfinished" / "0000000003.leaves").write_bytes(b"half")
    (exported / ".unfinished" / "folder").mkdir()
    with pytest.raises(NodeUnavailableError):
        export_register(directory=exported, node=NodeClient("http://127.0.0.1:1"))
    assert run_verifier(["audit", str(exported), "--network", "regtest"]) == 2  # leaves without an anchor

    result = export(founded, exported)

    assert (result.batches, result.new_batches) == (batch.seq + 1, 0)
    assert list((exported / ".unfinished").iterdir()) == []
    assert run_verifier(["audit", str(exported), "--network", "regtest"]) == 0


def test_a_damaged_file_of_another_size_is_written_again(exported: Path, founded: FoundedRegister):
    path = exported / "batches" / "0000000000.leaves"
    path.write_bytes(path.read_bytes()[:-1])

    assert export(founded, exported).new_batches == 1
    assert run_verifier(["audit", str(exported), "--network", "regtest"]) == 0


def test_records_that_were_not_sealed_so_are_never_exported(founded: FoundedRegister, tmp_path: Path):
    batch = anchor(founded)
    wrong = Batch.objects.get(id=batch.id)
    wrong.root = bytes(32)

    with pytest.raises(ExportMismatchError):
        list(exports._pack_checked(wrong, 0, 1, lambda _done, _total: None))


def test_after_a_reorganisation_the_export_follows(
    devnode: DevnodeProcess, found, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    founded = found(devnode)
    anchor(founded)
    second = anchor(founded)
    export(founded, tmp_path)
    final = Anchor.objects.get(batch=second)

    founded.node.invalidate_block(final.block_hash)
    devnode.kill()  # The mempool forgets the anchor, so that the competing block does not have it.
    devnode.start()
    founded.wallet.mine(7)
    published = {name: (tmp_path / name).read_bytes() for name in ("anchors.ndjson", "headers.bin")}
    with pytest.raises(ExportConflictError):
        export(founded, tmp_path)
    # The database still has the old chain: what is published stays as it was, and valid.
    assert {name: (tmp_path / name).read_bytes() for name in published} == published
    assert run_verifier(["audit", str(tmp_path), "--network", "regtest"]) == 0
    founded.mine(1)

    assert export(founded, tmp_path).batches == 1
    assert run_verifier(["audit", str(tmp_path), "--network", "regtest"]) == 0
    anchors.send_anchors(node=founded.node, now=NOW)
    founded.mine(6)
    assert export(founded, tmp_path).batches == 2
    assert run_verifier(["audit", str(tmp_path), "--network", "regtest"]) == 0


def test_what_is_published_is_never_invalid_while_an_export_follows_a_reorganisation(
    devnode: DevnodeProcess, found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Passes if the audit accepts the folder after every step at which a file gets its name, or finds it undecided."""
    founded = found(devnode)
    anchor(founded)
    second = anchor(founded)
    export(founded, tmp_path)
    founded.node.invalidate_block(Anchor.objects.get(batch=second).block_hash)
    founded.mine(8)  # The second anchor is mined again, in another block.
    assert Anchor.objects.get(batch=second).state == Anchor.State.FINAL
    seen: list[tuple[str, int]] = []

    class Watched(Workshop):
        def put(self, name: str, path: Path) -> None:
            super().put(name, path)
            seen.append((name, run_verifier(["audit", str(tmp_path), "--network", "regtest"])))

    monkeypatch.setattr(exports, "Workshop", Watched)
    assert export(founded, tmp_path).batches == 2

    # The anchors that both chains have, the new headers, and the new anchors.
    assert seen == [("README.txt", 0), ("anchors.ndjson", 2), ("headers.bin", 2), ("anchors.new", 0)]


def test_a_damaged_anchors_file_is_written_again(exported: Path, founded: FoundedRegister):
    path = exported / "anchors.ndjson"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])

    export(founded, exported)

    assert path.read_bytes() == whole


def test_damaged_headers_are_named_and_left_to_the_operator(exported: Path, founded: FoundedRegister):
    path = exported / "headers.bin"
    path.write_bytes(path.read_bytes() + b"more")

    with pytest.raises(HeadersFileError, match=f"^{path} has"):
        export(founded, exported)

    path.unlink()
    assert export(founded, exported).batches == 2
    assert run_verifier(["audit", str(exported), "--network", "regtest"]) == 0


def test_headers_that_an_interrupted_export_had_already_are_not_asked_for_again(
    founded: FoundedRegister, tmp_path: Path
):
    anchor(founded)
    export(founded, tmp_path)
    headers = (tmp_path / "headers.bin").rename(tmp_path / ".unfinished" / "headers.bin")
    told: list[tuple[int, int]] = []

    export_register(directory=tmp_path, node=founded.node, note_headers=lambda done, total: told.append((done, total)))

    assert len(told) == 1
    assert not headers.exists()
    assert run_verifier(["audit", str(tmp_path), "--network", "regtest"]) == 0


def test_the_folder_of_another_register_is_refused(exported: Path, founded: FoundedRegister):
    path = exported / "register.json"
    path.write_text(path.read_text().replace("regtest", "signet"))

    with pytest.raises(ExportDirectoryError):
        export(founded, exported)


def test_two_exports_of_one_folder_do_not_run_at_once(exported: Path, founded: FoundedRegister):
    descriptor = os.open(exported / ".unfinished", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(ExportBusyError):
            export(founded, exported)
    finally:
        os.close(descriptor)
    assert export(founded, exported).new_batches == 0


@pytest.mark.django_db
def test_there_is_no_export_without_a_register(shared_devnode: DevnodeProcess, tmp_path: Path):
    with pytest.raises(RegisterMissingError):
        export_register(directory=tmp_path, node=shared_devnode.client)


def test_the_command_says_what_was_exported(exported: Path, founded: FoundedRegister):
    printed = StringIO()

    call_command("export_register", str(exported), stdout=printed)

    assert printed.getvalue().startswith("2 batches (0 new), 4 records, ")


def test_the_command_names_what_it_cannot_do(exported: Path, founded: FoundedRegister):
    (exported / "register.json").write_text("{}")
    with pytest.raises(CommandError, match="another register"):
        call_command("export_register", str(exported))
    shutil.rmtree(exported)
    exported.write_text("a file")
    with pytest.raises(CommandError, match=r"Not a directory|File exists"):
        call_command("export_register", str(exported))
