import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry import archives
from registry.archives import iterate_archive
from registry.proof.archives import read_members

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def write(members: list[tuple[str, bytes]]) -> bytes:
    return b"".join(iterate_archive(iter(members), made_at=NOW))


@pytest.mark.parametrize("count", [0, 1, 100])
def test_the_standard_library_reads_what_was_written(count: int):
    members = [(f"{number}.ots", bytes([number]) * 5_000) for number in range(count)]

    with zipfile.ZipFile(io.BytesIO(write(members))) as archive:
        assert archive.testzip() is None
        assert [(name, archive.read(name)) for name in archive.namelist()] == members
        assert {info.date_time for info in archive.infolist()} <= {(2026, 3, 1, 12, 34, 56)}


def test_the_verifier_reads_what_was_written(tmp_path: Path):
    members = [(f"{number}.ots", b"proof") for number in range(70_000)]
    (tmp_path / "proofs.zip").write_bytes(write(members))

    assert list(read_members(tmp_path / "proofs.zip", bytes_max=10)) == members


def test_offsets_beyond_the_old_limit_are_read_by_the_standard_library(monkeypatch: pytest.MonkeyPatch):
    # As if no offset fitted into the old field. zipfile takes its own limit, so it reads what stands there.
    monkeypatch.setattr(archives, "LONG_MAX", 10)
    data = write([("a.ots", b"first"), ("b.ots", b"second")])
    second = data.rindex(b"PK\1\2")

    assert data[second + 46 + 5 :].startswith(b"\1\0\x08\0" + data.index(b"PK\3\4", 10).to_bytes(8, "little"))
    assert b"PK\6\6" in data


def test_chunks_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "DIRECTORY_BYTES_MAX", 1000)
    chunks = list(iterate_archive(((f"{number}", bytes(1000)) for number in range(2000)), made_at=NOW))

    assert max(map(len, chunks)) <= archives.CHUNK_BYTES + 1100
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert len(archive.namelist()) == 2000
