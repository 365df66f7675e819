"""Archives as Carol would craft them: what is read is what zipfile reads, or it is refused."""

import contextlib
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.proof.archives import _Names, read_members
from registry.proof.errors import MalformedArchiveError, ProofError


def read(data: bytes, folder: Path) -> list[tuple[str, bytes]]:
    path = folder / "archive.zip"
    path.write_bytes(data)
    return list(read_members(path, bytes_max=1000))


class Pieces:
    """The pieces of an archive, which the tests put together as Carol would."""

    @staticmethod
    def local(
        name: bytes = b"a.ots",
        content: bytes = b"first",
        *,
        flags: int = 0,
        method: int = 0,
        extra: bytes = b"",
        **said: Any,
    ) -> bytes:
        crc, packed, size = (said.get(key, value) for key, value in describe(content).items())
        header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, crc, packed, size, len(name), len(extra))
        return header + name + extra + content

    @staticmethod
    def central(
        name: bytes = b"a.ots",
        content: bytes = b"first",
        *,
        offset: int = 0,
        flags: int = 0,
        method: int = 0,
        **said: Any,
    ) -> bytes:
        crc, packed, size = (said.get(key, value) for key, value in describe(content).items())
        extra: bytes = said.get("extra", b"")
        comment: bytes = said.get("comment", b"")
        header = struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, flags, method, 0, 33, crc, packed, size, len(name), len(extra),
            len(comment), said.get("disk", 0), 0, 0, offset,
        )  # fmt: skip
        return header + name + extra + comment

    @staticmethod
    def end(count: int, size: int, offset: int, *, comment: bytes = b"", disks=(0, 0), count_here=None) -> bytes:
        here = count if count_here is None else count_here
        return struct.pack("<4s4H2LH", b"PK\5\6", *disks, here, count, size, offset, len(comment)) + comment

    @staticmethod
    def long_record(count: int, size: int, offset: int, *, record_bytes: int = 44, count_here=None) -> bytes:
        here = count if count_here is None else count_here
        return struct.pack("<4sQ2H2L4Q", b"PK\6\6", record_bytes, 45, 45, 0, 0, here, count, size, offset)

    @staticmethod
    def locator(offset: int, *, disk: int = 0, disks: int = 1) -> bytes:
        return struct.pack("<4sLQL", b"PK\6\7", disk, offset, disks)


def describe(content: bytes) -> dict[str, Any]:
    return {"crc": zlib.crc32(content), "packed": len(content), "size": len(content)}


