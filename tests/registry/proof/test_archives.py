import contextlib
import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.proof.archives import read_members
from registry.proof.errors import MalformedArchiveError, ProofError, ProofTooLargeError, UsageError

MEMBERS = [("a.ots", b"first"), ("folder/b.ots", b""), ("c.ots", b"third " * 50)]


def make_archive(members=MEMBERS, method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def read(data: bytes, folder: Path, *, bytes_max: int = 1000) -> list[tuple[str, bytes]]:
    path = folder / "archive.zip"
    path.write_bytes(data)
    return list(read_members(path, bytes_max=bytes_max))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_reads_what_the_standard_library_writes(tmp_path: Path, method: int):
    assert read(make_archive(method=method), tmp_path) == MEMBERS


def test_reads_what_was_written_to_a_stream_without_seeking(tmp_path: Path):
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr("a.ots", b"first")

    assert read(bytes(pipe.data), tmp_path) == [("a.ots", b"first")]


def test_folders_are_passed_over(tmp_path: Path):
    assert read(make_archive([("folder/", b""), ("folder/a", b"1")]), tmp_path) == [("folder/a", b"1")]


def test_an_archive_of_no_members_has_none(tmp_path: Path):
    assert read(make_archive([]), tmp_path) == []


def test_reads_more_members_than_the_old_record_can_count(tmp_path: Path):
    members = [(f"{number}", b"") for number in range(65_536)]

    assert read(make_archive(members), tmp_path) == members


def make_long_archive(fields: bytes, *, tag: int = 1) -> bytes:
    """Move the sizes and the offset of the only member to an extra field, as for an archive of over 4 GiB."""
    data = make_archive([("a.ots", b"first")])
    start = data.index(b"PK\1\2")
    extra = struct.pack("<2H", 0x5455, 1) + b"?" + struct.pack("<2H", tag, len(fields)) + fields
    entry = data[start : start + 20] + b"\xff" * 8 + data[start + 28 : start + 30] + struct.pack("<H", len(extra))
    entry += data[start + 32 : start + 42] + b"\xff" * 4 + b"a.ots" + extra
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), start, 0)
    return data[:start] + entry + end


def test_reads_sizes_and_offsets_from_the_field_for_long_ones(tmp_path: Path):
    assert read(make_long_archive(struct.pack("<3Q", 5, 5, 0)), tmp_path) == [("a.ots", b"first")]


@pytest.mark.parametrize(
    "data",
    [
        make_long_archive(struct.pack("<3Q", 5, 5, 0), tag=2),
        make_long_archive(struct.pack("<3Q", 5, 5, 1)),
        make_long_archive(struct.pack("<3Q", 5, 4, 0)),
        make_long_archive(struct.pack("<3Q", 5, 5, 1 << 40)),
        make_long_archive(struct.pack("<2Q", 5, 5)),
        make_long_archive(struct.pack("<2QL", 5, 5, 0)),
        b"",
        b"PK",
        make_archive() + b"more",
        make_archive()[:-1],
        make_archive().replace(b"first", b"First"),
        make_archive().replace(b"c.ots", b"d.ots", 1),
        make_archive(method=zipfile.ZIP_BZIP2),
        make_archive(method=zipfile.ZIP_DEFLATED).replace(b"PK\3\4", b"PK\3\5"),
        make_archive().replace(b"PK\1\2", b"PK\1\3", 1),
        b"before" + make_archive(),
        make_archive([(str(number), b"") for number in range(65_536)]).replace(b"PK\6\6", b"PK\6\5"),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path: Path, data: bytes):
    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


@pytest.mark.parametrize("signature", [b"PK\3\4", b"PK\1\2"])
def test_encrypted_members_are_refused(tmp_path: Path, signature: bytes):
    data = bytearray(make_archive([("a.ots", b"first")]))
    data[data.index(signature) + (6 if signature == b"PK\3\4" else 8)] |= 1

    with pytest.raises(MalformedArchiveError):
        read(bytes(data), tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xff", b""])
def test_deflated_bytes_that_do_not_unpack_are_refused(tmp_path: Path, content: bytes):
    data = make_archive([("a.ots", b"first")]).replace(b"first", content.ljust(5, b"\xff"))
    data = data.replace(b"PK\3\4\x14\0\0\0\0\0", b"PK\3\4\x14\0\0\0\x08\0").replace(
        b"PK\1\2\x14\3\x14\0\0\0\0\0", b"PK\1\2\x14\3\x14\0\0\0\x08\0"
    )

    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


def test_a_member_over_the_limit_is_refused_before_it_is_unpacked(tmp_path: Path):
    with pytest.raises(ProofTooLargeError):
        read(make_archive([("a.ots", bytes(1001))], zipfile.ZIP_DEFLATED), tmp_path)


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path):
    with pytest.raises(UsageError):
        list(read_members(tmp_path / "no such file", bytes_max=1))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changed_bytes_raise_our_errors_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, data):
    archive = bytearray(make_archive(method=data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))))
    for _ in range(data.draw(st.integers(1, 3))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProofError):
        read(bytes(archive), tmp_path_factory.getbasetemp())