def list_members_as_zipfile_does(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def join(locals_: bytes, directory: bytes, count: int, **said: Any) -> bytes:
    return locals_ + directory + Pieces.end(count, len(directory), len(locals_), **said)


ONE = [("a.ots", b"first")]


def test_the_pieces_make_an_archive_that_everybody_reads_alike(tmp_path: Path):
    data = join(Pieces.local(), Pieces.central(), 1)

    assert read(data, tmp_path) == list_members_as_zipfile_does(data) == ONE


def test_a_directory_with_more_entries_than_it_says_is_refused(tmp_path: Path):
    locals_ = Pieces.local() + Pieces.local(b"b.ots", b"unverified")
    directory = Pieces.central() + Pieces.central(b"b.ots", b"unverified", offset=len(Pieces.local()))
    data = join(locals_, directory, 1)

    assert len(list_members_as_zipfile_does(data)) == 2
    with pytest.raises(MalformedArchiveError, match="more entries"):
        read(data, tmp_path)


@pytest.mark.parametrize("count", [2, 3, 65_535])
def test_a_directory_with_fewer_entries_than_it_says_is_refused(tmp_path: Path, count: int):
    data = join(Pieces.local(), Pieces.central(), count)

    assert list_members_as_zipfile_does(data) == ONE
    with pytest.raises(MalformedArchiveError, match="fewer entries"):
        read(data, tmp_path)


def test_entries_that_run_over_the_end_of_the_directory_are_refused(tmp_path: Path):
    # There would be space for two entries without names; the second begins before the end, and goes on after it.
    directory = Pieces.central(b"a" * 60) + b"PK\1\2"
    with pytest.raises(MalformedArchiveError):
        read(join(Pieces.local(b"a" * 60), directory, 2), tmp_path)


def make_hidden_directory() -> bytes:
    """Hide a directory of another member, with its ZIP64 records, in the comment of the only entry."""
    shown, other = Pieces.local(), Pieces.local(b"b.ots", b"unverified")
    entry = Pieces.central(b"b.ots", b"unverified", offset=len(shown))
    start = len(shown) + len(other) + len(Pieces.central())
    record = Pieces.long_record(1, len(entry), start)
    comment = entry + record + Pieces.locator(start + len(entry))
    return join(shown + other, Pieces.central(comment=comment), 1)


def test_a_directory_hidden_in_a_comment_is_refused(tmp_path: Path):
    data = make_hidden_directory()

    assert list_members_as_zipfile_does(data) == [("b.ots", b"unverified")]
    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


def test_a_directory_hidden_in_an_extra_field_is_refused(tmp_path: Path):
    shown, other = Pieces.local(), Pieces.local(b"b.ots", b"unverified")
    entry = Pieces.central(b"b.ots", b"unverified", offset=len(shown))
    start = len(shown) + len(other) + len(Pieces.central()) + 4
    hidden = entry + Pieces.long_record(1, len(entry), start) + Pieces.locator(start + len(entry))
    data = join(shown + other, Pieces.central(extra=struct.pack("<2H", 0x5455, len(hidden)) + hidden), 1)

    assert list_members_as_zipfile_does(data) == [("b.ots", b"unverified")]
    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


@pytest.mark.parametrize("of", ["archive", "entry"])
def test_comments_are_refused(tmp_path: Path, of: str):
    comment = b"made by Bob"
    if of == "archive":
        data = join(Pieces.local(), Pieces.central(), 1, comment=comment)
    else:
        data = join(Pieces.local(), Pieces.central(comment=comment), 1)

    assert list_members_as_zipfile_does(data) == ONE
    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


def make_long_end(short: dict[str, Any], *, gap: bytes = b"", after: bytes = b"", **said: Any) -> bytes:
    """Return an archive with a ZIP64 record; `short` are the fields of the old one, `gap` and `after` stand beside."""
    locals_, directory = Pieces.local(), Pieces.central()
    offset, size = len(locals_), len(directory)
    record = Pieces.long_record(1, size, offset, record_bytes=44 + len(gap), count_here=said.get("count_here"))
    locator = Pieces.locator(said.get("at", offset + size), disks=said.get("disks", 1))
    fields = {"count": 1, "size": size, "offset": offset} | short
    return locals_ + directory + record + gap + locator + after + Pieces.end(**fields)


@pytest.mark.parametrize(
    "short", [{"count": 65_535}, {"size": 0xFFFFFFFF}, {"count": 65_535, "size": 0xFFFFFFFF, "offset": 0xFFFFFFFF}]
)
def test_a_long_record_that_agrees_is_read(tmp_path: Path, short: dict[str, Any]):
    data = make_long_end(short)

    assert read(data, tmp_path) == list_members_as_zipfile_does(data) == ONE


@pytest.mark.parametrize(
    "data",
    [
        # No field of the old record is left to the new one.
        make_long_end({}),
        make_long_end({"count": 65_535, "size": 7}),
        make_long_end({"count": 65_535, "offset": 7}),
        make_long_end({"count": 2, "size": 0xFFFFFFFF}),
        make_long_end({"count": 65_535}, at=0),
        make_long_end({"count": 65_535}, count_here=2),
    ],
)
def test_a_long_record_that_zipfile_follows_but_others_need_not_is_refused(tmp_path: Path, data: bytes):
    assert list_members_as_zipfile_does(data) == ONE
    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        make_long_end({"count": 65_535}, gap=b"more"),
        make_long_end({"count": 65_535}, after=b"more"),
        make_long_end({"count": 65_535}, disks=2),
        Pieces.locator(0) + Pieces.end(65_535, 0, 0),
        join(Pieces.local(), Pieces.central(), 1, disks=(1, 0)),
        join(Pieces.local(), Pieces.central(), 1, disks=(0, 1)),
        join(Pieces.local(), Pieces.central(), 1, count_here=0),
    ],
)
def test_records_of_the_end_that_are_elsewhere_or_of_several_disks_are_refused(tmp_path: Path, data: bytes):
    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


def test_a_count_that_needs_no_long_record_is_read_without_one(tmp_path: Path):
    members = [(f"{number}", b"") for number in range(65_535)]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    data = stream.getvalue()

    assert b"PK\6\6" not in data
    assert read(data, tmp_path) == members


@pytest.mark.parametrize("second", [b"a.ots", b"a.ots/"])
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, second: bytes):
    content = b"" if second.endswith(b"/") else b"unverified"
    locals_ = Pieces.local() + Pieces.local(second, content)
    directory = Pieces.central() + Pieces.central(second, content, offset=len(Pieces.local()))
    data = join(locals_, directory, 2)

    assert len(list_members_as_zipfile_does(data)) == 2
    with pytest.raises(MalformedArchiveError, match="twice"):
        read(data, tmp_path)


@pytest.mark.parametrize("name", [b"a.ots\0.txt", b"./a.ots", b"b/../a.ots", b"/a.ots", b"b//a.ots", b"b\\a.ots", b""])
def test_names_that_programs_change_are_refused(tmp_path: Path, name: bytes):
    data = join(Pieces.local(name), Pieces.central(name), 1)

    assert len(list_members_as_zipfile_does(data)) == 1
    with pytest.raises(MalformedArchiveError, match="plain name"):
        read(data, tmp_path)


def test_a_folder_with_content_is_refused(tmp_path: Path):
    data = join(Pieces.local(b"a.ots/"), Pieces.central(b"a.ots/"), 1)

    assert list_members_as_zipfile_does(data) == [("a.ots/", b"first")]
    with pytest.raises(MalformedArchiveError, match="folder"):
        read(data, tmp_path)


@pytest.mark.parametrize("local", [{"crc": 1}, {"packed": 4}, {"size": 6}, {"flags": 1 << 11}, {"flags": 8}])
def test_a_header_that_says_something_else_than_the_directory_is_refused(tmp_path: Path, local: dict[str, Any]):
    data = join(Pieces.local(**local), Pieces.central(), 1)

    assert list_members_as_zipfile_does(data) == ONE
    with pytest.raises(MalformedArchiveError):
        read(data, tmp_path)


@pytest.mark.parametrize("bit", [0, 4, 5, 6, 13])
def test_flags_that_change_how_a_member_is_read_are_refused(tmp_path: Path, bit: int):
    data = join(Pieces.local(flags=1 << bit), Pieces.central(flags=1 << bit), 1)
    with pytest.raises(MalformedArchiveError, match="unknown way"):
        read(data, tmp_path)


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_members_that_only_a_streaming_program_sees_are_refused(tmp_path: Path, place: str):
    first, hidden, last = Pieces.local(), Pieces.local(b"b.ots", b"unverified"), Pieces.local(b"c.ots", b"third")
    locals_ = {
        "before": hidden + first + last,
        "between": first + hidden + last,
        "after": first + last + hidden,
    }[place]
    directory = Pieces.central(offset=locals_.index(first))
    directory += Pieces.central(b"c.ots", b"third", offset=locals_.index(last))
    data = join(locals_, directory, 2)

    assert [name for name, _ in list_members_as_zipfile_does(data)] == ["a.ots", "c.ots"]
    with pytest.raises(MalformedArchiveError, match="follow"):
        read(data, tmp_path)


def test_an_entry_on_another_disk_is_refused(tmp_path: Path):
    with pytest.raises(MalformedArchiveError):
        read(join(Pieces.local(), Pieces.central(disk=1), 1), tmp_path)


@pytest.mark.parametrize(
    "extra",
    [
        # Another name, a field that is cut off, and the long numbers twice.
        struct.pack("<2H", 0x7075, 5) + b"\1" * 5,
        struct.pack("<2H", 0x5455, 9),
        struct.pack("<2HQ", 1, 8, 5) * 2,
    ],
)
@pytest.mark.parametrize("piece", ["local", "central"])
def test_extra_fields_that_programs_may_read_in_two_ways_are_refused(tmp_path: Path, extra: bytes, piece: str):
    local = Pieces.local(extra=extra) if piece == "local" else Pieces.local()
    central = Pieces.central(extra=extra) if piece == "central" else Pieces.central()
    with pytest.raises(MalformedArchiveError):
        read(join(local, central, 1), tmp_path)


def test_a_header_may_have_its_sizes_in_the_field_for_long_ones(tmp_path: Path):
    extra = struct.pack("<2H2Q", 1, 16, 5, 5)
    data = join(Pieces.local(extra=extra, size=0xFFFFFFFF, packed=0xFFFFFFFF), Pieces.central(), 1)

    assert read(data, tmp_path) == list_members_as_zipfile_does(data) == ONE


@pytest.mark.parametrize("signature", [b"", b"PK\7\x08"])
@pytest.mark.parametrize("form", ["<3L", "<L2Q"])
@pytest.mark.parametrize("said", [{}, {"crc": 0, "packed": 0, "size": 0}])
def test_sizes_that_follow_the_content_are_compared(tmp_path: Path, signature: bytes, form: str, said: dict[str, Any]):
    descriptor = signature + struct.pack(form, *describe(b"first").values())
    local = Pieces.local(flags=8, **said)
    data = join(local + descriptor, Pieces.central(flags=8), 1)

    assert read(data, tmp_path) == list_members_as_zipfile_does(data) == ONE
    with pytest.raises(MalformedArchiveError):
        read(join(local + descriptor[:-1] + b"?", Pieces.central(flags=8), 1), tmp_path)


def test_two_names_with_the_same_place_in_the_table_are_told_apart():
    names = _Names(3)
    assert [names.add(b"%d" % number) for number in [1, 2, 3]] == [True] * 3
    assert [names.add(b"%d" % number) for number in [1, 2, 3]] == [False] * 3


@pytest.mark.parametrize("more", [b"", b"more"])
def test_bytes_after_the_end_of_what_was_deflated_are_refused(tmp_path: Path, more: bytes):
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"first") + packer.flush() + more
    said = describe(b"first") | {"packed": len(packed)}
    data = join(Pieces.local(content=packed, method=8, **said), Pieces.central(method=8, **said), 1)

    assert list_members_as_zipfile_does(data) == ONE
    if more:
        with pytest.raises(MalformedArchiveError):
            read(data, tmp_path)
    else:
        assert read(data, tmp_path) == ONE


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_what_is_read_is_what_zipfile_reads(tmp_path_factory: pytest.TempPathFactory, data):
    archive = bytearray(
        data.draw(
            st.sampled_from(
                [
                    join(Pieces.local(), Pieces.central(), 1),
                    make_hidden_directory(),
                    make_long_end({"count": 65_535}),
                    make_long_end({}),
                ]
            )
        )
    )
    for _ in range(data.draw(st.integers(0, 3))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        members = read(bytes(archive), tmp_path_factory.getbasetemp())
    except ProofError:
        return
    # It refuses versions that it does not know, and names that are not UTF-8, which change no content.
    with contextlib.suppress(NotImplementedError, UnicodeDecodeError):
        seen = list_members_as_zipfile_does(bytes(archive))
        assert [content for name, content in seen if not name.endswith("/")] == [content for _, content in members]
